"""Tables in the terminal."""

from __future__ import annotations

import pytest

from benchmarks.output.table import Table, print_table
from mobilevit_edge.terminal import PlainConsole

NAME = "deeplabv3_mobilevit_xxs-stride16-executorch-fp32-512-logits"
FIGURES = ("1174.25", "1176.25", "20256")


def test_a_long_name_is_folded_before_a_figure_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("", ("row", "median", "p90", "M MAC"), ((NAME, *FIGURES),))
    print_table(PlainConsole(width=60), table)
    lines = [line.split("│") for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert "".join(line[1].strip() for line in lines) == NAME
    assert tuple(cell.strip() for cell in lines[0][2:-1]) == FIGURES
