"""Which files are images, and finding those that a user names."""

from __future__ import annotations

import os
from collections.abc import Iterator
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


def files_below(root: Path) -> Iterator[Path]:
    """Every file below a folder, but none in hidden folders; folders that cannot be read are empty.

    Links to folders are followed, except to one that the path there leads through already: a circle
    of links would give the same files again and again.
    """
    through: dict[str, frozenset[tuple[int, int]]] = {str(root): frozenset()}
    for folder, folders, names in os.walk(root, followlinks=True):
        passed = through.pop(folder) | {_identity(folder)}
        inner = {name: os.path.join(folder, name) for name in folders if not name.startswith(".")}
        folders[:] = sorted(name for name in inner if _identity(inner[name]) not in passed)
        through |= {inner[name]: passed for name in folders}
        yield from (Path(folder, name) for name in sorted(names))


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def find_images(path: Path) -> list[Path]:
    """``path`` itself, or every image file below it in a fixed order; see :func:`files_below`.

    Raises:
        ImageError: nothing there, or no image below the folder.
    """
    if not path.exists():
        raise ImageError(f"no image or folder at {path}")
    if not path.is_dir():
        return [path]
    found = sorted(filter(is_image, files_below(path)))
    if not found:
        raise ImageError(f"no images below {path} (no file has the suffix of an image, as .jpg)")
    return found
