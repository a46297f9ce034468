"""What the apps' tests read is what Python computes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.head_specs import MASK_RESIZES
from tools import make_vectors
from tools.dense_vectors import UNSURE


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text("utf-8"))


def test_tensors_follow_channel_order_and_scale(vectors: Path) -> None:
    cases = read(vectors, "preprocessing")
    assert len(cases) == 9 * 5 * 2 * 2
    # An image of one pixel becomes a map of its color, whatever the rule.
    single = [case for case in cases if case["width"] == case["height"] == 1]
    assert {case["order"] for case in single} == {"RGB", "BGR", "GRAY", "RGBA"}
    for case in single:
        red, green, blue = base64.b64decode(case["rgb"])
        color = {
            "RGB": [red, green, blue],
            "BGR": [blue, green, red],
            "GRAY": [(red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16],
            "RGBA": [red, green, blue, 255],
        }[case["order"]]
        expected_color = (np.array(color) / np.float32(255) - np.array(case["mean"])) / np.array(
            case["std"]
        )
        height, width = case["size"]
        tensor = np.frombuffer(base64.b64decode(case["tensor"]), "<f4").reshape(-1, height, width)
        expected = np.broadcast_to(expected_color[:, None, None], tensor.shape)
        np.testing.assert_allclose(tensor, expected, rtol=1e-5)


def test_probabilities_add_up_and_are_in_order(vectors: Path) -> None:
    cases = read(vectors, "answers")
    assert {case["task"] for case in cases} == {"classification", "multilabel"}
    for case in cases:
        probabilities = np.array(case["probabilities"])
        if case["task"] == "classification":
            assert probabilities.sum() == pytest.approx(1)
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        assert (np.diff(probabilities[case["order"]]) <= 0).all()


def test_both_bundles_answer_alike_for_the_photo(vectors: Path) -> None:
    photo = read(vectors, "photo")
    pixels = base64.b64decode(photo["rgb"])
    assert len(pixels) == photo["width"] * photo["height"] * 3
    outputs = []
    for name in ("bundle", "bundle_of_pixels"):
        assert read_bundle(vectors / name).manifest.target == "onnx"
        answer = photo["answers"][name]
        outputs.append(np.array(answer["outputs"]).ravel())
        assert answer["top5"] == np.argsort(-outputs[-1])[:5].tolist()
    of_floats, of_pixels = outputs
    np.testing.assert_allclose(of_floats, of_pixels, rtol=1e-3, atol=1e-4)


def test_manifests_are_damaged_in_many_ways(vectors: Path) -> None:
    good = (vectors / "bundle" / "manifest.json").read_text("utf-8")
    bad = read(vectors, "bad_manifests")
    assert len(bad) > 20
    assert json.loads(bad["another version"])["schema_version"] == 3
    damaged = read(vectors, "damaged_manifests")
    assert len(damaged) == make_vectors.DAMAGED
    assert sum(text != good for text in damaged) > 0.9 * len(damaged)


def test_strange_models_run_and_answer_otherwise(vectors: Path) -> None:
    manifest = read_bundle(vectors / "bundle").manifest
    folders = sorted((vectors / "strange").iterdir())
    assert len(folders) == 4
    for folder in folders:
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        (given,) = session.get_inputs()
        assert (given.name, tuple(given.shape)) == (manifest.input.name, manifest.input.shape)
        (output,) = session.get_outputs()
        answer = (output.name, output.type, output.shape)
        assert answer != (manifest.output.name, "tensor(float)", list(manifest.output.shape))


def test_masks_say_the_class_of_nearly_every_pixel(vectors: Path) -> None:
    cases = read(vectors, "masks")
    heads = [json.loads(case["manifest"])["head"] for case in cases]
    assert {head["answer"] for head in heads} == {"logits", "full-logits", "labels"}
    assert {head["mask_resize"] for head in heads} == set(MASK_RESIZES)
    for case in cases:
        labels = np.frombuffer(base64.b64decode(case["labels"]), np.int8).reshape(case["size"])
        assert (labels == UNSURE).sum() == case["unsure"] < 0.001 * labels.size + 1
        assert sum(case["shares"]) == pytest.approx(1)
        # A tall photo shows the model its middle alone.
        rule = json.loads(case["manifest"])["input"]["resize"]["rule"]
        assert (labels[0, 0] == -1) == (rule == "crop" and max(case["size"]) > 1)


def test_boxes_lie_in_their_photo_the_surest_first(vectors: Path) -> None:
    cases = read(vectors, "boxes")
    numbers = [len(case["found"]) for case in cases]
    assert min(numbers) == 0
    assert max(numbers) > 50
    for case in cases:
        scores = [found["probability"] for found in case["found"]]
        assert scores == sorted(scores, reverse=True)
        for found in case["found"]:
            x1, y1, x2, y2 = found["box"]
            assert 0 <= min(x1, x2) <= max(x1, x2) <= case["width"]
            assert 0 <= min(y1, y2) <= max(y1, y2) <= case["height"]


def test_bundles_with_heads_are_whole_and_answer_the_photo(vectors: Path) -> None:
    answers = read(vectors, "photo")["dense"]
    for name in ("logits", "full_logits", "labels", "decoded"):
        manifest = read_bundle(vectors / "dense" / name).manifest
        assert manifest.head is not None
        is_boxes = manifest.task == "detection"
        assert len(answers[name]["found" if is_boxes else "shares"]) > 1
