"""Short names change nothing that a graph computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from converters.targets.loaded import Array
from converters.targets.onnx.int8.names import shorten_names


def example() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Add", ["image", "a_long_name_of_a_weight"], ["sum"], "stem.conv/Add_0"),
        helper.make_node("Clip", ["sum", "", "limit"], ["clipped"], "stem/Clip_1"),
        helper.make_node("Mul", ["clipped", "sum"], ["logits"], "head/Mul_2"),
    ]
    graph = helper.make_graph(
        nodes,
        "example",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [3])],
        [
            numpy_helper.from_array(np.array([1, 2, 3], np.float32), "a_long_name_of_a_weight"),
            numpy_helper.from_array(np.array(4, np.float32), "limit"),
        ],
        value_info=[
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [3]),
            helper.make_tensor_value_info("gone", TensorProto.FLOAT, [3]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(proto: onnx.ModelProto) -> Array:
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    x = np.array([0.5, 1, 2], np.float32)
    return np.asarray(session.run(["logits"], {"image": x})[0])


def test_the_graph_computes_the_same_under_short_names() -> None:
    proto = example()
    expected = run(proto)
    shorten_names(proto.graph)
    np.testing.assert_array_equal(run(proto), expected)
    names = [n for node in proto.graph.node for n in (*node.input, *node.output)]
    assert {name for name in names if len(name) > 2} == {"image", "logits"}


def test_nodes_keep_their_modules_and_left_out_inputs_stay_out() -> None:
    proto = example()
    shorten_names(proto.graph)
    assert [node.name for node in proto.graph.node] == ["stem.conv/0", "stem/1", "head/2"]
    assert proto.graph.node[1].input[1] == ""
