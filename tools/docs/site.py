"""A Sphinx extension: fills in what a page names, instead of having it written twice.

``<!-- generated: NAME -->`` becomes what is made from the code, ``<!-- file: PATH -->`` a document
that lies elsewhere in the repository. Nothing of it is kept: pages hold prose and these marks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tools.docs.api import api
from tools.docs.commands import commands
from tools.docs.exit_codes import exit_codes
from tools.docs.links import relinked
from tools.docs.rewrites import rewrites
from tools.docs.schemas import schema_fields

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
GENERATED: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "api": api,
        "commands": commands,
        "exit codes": exit_codes,
        "manifest": partial(schema_fields, "bundle.v2.json"),
        "report": partial(schema_fields, "latency_report.v1.json"),
        "rewrites": rewrites,
    }
)
_PAGES: Final = {
    ROOT / "CHANGELOG.md": DOCS / "changelog.md",
    ROOT / "android_demo" / "README.md": DOCS / "howto" / "android_app.md",
    ROOT / "ios_demo" / "README.md": DOCS / "howto" / "ios_app.md",
    ROOT / "mobilevit_edge" / "data" / "LICENSES.md": DOCS / "licenses.md",
}
"""Documents that lie elsewhere, and the pages that show them."""
_GENERATED: Final = re.compile(r"<!-- generated: ([a-z ]+) -->")
_FILE: Final = re.compile(r"<!-- file: (\S+) -->")


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("source-read", _fill_in)
    return {"parallel_read_safe": True}


def _fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = filled_in(source[0], (DOCS / page).parent)


def filled_in(text: str, place: Path) -> str:
    """A page of the folder ``place`` with what its marks stand for.

    Raises:
        KeyError: a mark names nothing.
        OSError: a mark names a file that is not there.
    """
    text = relinked(text, place, place, _PAGES)
    text = _FILE.sub(lambda mark: _file(ROOT / mark[1], place), text)
    return _GENERATED.sub(lambda mark: GENERATED[mark[1]](), text)


def _file(path: Path, place: Path) -> str:
    return relinked(path.read_text("utf-8"), path.parent, place, _PAGES)
