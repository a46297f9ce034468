"""A table as plain data, for the terminal, Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass

import rich.table

from mobilevit_edge.terminal import PlainConsole

_WIDTH = 130


@dataclass(frozen=True)
class Table:
    """``rows`` are cells of text, as many as ``columns``; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


def wide_console() -> PlainConsole:
    """A console at least as wide as a table without long names."""
    return PlainConsole(width=max(PlainConsole().width, _WIDTH))


def print_table(console: PlainConsole, table: Table) -> None:
    """Names to the left, figures to the right; where it gets narrow, long names are folded."""
    drawn = rich.table.Table(title=table.title, caption=table.caption or None)
    for index, column in enumerate(table.columns):
        drawn.add_column(column, justify="right" if index else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*row)
    console.print(drawn)
