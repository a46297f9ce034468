"""Heads against figures from the original codes, through the public import of a checkpoint.

``tests/data/conformance_heads`` holds a part of the reference cases; all of them are checked with
``tests/support/heads_adapter.py``.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mobilevit_edge as me
from mobilevit_edge import boxes, masks
from mobilevit_edge.head_specs import DeepLabV3Spec, MaskSpec, PSPNetSpec, SSDLiteSpec
from mobilevit_edge.models.network import create_meta_model, find_spec
from mobilevit_edge.models.segmentation import DeepLabV3Head, PSPNetHead
from mobilevit_edge.specs import split_name, with_head_called
from mobilevit_edge.weights.head_naming import head_key
from tests.conftest import deterministic_state, random_images
from tests.support import heads_adapter

DATA = Path(__file__).parents[1] / "data" / "conformance_heads"
TOLERANCE = 1e-5
CASES = sorted((DATA / "cases").glob("*.json"), key=lambda path: path.stem)
MASKS = [path for path in CASES if "ssdlite" not in path.stem]
BOXES = [path for path in CASES if "ssdlite" in path.stem]
BOX_TOLERANCE = 1e-3
WIDE_MAP = "cvnets__deeplabv3_mobilevitv2_050__voc__1x3x384x320"
"""A map of 24x20: every rate reaches a pixel inside it."""


@lru_cache(maxsize=1)
def state_of(keys_file: str) -> dict[str, Tensor]:
    return deterministic_state(json.loads((DATA / keys_file).read_text())["keys"])


def record_of(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    record = json.loads(path.read_text())
    with np.load(DATA / record["arrays_file"]) as arrays:
        return record, dict(arrays)


def answers(record: dict[str, Any]) -> dict[str, Any]:
    shape = record["input"]["shape"]
    images = random_images(1, shape[2], shape[3], record["input"]["seed"])
    return heads_adapter.run(record, state_of(record["keys_file"]), images)


def worst(found: np.ndarray, arrays: dict[str, np.ndarray], name: str, largest: float) -> float:
    """The largest difference from the recorded sample and from the recorded means."""
    flat = found.reshape(-1)
    count = min(2048, flat.size)
    order = np.arange(flat.size)
    if count < flat.size:
        order = np.sort(np.random.RandomState(20260).permutation(flat.size)[:count])
    means = F.adaptive_avg_pool2d(torch.from_numpy(found).double(), 4)[0].numpy()
    differences = (
        np.abs(flat[order].astype(np.float64) - arrays[f"{name}_sample"]).max(),
        np.abs(means - arrays[f"{name}_blocks"]).max(),
    )
    return float(max(differences)) / largest


@pytest.mark.parametrize("path", MASKS, ids=lambda path: path.stem)
def test_masks_equal_those_of_the_original_code(path: Path) -> None:
    record, arrays = record_of(path)
    assert heads_adapter.param_count(record) == record["param_count"]
    found = answers(record)
    outputs = {name: found[name] for name in record["outputs"] if name != "own"}
    assert "resized" in outputs
    for name, values in outputs.items():
        recorded = record["outputs"][name]
        assert list(values.shape) == recorded["shape"]
        assert worst(values, arrays, name, recorded["absmax"]) < TOLERANCE
        step = recorded["argmax_step"]
        classes, judged = values[0].argmax(0)[::step, ::step], arrays[f"{name}_argmax"]
        assert np.array_equal(classes[judged != 255], judged[judged != 255])


def test_a_wrong_rate_is_seen() -> None:
    record, arrays = record_of(DATA / "cases" / f"{WIDE_MAP}.json")
    record["config"]["aspp_rates"] = [6, 12, 19]
    found = answers(record)["logits"]
    assert worst(found, arrays, "logits", record["outputs"]["logits"]["absmax"]) > 100 * TOLERANCE


def test_a_second_resize_is_seen() -> None:
    record, arrays = record_of(DATA / "cases" / f"{WIDE_MAP}.json")
    once = answers(record)
    twice = masks.resize_bilinear(once["upsampled"], (333, 500), aligned=True)
    largest = record["outputs"]["resized"]["absmax"]
    assert worst(once["resized"], arrays, "resized", largest) < TOLERANCE
    assert worst(twice, arrays, "resized", largest) > 100 * TOLERANCE


def test_other_corners_are_seen() -> None:
    record, arrays = record_of(DATA / "cases" / f"{WIDE_MAP}.json")
    found = masks.resized(answers(record)["logits"], (333, 500), "half-pixel", 16)
    largest = record["outputs"]["resized"]["absmax"]
    assert worst(found, arrays, "resized", largest) > 100 * TOLERANCE


@pytest.mark.parametrize("path", BOXES, ids=lambda path: path.stem)
def test_boxes_equal_those_of_the_original_code(path: Path) -> None:
    record, arrays = record_of(path)
    assert heads_adapter.param_count(record) == record["param_count"]
    found = answers(record)
    assert np.array_equal(found["anchors"], arrays["anchors"])
    raw = arrays["raw_boxes"]
    assert np.abs(found["raw_boxes"][0] - raw).max() < TOLERANCE * np.abs(raw).max()
    scores = found["raw_scores"][0]
    largest = record["outputs"]["raw_scores"]["absmax"]
    assert np.abs(scores.mean(1) - arrays["raw_scores_row_mean"]).max() < TOLERANCE * largest
    assert np.abs(scores.mean(0) - arrays["raw_scores_class_mean"]).max() < TOLERANCE * largest
    for wanted in record["detections"]:
        same_detections(found[wanted["prefix"]], arrays, wanted["prefix"])


def same_detections(found: Any, arrays: dict[str, np.ndarray], prefix: str) -> None:
    """Each recorded detection has a partner of its own."""
    labels, scores, places = found
    free = np.ones(len(labels), bool)
    recorded = [arrays[f"{prefix}_{part}"] for part in ("labels", "scores", "boxes")]
    assert len(labels) == len(recorded[0])
    for label, score, place in zip(*recorded, strict=True):
        near = np.abs(places - place).max(1) < BOX_TOLERANCE
        fits = np.flatnonzero(
            free & (labels == label) & (np.abs(scores - score) < BOX_TOLERANCE) & near
        )
        assert len(fits) > 0
        free[fits[0]] = False


def module_record(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    record = json.loads((DATA / "modules" / f"{name}.json").read_text())
    with np.load(DATA / record["arrays_file"]) as arrays:
        return record, dict(arrays)


def module_input(record: dict[str, Any]) -> Tensor:
    given = record["input"]
    values = np.random.RandomState(given["seed"]).standard_normal(given["shape"])
    return torch.from_numpy(values.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "prefix", "spec"),
    [
        (
            "aspp_48_24_r6",
            "seg_head.aspp.aspp_layer.",
            DeepLabV3Spec(16, 24, (6, 12, 18), "aligned"),
        ),
        ("psp_80_24", "seg_head.psp_layer.", PSPNetSpec(16, "aligned", 24)),
    ],
)
def test_pyramids_equal_the_originals(name: str, prefix: str, spec: MaskSpec) -> None:
    record, arrays = module_record(name)
    channels = record["config"]["in_channels"]
    head: DeepLabV3Head | PSPNetHead
    if isinstance(spec, DeepLabV3Spec):
        head = DeepLabV3Head(spec, channels, 2)
    else:
        head = PSPNetHead(spec, channels, 2)
    head.classifier = nn.Identity()  # type: ignore[assignment]
    theirs = deterministic_state(record["keys"], record["gain"])
    state = {
        key: theirs[head_key(f"head.{key}", spec, "cvnets").removeprefix(prefix)]
        for key in head.state_dict()
    }
    head.load_state_dict(state)
    with torch.inference_mode():
        found = head.eval()(module_input(record)).numpy()
    assert np.abs(found - arrays["output"]).max() < TOLERANCE * np.abs(arrays["output"]).max()


def test_boxes_are_decoded_as_in_the_original() -> None:
    _, arrays = module_record("box_decode_64")
    found = boxes.decode(arrays["locations"], arrays["anchors"], SSDLiteSpec())
    assert np.abs(found - arrays["boxes"]).max() < TOLERANCE


@pytest.mark.parametrize("name", ["postprocess_a", "postprocess_b"])
def test_the_remaining_detections_are_those_of_the_original(name: str) -> None:
    record, arrays = module_record(name)
    given = record["parameters"]
    rules = boxes.DetectionRules(
        given["conf_threshold"],
        given["top_k_per_class"],
        given["nms_iou"],
        given["max_detections"],
    )
    found = boxes.detect(arrays["boxes"], arrays["scores"], rules)
    same_detections((found.labels, found.scores, found.boxes), arrays, "det")


def test_parameters_and_multiply_adds_are_those_of_the_original_codes() -> None:
    """An eighth of the recorded configurations; ``macs.json`` says how they were counted."""
    cases = json.loads((DATA / "macs.json").read_text())["cases"]
    for name, recorded in list(cases.items())[::8]:
        _, model, config = name.split("__")
        head, backbone = split_name(model)
        assert head is not None
        stride = {"voc": 16, "coco": None}.get(config, 8)
        classes = {"ade20k": 150, "coco": 81}.get(config, 21)
        spec = with_head_called(find_spec(backbone), head, stride)  # type: ignore[arg-type]
        counts = me.complexity(create_meta_model(spec, classes), recorded["input"])
        assert (counts.parameters, counts.macs) == (recorded["params"], recorded["macs"]), name
        parts = {part.name: part.macs for part in counts.blocks}
        assert sum(parts.values()) == counts.macs
        encoder = sum(macs for part, macs in parts.items() if not part.startswith("head."))
        assert encoder == recorded["encoder_macs"], name
