"""Choosing widths by what the NPU's compiler says, where it says less, or the graph is no graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from converters.progress import no_progress
from converters.targets.onnx.npu.compiler import Compilation
from converters.targets.onnx.npu.quantized import mixing
from converters.targets.onnx.npu.quantized.quantize import Calibrated
from mobilevit_edge.errors import ConversionError

SHAPE = [1, 3]


def a_graph() -> onnx.ModelProto:
    given, answer = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, SHAPE)
        for name in ("image", "answer")
    )
    node = onnx.helper.make_node("Neg", ["image"], ["answer"])
    graph = onnx.helper.make_graph([node], "negative", [given], [answer])
    opset = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, ir_version=8, opset_imports=opset)


def test_a_compiler_that_simulates_no_cycles_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_for(path: object, chip: object) -> Compilation:
        return Compilation("sa8255", "3.0.0", 1.0, 1000, {"microseconds": 7}, (), None)

    monkeypatch.setattr(mixing, "compile_for", compile_for)
    monkeypatch.setattr(Calibrated, "quantized", lambda self, *_: self.model)
    calibrated = Calibrated(a_graph(), (np.ones(SHAPE, np.float32),))
    with pytest.raises(ConversionError, match=r"version 3\.0\.0, simulates no cycles"):
        mixing.choose_widths(calibrated, {"": 8}, (), no_progress)


def test_answers_are_of_every_batch_and_failures_are_typed() -> None:
    batch = np.arange(3, dtype=np.float32).reshape(SHAPE)
    found = mixing.answers(a_graph().SerializeToString(), [batch, 2 * batch])
    assert np.array_equal(found, [[0, -1, -2], [0, -2, -4]])
    with pytest.raises(ConversionError, match="ONNX Runtime cannot run the model"):
        mixing.answers(a_graph().SerializeToString(), [np.ones((2, 7), np.float32)])
