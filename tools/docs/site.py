"""A Sphinx extension: fills in what pages of the site show beyond their own text.

``<!-- site: api -->`` becomes the public names with their docstrings, which Sphinx sets, and
``<!-- file: PATH -->`` a document that lies elsewhere in the repository. What else is made from the
code stands in the pages themselves: :mod:`tools.docs.pages`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools.docs.api import api
from tools.docs.links import relinked

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
_PAGES: Final = {
    ROOT / "CHANGELOG.md": DOCS / "changelog.md",
    ROOT / "android_demo" / "README.md": DOCS / "howto" / "android_app.md",
    ROOT / "ios_demo" / "README.md": DOCS / "howto" / "ios_app.md",
    ROOT / "mobilevit_edge" / "data" / "LICENSES.md": DOCS / "licenses.md",
}
"""Documents that lie elsewhere, and the pages that show them."""
_API: Final = "<!-- site: api -->"
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
        OSError: a mark names a file that is not there.
    """
    text = relinked(text, place, place, _PAGES)
    text = _FILE.sub(lambda mark: _file(ROOT / mark[1], place), text)
    return text.replace(_API, api()) if _API in text else text


def _file(path: Path, place: Path) -> str:
    return relinked(path.read_text("utf-8"), path.parent, place, _PAGES)
