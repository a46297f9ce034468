"""The page without its server: a service worker that keeps the files it has seen.

What it keeps is known by its content: the worker's script begins with the hash of every file, and
whatever has another is neither kept nor given. A site with any other file has another script, by
which browsers notice that it changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mobilevit_edge.web.site import MEDIA_TYPES, SiteFile

WORKER: Final = "offline.js"
"""Beside the page: a worker serves what lies beside and below its script."""
_CODE: Final = Path(__file__).parent / WORKER


def with_offline(files: Mapping[str, SiteFile]) -> dict[str, SiteFile]:
    """A site, complete otherwise, that can be reloaded without its server."""
    hashes = {name: hashlib.sha256(file.read()).hexdigest() for name, file in files.items()}
    script = f"const HASHES = {json.dumps(hashes, indent=1)};\n{_CODE.read_text('utf-8')}"
    return {**files, WORKER: SiteFile(MEDIA_TYPES[".js"], script.encode())}
