"""ONNX models whose outputs are not what a bundle's manifest says, as strangers make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, save_model

from mobilevit_edge.formats.manifest import Manifest

OPSET: Final = 17


def strange_models(manifest: Manifest) -> Mapping[str, ModelProto]:
    """Models with the manifest's input, by what is wrong with their output."""
    name, shape = manifest.output.name, list(manifest.output.shape)
    mean = helper.make_node("ReduceMean", [manifest.input.name], ["mean"], axes=[2, 3], keepdims=0)
    numbers = helper.make_tensor_value_info(name, TensorProto.INT64, [1, 3])
    floats = helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 3])
    few = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3])
    sequence = helper.make_tensor_sequence_value_info(name, TensorProto.FLOAT, shape)

    def model(nodes: Sequence[NodeProto], output: ValueInfoProto) -> ModelProto:
        image = helper.make_tensor_value_info(
            manifest.input.name, TensorProto.FLOAT, list(manifest.input.shape)
        )
        graph = helper.make_graph([mean, *nodes], "strange", [image], [output])
        built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        built.ir_version = 8
        return built

    cast = helper.make_node("Cast", ["mean"], [name], to=TensorProto.INT64)
    return {
        "whole_numbers": model([cast], numbers),
        "a_sequence": model([helper.make_node("SequenceConstruct", ["mean"], [name])], sequence),
        "another_name": model([helper.make_node("Identity", ["mean"], ["other"])], floats),
        "few_outputs": model([helper.make_node("Identity", ["mean"], [name])], few),
    }


def write_strange_models(manifest: Manifest, folder: Path) -> None:
    """Write each as ``NAME/model.onnx``, as it lies in a bundle."""
    for name, model in strange_models(manifest).items():
        (folder / name).mkdir(parents=True)
        save_model(model, folder / name / "model.onnx")
