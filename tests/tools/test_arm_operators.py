"""Models of one operator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from mobilevit_edge.errors import UsageError
from tests.support.tools import run_tool, table_row
from tools.studies import arm_operators
from tools.studies.arm_operators import operator_model


def answer(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    # ONNX's own evaluator: ONNX Runtime computes fp16 in fp32 on x86.
    (y,) = ReferenceEvaluator(model).run(None, {"x": x})
    return np.asarray(y)


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
    with pytest.raises(UsageError, match="'Sofmax'"):
        operator_model("Sofmax", (1,), "fp32")


def test_instructions_are_shown_in_millions_and_per_element(
    emulator: Callable[..., dict[str, list[tuple[int, ...]]]],
) -> None:
    def count(path: Path) -> int:
        (node,) = onnx.load(path).graph.node
        return {"Exp": 1_230_000, "Softmax": 4_560_000}[node.op_type]

    called = emulator(arm_operators, count)
    finished = run_tool(arm_operators, "--shape", "100x1000", "Exp", "Softmax")
    assert finished.code == 0, finished.err
    assert table_row(finished.out, "Exp") == ["1.23", "12.3"]
    assert table_row(finished.out, "Softmax") == ["4.56", "45.6"]
    assert called == {"operator.onnx": [(100, 1000)]}


def test_a_shape_is_numbers() -> None:
    finished = run_tool(arm_operators, "--shape", "10by10", "Exp")
    assert finished.code == 2
    assert "'10by10' is not a shape" in finished.err
