"""How this package was installed, and how to install more of it."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

_NAME: Final = "mobilevit-edge"
_ORIGIN: Final = "direct_url.json"
"""What pip writes beside a package that comes from no index (PEP 610)."""


def install_command(extra: str) -> str:
    """The command that adds an extra: from the folder that the package was installed from, if any.

    Args:
        extra: its name in ``pyproject.toml``.
    """
    try:
        folder, editable = _origin(distribution(_NAME))
    except PackageNotFoundError:
        folder, editable = None, False
    option = "--editable " if editable else ""
    return f"pip install {option}{shlex.quote(f'{folder or _NAME}[{extra}]')}"


def _origin(installed: Distribution) -> tuple[Path | None, bool]:
    """The folder that a package was installed from, and whether it is used from there."""
    text = installed.read_text(_ORIGIN)
    origin = json.loads(text) if text else {}
    if "dir_info" not in origin:
        return None, False
    folder = Path(url2pathname(urlsplit(origin["url"]).path))
    if not (folder / "pyproject.toml").is_file():
        return None, False
    return folder, bool(origin["dir_info"].get("editable"))
