"""Other engines in the study of baselines: what they measure, and what is left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.harness.plan import Candidate, FactorySource, FileSource
from converters.targets.base import get_target
from mobilevit_edge.formats.report import LatencyRow, Runtime, Subject
from tests.support.benchmarks import onnx_model
from tools.studies import onnx_readers
from tools.studies.onnx_readers import Inference, OnnxReader, noise_image, reader_candidates


def right(path: str, shape: Sequence[int]) -> Inference:
    """Another engine that reads ONNX."""
    session, image = get_target("onnx").load(Path(path)), noise_image(shape)
    return lambda: session.run(image)


def wrong(path: str, shape: Sequence[int]) -> Inference:
    """One that answers the wrong way round."""
    run = right(path, shape)
    return lambda: -run()


def refusing(path: str, shape: Sequence[int]) -> Inference:
    """One that does not take the file."""
    raise RuntimeError("no such operator")


def test_engines_that_are_installed_and_right_get_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    readers = (
        OnnxReader("Right", "numpy", right),
        OnnxReader("Wrong", "numpy", wrong),
        OnnxReader("Refusing", "numpy", refusing),
        OnnxReader("Absent", "no_such_engine", refusing),
    )
    monkeypatch.setattr(onnx_readers, "READERS", readers)
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_model(3))
    row = LatencyRow(
        id="small onnx ours",
        experiment="vs baseline",
        subject=Subject(model="small", target="onnx", attributes={"variant": "ours"}),
        runtime=Runtime("ONNX Runtime", None),
    )
    (found,) = reader_candidates([Candidate(row, FileSource("onnx", str(path)))])
    assert found.row.id == "small Right ours"
    assert (found.row.subject.target, found.row.runtime.name) == ("Right", "Right")
    assert found.row.runtime.version == np.__version__
    assert isinstance(found.source, FactorySource)
    assert found.source.factory == f"{__name__}:right"
    printed = capsys.readouterr().err.splitlines()
    assert printed == [
        "small onnx ours in Wrong: differs by 2 of the largest output",
        "small onnx ours in Refusing: no such operator",
    ]
