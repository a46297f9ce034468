"""A bundle in milliseconds, whose model gives the mean of each channel."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from mobilevit_edge.formats.bundle import describe_files
from mobilevit_edge.formats.golden import encode_pixels, enlarge, golden_pixels
from mobilevit_edge.formats.manifest import Expected, Resize, manifest_to_json
from mobilevit_edge.preprocess import scale_pixels
from tests.formats.test_bundle import manifest

SIDE: Final = 64
LABELS: Final = ("red", "green", "blue")


def write_bundle(folder: Path, batch: int = 1) -> Path:
    """Make the bundle, for ``batch`` images per call, in a folder that is empty or yet to be."""
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(_model(batch).SerializeToString())
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n")
    (folder / "manifest.json").write_text(_manifest(folder, batch), encoding="utf-8")
    return folder


def rewrite(folder: Path, **changes: Any) -> None:
    """Replace parts of a bundle's manifest, and let its list of files fit the folder."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    files = [dataclasses.asdict(file) for file in describe_files(folder)]
    path.write_text(json.dumps(content | {"files": files} | changes), encoding="utf-8")


def _model(batch: int) -> onnx.ModelProto:
    shape = [batch, len(LABELS), SIDE, SIDE]
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["means"]),
            helper.make_node("Flatten", ["means"], ["logits"]),
        ],
        "means",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape[:2])],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, ir_version=8, opset_imports=opset)


def _manifest(folder: Path, batch: int) -> str:
    given = manifest()
    pixels = enlarge(golden_pixels(), (SIDE, SIDE))
    means = scale_pixels(pixels, "RGB").mean((1, 2))
    classes = np.argsort(-means).tolist()
    return manifest_to_json(
        dataclasses.replace(
            given,
            model=dataclasses.replace(given.model, outputs=len(LABELS), image_size=(SIDE, SIDE)),
            input=dataclasses.replace(
                given.input,
                shape=(batch, 3, SIDE, SIDE),
                channel_order="RGB",
                mean=(0.0, 0.0, 0.0),
                std=(1.0, 1.0, 1.0),
                resize=Resize("crop", "bilinear", True, (72, 72)),
            ),
            output=dataclasses.replace(given.output, shape=(batch, len(LABELS))),
            labels=dataclasses.replace(given.labels, count=len(LABELS)),
            golden=dataclasses.replace(
                given.golden,
                pixels_base64=encode_pixels(golden_pixels()),
                expected=tuple(Expected(i, LABELS[i], float(means[i])) for i in classes),
            ),
            files=describe_files(folder),
        )
    )
