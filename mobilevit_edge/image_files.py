"""Which files are images, and finding those that a user names."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageFile

from mobilevit_edge.errors import ImageError

HEIF_SUFFIXES: Final = frozenset({".heic", ".heif", ".hif"})
"""Read with the optional package pillow-heif; looked for without it too, so that it is named."""
_NO_PHOTOS: Final = frozenset({"EPS", "FITS", "IPTC", "MPEG"})
"""What Pillow opens although it holds programs, measurements, metadata or films."""


@lru_cache(maxsize=1)
def image_suffixes() -> frozenset[str]:
    """Suffixes of the image files that can be read, in lower case: those of Pillow's decoders."""
    # It loads every plugin, as Image.open does for an unknown file.
    suffixes = Image.registered_extensions()
    decoders = {name for name, (decoder, _) in Image.OPEN.items() if not _is_stub(decoder)}
    return HEIF_SUFFIXES | {
        suffix for suffix, name in suffixes.items() if name in decoders - _NO_PHOTOS
    }


def _is_stub(decoder: object) -> bool:
    return isinstance(decoder, type) and issubclass(decoder, ImageFile.StubImageFile)


def is_image(path: Path) -> bool:
    """Whether a path has an image's suffix and is not hidden."""
    return path.suffix.lower() in image_suffixes() and not path.name.startswith(".")


def find_images(path: Path) -> list[Path]:
    """``path`` itself, or every image file below it, in a fixed order.

    Raises:
        ImageError: nothing there, or no image below the folder.
    """
    if not path.exists():
        raise ImageError(f"no image or folder at {path}")
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*") if is_image(p) and not p.is_dir())
    if not found:
        raise ImageError(f"no images below {path} (no file has the suffix of an image, as .jpg)")
    return found
