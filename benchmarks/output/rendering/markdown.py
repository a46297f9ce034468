"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.output.rendering.content import METHOD, Section
from benchmarks.output.table import Table
from mobilevit_edge.printable import printable


def to_markdown(sections: Sequence[Section]) -> str:
    """Headings, facts, tables and warnings; figures are in the HTML page."""
    lines = ["# Latency report", "", METHOD]
    for section in sections:
        lines += ["", f"## {_escape(section.title)}", ""]
        lines += [line for text in section.headline for line in (_escape(text), "")]
        lines += [f"- {name}: {_escape(value)}" for name, value in section.facts]
        for table in section.tables:
            lines += ["", *([f"**{_escape(table.title)}**", ""] if table.title else [])]
            lines += _table(table)
            lines += ["", _escape(table.caption)] if table.caption else []
        if section.warnings:
            lines += ["", "Warnings:", "", *(f"- {_escape(text)}" for text in section.warnings)]
    return "\n".join(lines) + "\n"


def _table(table: Table) -> list[str]:
    # Figures to the right, names to the left.
    rule = ["---", *["---:"] * (len(table.columns) - 1)]
    rows = [table.columns, rule, *table.rows]
    return [
        f"| {' | '.join(cell if row is rule else _escape(cell) for cell in row)} |" for row in rows
    ]


def _escape(text: str) -> str:
    """Text that Markdown shows as it is: reports come from strangers."""
    flat = printable(" ".join(text.split()))
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", flat)
