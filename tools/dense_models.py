"""Bundles whose models mark regions or find objects, tiny ones that nobody has trained.

Each is whole: a manifest that the schema allows, an artifact that ONNX Runtime runs, labels,
hashes and a self-test that the artifact answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper, save_model

from converters.targets.bundles import load_bundle_model
from converters.targets.loaded import Array
from mobilevit_edge.colors import class_colors
from mobilevit_edge.formats.bundle import describe_files, read_bundle
from mobilevit_edge.formats.golden import golden_image
from mobilevit_edge.formats.manifest import (
    LABELS_FILE,
    MANIFEST_FILE,
    AnswerForm,
    BoxInfo,
    Expected,
    HeadInfo,
    LabelsInfo,
    Manifest,
    OutputInfo,
    manifest_to_json,
)
from mobilevit_edge.head_specs import MaskResize
from mobilevit_edge.input_contract import contract_of

CLASSES: Final = ("background", "a warm thing", "a cold thing", "a dark thing")
STRIDE: Final = 16
"""Pixels of the image to one of the logits."""
OPSET: Final = 17
MAPS: Final = ((4, 4), (1, 1))
RATIOS: Final = ((2, 3), (2,))
_ANSWERED: Final = 8
_SURE: Final = 20
"""One of so many boxes may be of an object."""
_BACKGROUND: Final = 8
_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class DenseModel:
    """What a model answers, the nodes that make it of ``means [1, classes, h, w]``, constants."""

    head: HeadInfo
    shape: tuple[int, ...]
    nodes: tuple[NodeProto, ...]
    constants: Mapping[str, Array]


def mask_head(answer: AnswerForm, rule: MaskResize, classes: int = len(CLASSES)) -> HeadInfo:
    """A head for masks."""
    labels = tuple(map(str, range(classes)))
    return HeadInfo(
        "deeplabv3", answer, STRIDE, (1, 2, 3), rule, None, class_colors(labels), "made up"
    )


def box_head(answer: AnswerForm, boxes: BoxInfo, classes: int = len(CLASSES)) -> HeadInfo:
    """A head for boxes."""
    labels = tuple(map(str, range(classes)))
    return HeadInfo("ssdlite", answer, None, (), None, boxes, class_colors(labels), "made up")


BOXES: Final = BoxInfo(MAPS, (0.1, 0.9), RATIOS, 0.1, 0.2, 0.01, 400, 0.5, 200, one_class=False)
ROWS: Final = sum(h * w * (2 + 2 * len(r)) for (h, w), r in zip(MAPS, RATIOS, strict=True))


def dense_models(size: tuple[int, int]) -> Iterator[tuple[str, DenseModel]]:
    """A model of each kind of answer, by name, for images of ``size``."""
    grid = (size[0] // STRIDE, size[1] // STRIDE)
    full = np.array([1, len(CLASSES), *size], np.int64)
    wide = helper.make_node("Resize", ["means", "", "", "full"], ["wide"], mode="linear")
    chosen = helper.make_node("ArgMax", ["wide"], ["chosen"], axis=1, keepdims=0)
    yield (
        "logits",
        DenseModel(
            mask_head("logits", "aligned"),
            (1, len(CLASSES), *grid),
            (helper.make_node("Identity", ["means"], ["answer"]),),
            {},
        ),
    )
    yield (
        "full_logits",
        DenseModel(
            mask_head("full-logits", "half-pixel"),
            (1, len(CLASSES), *size),
            (wide, helper.make_node("Identity", ["wide"], ["answer"])),
            {"full": full},
        ),
    )
    yield (
        "labels",
        DenseModel(
            mask_head("labels", "half-pixel-nearest"),
            (1, *size),
            (wide, chosen, helper.make_node("Cast", ["chosen"], ["answer"], to=TensorProto.INT32)),
            {"full": full},
        ),
    )
    yield "decoded", _decoded()


def _decoded() -> DenseModel:
    """Boxes at random, few of them sure; the image's mean color moves their probabilities."""
    rng = np.random.default_rng(5)
    corners = rng.uniform(-0.2, 0.8, (1, ROWS, 2))
    boxes = np.concatenate((corners, corners + rng.uniform(0.05, 0.6, (1, ROWS, 2))), axis=-1)
    columns = 4 + len(CLASSES)
    logits = rng.normal(0, 2, (1, ROWS, len(CLASSES))).astype(np.float32)
    logits[..., 0] += np.where(np.arange(ROWS) % _SURE, _BACKGROUND, 0)
    nodes = (
        helper.make_node("GlobalAveragePool", ["means"], ["pooled"]),
        # [1, classes, 1, 1] -> [1, 1, classes]
        helper.make_node("Reshape", ["pooled", "row"], ["color"]),
        helper.make_node("Add", ["color", "logits"], ["moved"]),
        helper.make_node("Softmax", ["moved"], ["scores"], axis=-1),
        helper.make_node("Concat", ["boxes", "scores"], ["answer"], axis=-1),
    )
    constants: dict[str, Array] = {
        "row": np.array([1, 1, len(CLASSES)], np.int64),
        "logits": logits,
        "boxes": boxes.astype(np.float32),
    }
    return DenseModel(box_head("decoded", BOXES), (1, ROWS, columns), nodes, constants)


def write_dense_bundles(manifest: Manifest, folder: Path) -> tuple[Path, ...]:
    """Write a bundle of each kind, made of the manifest of a classifier that takes RGB floats."""
    made = []
    for name, model in dense_models(manifest.model.image_size):
        bundle = folder / name
        bundle.mkdir(parents=True)
        _save(model, manifest, bundle / "model.onnx")
        (bundle / LABELS_FILE).write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
        _describe(bundle, with_dense_head(manifest, model.head, model.shape))
        made.append(bundle)
    return tuple(made)


def with_dense_head(manifest: Manifest, head: HeadInfo, shape: tuple[int, ...]) -> Manifest:
    """The manifest of a model with this head, whose self-test is not answered yet."""
    count = len(head.colors)
    is_labels = head.answer == "labels"
    return replace(
        manifest,
        task="segmentation" if head.boxes is None else "detection",
        model=replace(manifest.model, name=f"{head.name}_mobilevitv2_050", outputs=count),
        output=OutputInfo("answer", "int32" if is_labels else "float32", shape, "none"),
        head=head,
        labels=LabelsInfo(LABELS_FILE, count, "made up"),
        golden=replace(
            manifest.golden,
            expected=(Expected(0, "", 0.0),),
            tolerance=_TOLERANCE,
            answered_by="artifact",
        ),
    )


def _describe(bundle: Path, manifest: Manifest) -> None:
    """Write the manifest twice: the second time with what the artifact answers to its self-test."""
    described = replace(manifest, files=describe_files(bundle))
    (bundle / MANIFEST_FILE).write_text(manifest_to_json(described), encoding="utf-8")
    size = manifest.model.image_size
    pixels = golden_image(manifest.golden, size)
    contract = contract_of(manifest.input, size)
    answer = load_bundle_model(read_bundle(bundle)).run(contract.batch_of([pixels]))[0]
    flat = answer.reshape(-1)
    places = np.linspace(0, flat.size - 1, _ANSWERED).astype(np.int64)
    expected = tuple(Expected(int(place), CLASSES[0], float(flat[place])) for place in places)
    golden = replace(manifest.golden, expected=expected)
    answered = replace(described, golden=golden)
    (bundle / MANIFEST_FILE).write_text(manifest_to_json(answered), encoding="utf-8")


def _save(model: DenseModel, manifest: Manifest, path: Path) -> None:
    """``means``: how warm, cold and dark each square of the image is, and a constant."""
    # Rows: of the classes; columns: of red, green and blue.
    weights = np.array([[0, 0, 0], [2, 0, -2], [-2, 0, 2], [-1, -1, -1]], np.float32)
    constants = {
        "weights": weights[:, :, None, None],
        "bias": np.array([0.3, 0, 0, 0.9], np.float32),
        **model.constants,
    }
    nodes = [
        helper.make_node(
            "AveragePool",
            [manifest.input.name],
            ["squares"],
            kernel_shape=[STRIDE, STRIDE],
            strides=[STRIDE, STRIDE],
        ),
        helper.make_node("Conv", ["squares", "weights", "bias"], ["means"]),
        *model.nodes,
    ]
    kind = TensorProto.INT32 if model.head.answer == "labels" else TensorProto.FLOAT
    image = helper.make_tensor_value_info(
        manifest.input.name, TensorProto.FLOAT, list(manifest.input.shape)
    )
    graph = helper.make_graph(
        nodes,
        "dense",
        [image],
        [helper.make_tensor_value_info("answer", kind, list(model.shape))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    built.ir_version = 8
    save_model(built, path)
