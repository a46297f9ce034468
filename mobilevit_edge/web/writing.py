"""A site written for any web host, as a folder, or as a single page that opens from a disk.

Neither has a server that adds headers, so the policy stands in the page.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import InputError
from mobilevit_edge.files import folder_transaction, write_atomically
from mobilevit_edge.reading import read_text
from mobilevit_edge.web.offline import with_offline
from mobilevit_edge.web.site import CONTENT, CONTENT_POLICY, INDEX, SiteFile

_BOOT: Final = Path(__file__).parent / "boot.js"
# What stands once in the page, and is replaced.
_HEAD: Final = '<meta charset="utf-8">\n'
_STYLE: Final = '<link rel="stylesheet" href="page/style.css">\n'
_ICON: Final = '<link rel="icon" href="page/icon.svg" type="image/svg+xml">\n'
_SCRIPT: Final = '<script type="module" src="page/app.js"></script>\n'
_END: Final = "</body>"
_GPU_BUILD: Final = ".jspi."
"""In the names of the runtime's build with WebGPU."""
_MAX_CONTENT: Final = 2**20
_OURS: Final = re.compile(
    r"index\.html|site\.json|offline\.js|(page|runtime)/[\w.-]+"
    r"|bundles/[\w.-]+/(manifest\.json|labels\.txt|model\.[\w.-]+)"
)


def write_site(files: Mapping[str, SiteFile], folder: Path) -> None:
    """Write a site in one step; what is there is replaced if it is a site too.

    Raises:
        OutputError: it cannot be written, or something else is in its place.
    """
    index = replace(files[INDEX], content=_with_policy(files[INDEX].read()))
    with folder_transaction(folder, holds_only_a_site) as target:
        for name, file in with_offline({**files, INDEX: index}).items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read())


def write_page(files: Mapping[str, SiteFile], path: Path) -> None:
    """Write a site as a single page, in one step.

    Raises:
        OutputError: it cannot be written.
    """
    write_atomically(path, lambda temporary: temporary.write_bytes(single_page(files)))


def holds_only_a_site(folder: Path) -> bool:
    """Whether there are no files in ``folder`` but those of a site."""
    try:
        content = json.loads(read_text(folder / CONTENT, _MAX_CONTENT, InputError))
    except (InputError, ValueError, RecursionError):
        return False
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]
    return isinstance(content, dict) and "bundles" in content and all(map(_OURS.fullmatch, names))


def single_page(files: Mapping[str, SiteFile]) -> bytes:
    """All files inside the page, which asks for nothing else.

    But for the runtime's build with WebGPU, which would double it; the page then offers no choice.
    """
    files = {name: file for name, file in files.items() if _GPU_BUILD not in name}
    boot, style = _BOOT.read_text("utf-8"), files["page/style.css"].read().decode()
    policy = "; ".join(
        (
            "default-src 'none'",
            # What is inside starts from addresses of its own making.
            f"script-src {_hash(boot)} blob: 'wasm-unsafe-eval'",
            "worker-src blob:",
            f"style-src {_hash(style)}",
            "media-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    page = files[INDEX].read().decode()
    for old, new in (
        (_HEAD, f"{_HEAD}{_meta(policy)}"),
        (_STYLE, f"<style>{style}</style>\n"),
        (_ICON, ""),
        (_SCRIPT, ""),
        (_END, f"{_holders(files)}<script>{boot}</script>\n{_END}"),
    ):
        before, _, after = page.partition(old)
        page = f"{before}{new}{after}"
    return page.encode()


def _with_policy(index: bytes) -> bytes:
    return index.decode().replace(_HEAD, f"{_HEAD}{_meta(CONTENT_POLICY)}", 1).encode()


def _meta(policy: str) -> str:
    return f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'


def _holders(files: Mapping[str, SiteFile]) -> str:
    """The files as elements that no browser runs; base64 holds nothing that ends one."""
    return "".join(
        f'<script type="text/plain" data-file="{escape(name)}">'
        f"{base64.b64encode(file.read()).decode()}</script>\n"
        for name, file in files.items()
        if name != INDEX
    )


def _hash(text: str) -> str:
    """How a policy names an element by its content."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
