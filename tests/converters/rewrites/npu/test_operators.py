"""The two moves between channels and pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from converters.rewrites.npu.operators import depth_to_space, space_to_depth
from tests.support.rewrites import few, noise

sides = st.integers(1, 5)


@few
@given(st.integers(1, 3), st.integers(1, 5), sides, sides)
def test_they_are_onnxs_own_and_each_others_inverse(b: int, c: int, h: int, w: int) -> None:
    x = noise(b, c, 2 * h, 2 * w)
    moved = space_to_depth(x, 2)
    assert np.array_equal(moved.numpy(), onnx_result("SpaceToDepth", x, blocksize=2))
    back = depth_to_space(moved, 2)
    assert torch.equal(back, x)
    assert np.array_equal(back.numpy(), onnx_result("DepthToSpace", moved, blocksize=2, mode="DCR"))


def onnx_result(kind: str, x: torch.Tensor, **attributes: Any) -> npt.NDArray[Any]:
    values = [helper.make_tensor_value_info(n, TensorProto.DOUBLE, None) for n in "xy"]
    node = helper.make_node(kind, ["x"], ["y"], **attributes)
    graph = helper.make_graph([node], "one", values[:1], values[1:])
    outputs: Any = ReferenceEvaluator(helper.make_model(graph)).run(None, {"x": x.numpy()})
    return np.asarray(outputs[0])
