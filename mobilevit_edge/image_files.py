"""Finding the image files that a user names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mobilevit_edge.errors import ImageError

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def find_images(path: Path) -> list[Path]:
    """``path`` itself, or every image file below it, in a fixed order.

    Raises:
        ImageError: nothing there, or no image below the folder.
    """
    if not path.exists():
        raise ImageError(f"no image or folder at {path}")
    if path.is_file():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise ImageError(f"no images below {path} (looked for {', '.join(IMAGE_SUFFIXES)})")
    return found
