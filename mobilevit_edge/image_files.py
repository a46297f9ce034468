"""Which files are images, finding those that a user names, and opening one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image, ImageFile, UnidentifiedImageError

from mobilevit_edge.errors import ImageError

HEIF_SUFFIXES: Final = frozenset({".heic", ".heif", ".hif"})
"""Read with the optional package pillow-heif; looked for without it too, so that it is named."""
_NO_PHOTOS: Final = frozenset({"EPS", "FITS", "IPTC", "MPEG"})
"""What Pillow opens although it holds programs, measurements, metadata or films."""
_MAX_PIXELS: Final = 128 * 10**6
"""Largest image that is decoded (384 MB as RGB): above any phone's 108-megapixel photos."""
_TOO_LARGE: Final = f"at most {_MAX_PIXELS // 10**6} megapixels are decoded: scale it down first"


@lru_cache(maxsize=1)
def image_suffixes() -> frozenset[str]:
    """Suffixes of the image files that can be read, in lower case: those of Pillow's decoders."""
    formats = _formats()
    suffixes = Image.registered_extensions()
    return HEIF_SUFFIXES | {suffix for suffix, name in suffixes.items() if name in formats}


def _formats() -> list[str]:
    """Pillow's formats of images, the usual ones first, with those that packages have added."""
    Image.preinit()
    Image.init()
    return [
        name for name in Image.ID if name not in _NO_PHOTOS and not _is_stub(Image.OPEN[name][0])
    ]


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


@contextmanager
def opened_image(file: BinaryIO, path: str | Path) -> Iterator[Image.Image]:
    """The image in an open file, whatever its suffix; the block decodes it.

    Args:
        file: the content.
        path: what messages call it.

    Raises:
        ImageError: no image, or one that Pillow starts another program for; larger than 128
            megapixels, judged by its header; or the block could not decode it.
    """
    try:
        with warnings.catch_warnings():
            # The size check below is ours, and alpha, which Pillow warns about, is dropped.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_formats()) as image:
                width, height = image.size
                if width * height > _MAX_PIXELS:
                    raise ImageError(f"{path} has {width}x{height} pixels; {_TOO_LARGE}")
                yield image
    except UnidentifiedImageError as error:
        raise ImageError(f"{path} is not an image that can be read") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path} is too large ({error}); {_TOO_LARGE}") from error
    except ImageError:
        raise
    # Decoders of damaged data raise whatever their format's code raises.
    except Exception as error:
        raise ImageError(f"cannot read the image {path}: {error!r}") from error
