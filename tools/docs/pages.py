"""Write again what the documents' pages hold of the code and of report files.

    python -m tools.docs.pages

It stands between a mark and ``<!-- end -->``, so that pages read alike in the repository and on the
site: after ``<!-- generated: NAME -->`` what parsers, schemas and docstrings say, after
``<!-- table: NAME FILE -->`` the figures of FILE in the repository, shown in the way NAME. A test
holds every page equal to what would be written.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mobilevit_edge.console import run_command
from mobilevit_edge.files import write_atomically
from tools.command import tool_parser
from tools.docs.chips import chips
from tools.docs.commands import commands
from tools.docs.exit_codes import exit_codes
from tools.docs.rewrites import rewrites
from tools.docs.schemas import schema_fields
from tools.docs.site import DOCS, ROOT
from tools.docs.tables import KINDS

GENERATED: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "chips": chips,
        "commands": commands,
        "exit codes": exit_codes,
        "manifest": partial(schema_fields, "bundle.v2.json"),
        "report": partial(schema_fields, "latency_report.v1.json"),
        "rewrites": rewrites,
    }
)
_KEPT: Final = re.compile(
    r"^(?P<mark><!-- (?P<kind>generated|table): (?P<about>[^\n]+) -->\n).*?^(?P<end><!-- end -->)$",
    re.DOTALL | re.MULTILINE,
)


def parser() -> ArgumentParser:
    """The options."""
    return tool_parser(__doc__)


def command(arguments: Namespace) -> None:
    """Write every page that has changed."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text("utf-8")
        fresh = up_to_date(text)
        if fresh != text:
            write_atomically(page, partial(Path.write_text, data=fresh, encoding="utf-8"))
            print(f"wrote {page.relative_to(ROOT)}")


def up_to_date(text: str) -> str:
    """A page with what its marks stand for.

    Raises:
        KeyError: a mark names nothing.
        ReportError: a file is no report.
    """
    return _KEPT.sub(lambda found: f"{found['mark']}\n{_content(found)}\n\n{found['end']}", text)


def _content(found: re.Match[str]) -> str:
    if found["kind"] == "generated":
        return GENERATED[found["about"]]()
    name, file = found["about"].split(" ")
    return KINDS[name](ROOT / file)


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
