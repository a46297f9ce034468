"""What the tests of the tools share: tools run in this process, and what they print."""

from __future__ import annotations

import contextlib
import io
import signal
from typing import Any

from mobilevit_edge.console import run_command
from tests.support.benchmarks import Finished

MODEL = "mobilevitv3_050"
"""The model that the fixture ``tiny_networks`` replaces."""


def run_tool(tool: Any, *arguments: object) -> Finished:
    """A tool in this process, as from the command line."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: Any = run_command(tool.parser(), tool.command, [str(a) for a in arguments])
    except SystemExit as error:
        code = error.code
    finally:
        signal.signal(signal.SIGTERM, handler)
    return Finished(code, out.getvalue(), err.getvalue())


def table_rows(text: str) -> list[list[str]]:
    """The cells of printed tables, row by row, below their headings."""
    return [
        [cell.strip() for cell in line.strip("│ ").split("│")]
        for line in text.splitlines()
        if "│" in line
    ]


def table_row(text: str, name: str) -> list[str]:
    """The cells of the one row that begins with ``name``, without it."""
    (cells,) = (others for first, *others in table_rows(text) if first == name)
    return cells
