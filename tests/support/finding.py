"""A bundle for boxes whose model finds what it is told to, in three operators."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from mobilevit_edge.formats.bundle import Bundle, read_bundle

BOXES = ((0.25, 0.25, 0.75, 0.5, 2, 0.9), (0.5, 0.6, 1.2, 0.9, 1, 0.6), (0, 0, 0.1, 0.1, 3, 0.2))
"""Corners, class and probability of what a model finds everywhere."""


def finding(bundle: Bundle, folder: Path, boxes: Sequence[tuple[float, ...]]) -> Bundle:
    """A bundle for boxes with a model that finds these, whatever it sees."""
    copy = Path(shutil.copytree(bundle.path, folder))
    manifest = json.loads((copy / "manifest.json").read_text())
    rows = np.zeros(manifest["output"]["shape"][1:], np.float32)
    for row, (*corners, label, score) in enumerate(boxes):
        rows[row, :4] = corners
        rows[row, 4 + int(label)] = score
    info, output = manifest["input"], manifest["output"]
    nodes = [
        helper.make_node("ReduceMax", [info["name"]], ["brightest"], keepdims=0),
        helper.make_node("Mul", ["brightest", "zero"], ["nothing"]),
        helper.make_node("Add", ["rows", "nothing"], [output["name"]]),
    ]
    constants = [
        numpy_helper.from_array(rows[None], "rows"),
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
    ]
    sides = [
        helper.make_tensor_value_info(part["name"], TensorProto.FLOAT, part["shape"])
        for part in (info, output)
    ]
    graph = helper.make_graph(nodes, "boxes", sides[:1], sides[1:], constants)
    opset = [helper.make_opsetid("", 18)]
    content = helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()
    (copy / "model.onnx").write_bytes(content)
    for file in manifest["files"]:
        if file["path"] == "model.onnx":
            file |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    for expected in manifest["golden"]["expected"]:
        expected["value"] = float(rows.reshape(-1)[expected["index"]])
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return read_bundle(copy)
