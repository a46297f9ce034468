"""Models of one operator."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from tools.studies.arm_operators import operator_model


def answer(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    # ONNX's own evaluator: ONNX Runtime computes fp16 in fp32 on x86.
    return ReferenceEvaluator(model).run(None, {"x": x})[0]  # type: ignore[no-any-return]


def test_an_operator_of_two_inputs_gets_the_same_twice() -> None:
    x = np.random.default_rng(0).random((2, 3, 5), np.float32)
    model = operator_model("Mul", x.shape, "fp32")
    assert [node.op_type for node in model.graph.node] == ["Mul"]
    np.testing.assert_array_equal(answer(model, x), x * x)


def test_fp16_is_computed_in_fp16() -> None:
    x = np.random.default_rng(0).random((4, 7), np.float32)
    found = answer(operator_model("Add", x.shape, "fp16"), x)
    np.testing.assert_array_equal(found, (x.astype(np.float16) * 2).astype(np.float32))
    assert (found != x + x).any()


def test_an_unknown_operator_is_an_error() -> None:
    with pytest.raises(onnx.defs.SchemaError):
        operator_model("Sofmax", (1,), "fp32")
