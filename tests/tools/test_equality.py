"""Errors of artifacts, as the manifests of their exports say them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.networks import tiny_instead
from tests.support.tools import run_tool, table_row
from tools.studies import equality


def test_errors_are_collected_by_model_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_instead(monkeypatch.setattr)
    output = tmp_path / "errors.json"
    sizes = ("32x64",)
    arguments = ("mobilevit_xxs", "--target", "onnx", "--sizes", *sizes, "--output", output)
    finished = run_tool(equality, *arguments)
    assert finished.code == 0, finished.err
    rows = json.loads(output.read_text())
    assert [(row["model"], row["size"]) for row in rows] == [
        ("mobilevit_xxs", size) for size in sizes
    ]
    # In fp32 some rounding is left, and no more.
    assert all(1e-8 < row["error"] < 1e-5 for row in rows)
    errors = [f"{row['error']:.1e}" for row in rows]
    assert table_row(finished.out, "mobilevit_xxs")[:1] == errors


def test_a_precision_that_the_target_lacks_is_a_clear_error(tmp_path: Path) -> None:
    output = tmp_path / "errors.json"
    arguments = ("--target", "onnx", "--precision", "palette-4bit", "--output", output)
    finished = run_tool(equality, "mobilevitv2_050", *arguments)
    assert finished.code == 2
    assert "palette-4bit" in finished.err
    assert not output.exists()
