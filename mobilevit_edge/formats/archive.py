"""A bundle as one zip file, which apps unpack."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Final

from mobilevit_edge.files import write_atomically
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.formats.manifest import MANIFEST_FILE

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_MAX_NAME: Final = 100


def app_name(bundle: Path) -> str:
    """A bundle's name in apps: its folder's, in letters, digits, ``_``, ``.`` and ``-``."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", bundle.resolve().name).lstrip(".-")
    return name[:_MAX_NAME] or "bundle"


def zip_bundle(bundle: Bundle, path: Path) -> None:
    """Write the manifest and the files that it lists to ``path`` in one step.

    The same bundle always gives the same bytes.

    Raises:
        OutputError: the file cannot be written.
    """
    names = [MANIFEST_FILE, *(file.path for file in bundle.manifest.files)]

    def write(target: Path) -> None:
        with zipfile.ZipFile(target, "w") as archive:
            for name in names:
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, (bundle.path / name).read_bytes())

    write_atomically(path, write)
