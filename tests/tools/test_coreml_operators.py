"""Operators of Core ML programs: what our rewrites take away is there without them."""

from __future__ import annotations

import pytest

from tests.support.tools import MODEL, run_tool, table_rows
from tools.studies import coreml_operators
from tools.studies.coreml_operators import Program, operators_table


@pytest.mark.usefixtures("tiny_networks")
def test_our_program_has_fewer_operators_and_no_rank_above_four() -> None:
    finished = run_tool(coreml_operators, MODEL, "--image-size", 64)
    assert finished.code == 0, finished.err
    # Ours and the reference: transformers has no V3.
    rows = {name: [int(cell) for cell in cells] for name, *cells in table_rows(finished.out)}
    ours, reference = rows["all"]
    assert ours < reference
    assert rows["conv"][0] > 0
    assert rows["conv"][1] > 0
    assert rows["transpose"][0] == 0 < rows["transpose"][1]
    assert rows["largest rank"][0] == 4 < rows["largest rank"][1]


def test_what_coremltools_refuses_has_its_reason() -> None:
    programs = {"ours": Program({"conv": 2}, 4), "other": Program({}, refused="rank 6")}
    table = operators_table("model", programs, 64)
    assert table.caption == "other: rank 6"
    assert list(table.columns[2].cells) == ["0", "0", "0"]
