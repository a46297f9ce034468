"""The study of other engines: every form in every engine that takes it, and what one gains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.targets.base import get_target
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.report import Runtime, read_report
from tests.support.benchmarks import run_of_rows
from tests.support.tools import MODEL, run_tool, table_row
from tools.studies import engines, onnx_readers
from tools.studies.onnx_readers import Inference, OnnxReader, noise_image

SIZE = 64


def right(path: str, shape: Sequence[int]) -> Inference:
    """Another engine that reads ONNX."""
    session, image = get_target("onnx").load(Path(path)), noise_image(shape)
    return lambda: session.run(image)


def wrong(path: str, shape: Sequence[int]) -> Inference:
    """One that answers the wrong way round."""
    run = right(path, shape)
    return lambda: -run()


@pytest.mark.usefixtures("tiny_networks")
def test_forms_take_turns_in_engines_and_wrong_answers_are_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = {
        "Right": OnnxReader("numpy", right),
        "Wrong": OnnxReader("numpy", wrong),
        "Absent": OnnxReader("no-such-engine", onnx_readers.openvino_inference),
    }
    monkeypatch.setattr(engines, "READERS", readers)
    monkeypatch.setattr(engines, "MODULE_TARGETS", ("onnx", "litert"))

    def refuse(*_: object) -> None:
        raise ConversionError("no such operator")

    monkeypatch.setattr(type(get_target("litert")), "write_module", refuse)
    report = tmp_path / "report.json"
    finished = run_tool(
        *(engines, MODEL, "--artifacts", tmp_path / "artifacts", "--output", report),
        *("--image-size", SIZE, "--processes", 1, "--seconds", 0.05),
    )
    assert finished.code == 0, finished.err
    rows: dict[str, Any] = {row.id: row for row in read_report(report).runs[0].rows}
    # The model is V3, which transformers does not have: litert alone is asked in vain.
    measured = {name for name, row in rows.items() if row.series}
    assert measured == {
        f"{MODEL} {form}, {engine}"
        for form in ("ours", "reference")
        for engine in ("ONNX Runtime", "Right")
    }
    reasons = {row.runtime.name: row.not_run for row in rows.values() if row.not_run}
    assert reasons["Wrong"] == "wrong by 2 of the largest output"
    assert reasons["LiteRT"] == "no file: no such operator"
    assert reasons["Absent"] == "needs: pip install no-such-engine"
    assert [cell != "-" for cell in table_row(finished.out, "Right")] == [True, True, False]
    assert [cell != "-" for cell in table_row(finished.out, "Wrong")] == [False, False, False]


def test_the_fastest_of_ours_stands_against_the_fastest_of_the_rest() -> None:
    forms = {"A": "ours", "B": "ours", "C": "reference", "D": "transformers", "E": "reference"}
    medians = {"A": 4, "B": 3, "C": 6, "D": 5, "E": 7}
    rows = [engines.row_of(MODEL, form, Runtime(name, None), SIZE) for name, form in forms.items()]
    samples = {row.id: [medians[row.runtime.name] * 10**6] * 40 for row in rows}
    table = engines.engines_table(run_of_rows(rows, samples), MODEL)
    assert ("B", "3.00", "-", "-") in table.rows
    assert ("E", "-", "7.00", "-") in table.rows
    best, ratio, *_ = table.rows[-1]
    assert best == f"{MODEL} transformers, D / {MODEL} ours, B"
    assert ratio.startswith("1.67 ")


def test_noise_is_that_of_the_harness() -> None:
    assert noise_image((1, 3, 4, 4)).dtype == np.float32
    assert noise_image((1, 3, 4, 4)).max() < 1
