"""Other engines in the study of baselines: what they measure, and what is left out and why."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest

from benchmarks.harness.plan import Candidate, FactorySource, FileSource
from converters.targets.base import get_target
from converters.targets.loaded import Array
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


class FakeOpenVINO:
    """As much of OpenVINO as answers its input; a tensor that shares memory does not own it."""

    class Tensor:
        """A copy of an array, or what finds the array as long as others keep it."""

        def __init__(self, array: Array, shared_memory: bool = False) -> None:
            self.find = ref(array) if shared_memory else partial(np.copy, array)

        @property
        def data(self) -> Array:
            array = self.find()
            assert array is not None, "the memory is freed"
            return array

    class Core:
        """Compiled model and request as well."""

        def compile_model(
            self, path: str, device: str, options: dict[str, object]
        ) -> FakeOpenVINO.Core:
            assert options["INFERENCE_NUM_THREADS"] == 1
            return self

        def create_infer_request(self) -> FakeOpenVINO.Core:
            return self

        def set_input_tensor(self, tensor: FakeOpenVINO.Tensor) -> None:
            self.tensor = tensor

        def get_output_tensor(self) -> FakeOpenVINO.Tensor:
            return self.tensor

        def infer(self) -> None:
            gc.collect()


def test_openvino_is_asked_about_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", FakeOpenVINO)
    run = onnx_readers.openvino_inference("model.onnx", (1, 3, 8, 8))
    assert np.array_equal(run(), noise_image((1, 3, 8, 8)))


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
