"""Heads for masks and boxes whose parts do not fit each other, or what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import mobilevit_edge as me
from converters.job.options import ExportOptions
from converters.job.source import load_source
from mobilevit_edge.errors import CheckpointError, LabelsError
from mobilevit_edge.weights.saving import named_weights

PREDICT = "ssd_heads.{}.loc_cls_layer.pw_conv.block.conv.{}"
LAST = "ssd_heads.5.loc_cls_layer.block.conv.{}"
CLASSIFIER = "seg_head.classifier.block.conv.{}"
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def boxes() -> State:
    return named_weights(me.create_model("ssdlite_mobilevit_xxs", num_classes=3), "cvnets")


@pytest.fixture(scope="module")
def masks() -> State:
    return named_weights(me.create_model("deeplabv3_mobilevitv2_050", num_classes=3), "cvnets")


def cut(state: State, layer: str, rows: int) -> None:
    for part in ("weight", "bias"):
        state[layer.format(part)] = state[layer.format(part)][:rows].clone()


@pytest.mark.parametrize(
    "damage",
    [
        # One map says something of three classes, and the others of two.
        lambda state: cut(state, PREDICT.format(1, "{}"), 6 * (4 + 2)),
        lambda state: cut(state, LAST, 4 * (4 + 2)),
        # No whole number of classes.
        lambda state: cut(state, PREDICT.format(0, "{}"), 6 * (4 + 3) - 1),
        # Boxes without a class.
        lambda state: [cut(state, PREDICT.format(i, "{}"), 6 * 4) for i in range(5)],
    ],
    ids=["one map", "last map", "a fraction", "none"],
)
def test_a_head_for_boxes_whose_maps_have_other_classes_is_refused(
    boxes: State, tmp_path: Path, damage: Callable[[State], object]
) -> None:
    state = dict(boxes)
    damage(state)
    torch.save(state, tmp_path / "boxes.pt")
    with pytest.raises(CheckpointError):
        me.load_model(tmp_path / "boxes.pt")


def test_a_head_for_masks_whose_bias_has_other_classes_is_refused(
    masks: State, tmp_path: Path
) -> None:
    name = CLASSIFIER.format("bias")
    torch.save({**masks, name: masks[name][:2].clone()}, tmp_path / "masks.pt")
    with pytest.raises(CheckpointError, match=r"seg_head\.classifier\.block\.conv\.bias"):
        me.load_model(tmp_path / "masks.pt")


@pytest.mark.parametrize("name", ["boxes", "masks"])
def test_labels_of_another_number_are_refused(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    torch.save(request.getfixturevalue(name), tmp_path / "model.pt")
    labels = tmp_path / "labels.txt"
    labels.write_text("background\ncat\n")
    with pytest.raises(LabelsError, match="3"):
        load_source(ExportOptions(tmp_path / "model.pt", "onnx", labels=labels))
