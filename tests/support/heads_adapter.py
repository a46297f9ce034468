"""Connects this package to the reference cases for heads, as a user would use it.

``python check_heads.py DATA --adapter tests/support/heads_adapter.py``: weights go to a file, what
shapes do not tell into a config beside it, and both are read back through the public import.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

import mobilevit_edge as me
from mobilevit_edge import boxes, masks
from mobilevit_edge.head_specs import SSDLiteSpec
from mobilevit_edge.models.detection import SSDLiteHead
from mobilevit_edge.models.network import MobileViT, create_meta_model, find_spec
from mobilevit_edge.specs import split_name, with_head_called


def write_checkpoint(case: dict[str, Any], state: dict[str, Tensor], folder: Path) -> Path:
    """What the source's users have: a CVNets file with its ``.yaml``, or a Hugging Face folder."""
    config = case["config"]
    if case["source"] == "hf":
        torch.save(state, folder / "pytorch_model.bin")
        settings = {
            "output_stride": config["output_stride"],
            "atrous_rates": config["aspp_rates"],
            "aspp_out_channels": config["aspp_out_channels"],
        }
        (folder / "config.json").write_text(json.dumps(settings))
        return folder
    path = folder / "checkpoint_ema_best.pt"
    torch.save(state, path)
    if case["task"] == "segmentation":
        segmentation = {"n_classes": config["n_classes"], "output_stride": config["output_stride"]}
        if "aspp_rates" in config:
            segmentation["deeplabv3"] = {"aspp_rates": config["aspp_rates"]}
        text = yaml.safe_dump({"model": {"segmentation": segmentation}})
        path.with_suffix(".yaml").write_text(text)
    return path


def load(case: dict[str, Any], state: dict[str, Tensor]) -> MobileViT:
    """The model of a case by the public import."""
    with tempfile.TemporaryDirectory() as folder:
        return me.load_model(str(write_checkpoint(case, state, Path(folder))))


def run(case: dict[str, Any], state: dict[str, Tensor], x: Tensor) -> dict[str, Any]:
    """What the checker judges."""
    model = load(case, state)
    with torch.inference_mode():
        output = model(x)
    if case["task"] == "segmentation":
        return _masks(model, output)
    return _boxes(model, output, x, case["detections"])


def _masks(model: MobileViT, logits: Tensor) -> dict[str, Any]:
    head = model.spec.head
    assert head is not None
    assert not isinstance(head, SSDLiteSpec)
    low = logits.numpy()
    return {
        "logits": low,
        "upsampled": masks.upsampled(low, head.resize, head.output_stride),
        "resized": masks.resized(low, (333, 500), head.resize, head.output_stride),
    }


def _boxes(
    model: MobileViT, rows: Tensor, x: Tensor, detections: list[dict[str, Any]]
) -> dict[str, Any]:
    head, spec = model.head, model.spec.head
    assert isinstance(head, SSDLiteHead)
    assert isinstance(spec, SSDLiteSpec)
    anchors = boxes.anchors(spec, model.head_maps((x.shape[2], x.shape[3])))
    raw_boxes, raw_scores = rows.numpy()[..., :4], rows.numpy()[..., 4:]
    decoded = boxes.decode(raw_boxes, anchors, spec)[0]
    scores = boxes.probabilities(raw_scores)[0]
    result: dict[str, Any] = {
        "raw_boxes": raw_boxes,
        "raw_scores": raw_scores,
        "anchors": anchors,
        "decoded_boxes": decoded,
    }
    for wanted in detections:
        rules = boxes.DetectionRules(
            wanted["conf_threshold"],
            wanted["top_k_per_class"],
            wanted["nms_iou"],
            wanted["max_detections"],
        )
        found = boxes.detect(decoded, scores, rules)
        result[wanted["prefix"]] = found.labels, found.scores, found.boxes
    return result


def param_count(case: dict[str, Any]) -> int:
    """Parameters without the auxiliary head, by the model's name alone."""
    config = case["config"]
    head, backbone = split_name(case["variant"])
    assert head is not None
    spec = find_spec(backbone)
    stride = None if head == "ssdlite" else config["output_stride"]
    model = create_meta_model(with_head_called(spec, head, stride), config["n_classes"])
    return sum(parameter.numel() for parameter in model.parameters())
