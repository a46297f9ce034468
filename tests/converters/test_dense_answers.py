"""Masks and boxes of photos: in the photo's own pixels, as JSON, and drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from converters.classifier import ClassScore, Prediction
from converters.dense_answers import DetectedBox, Mask, boxes_of, mask_of
from converters.overlay import draw
from mobilevit_edge import boxes, masks
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.formats.manifest import HeadInfo
from mobilevit_edge.input_contract import contract_of
from mobilevit_edge.preprocess import ResizeRule, cut_out
from tests.support.exports import Bundles, Command


def decoded(counts: tuple[int, ...], size: tuple[int, int]) -> np.ndarray:
    """A mask from COCO's run lengths."""
    runs = [np.full(count, index % 2) for index, count in enumerate(counts)]
    return np.concatenate(runs).reshape(size[1], size[0]).T.astype(bool)


def test_runs_are_counted_column_by_column_and_begin_outside() -> None:
    labels = np.array([[1, 0, 1], [1, 2, 1]])
    mask = Mask.of(labels)
    assert mask.counts(1) == (0, 2, 2, 2)
    assert mask.counts(2) == (3, 1, 2)
    assert mask.counts(5) == (6,)
    random = np.random.default_rng(0).integers(-1, 3, (17, 5))
    for index in range(3):
        counts = Mask.of(random).counts(index)
        assert np.array_equal(decoded(counts, (17, 5)), random == index)


@pytest.mark.parametrize("rule", ["aligned", "half-pixel", "half-pixel-nearest"])
def test_the_best_classes_are_those_of_all_resized_logits(rule: Any) -> None:
    logits = np.random.default_rng(1).standard_normal((4, 5, 7))
    for size in ((33, 150), (1, 1), (80, 112)):
        expected = masks.resized(logits, size, rule, 16).argmax(0)
        assert np.array_equal(masks.best_classes(logits, size, rule, 16), expected)


def changed(bundle: Bundle, rule: ResizeRule, **head: Any) -> Bundle:
    """A bundle whose input is cut out, or stretched, and whose head answers otherwise."""
    manifest = bundle.manifest
    info = replace(manifest.input, resize=replace(manifest.input.resize, rule=rule, cover=(72, 72)))
    assert isinstance(manifest.head, HeadInfo)
    made = replace(manifest, input=info, head=replace(manifest.head, **head))
    return replace(bundle, manifest=made)


def test_what_the_network_has_not_seen_has_no_class(bundle: Bundles) -> None:
    opened = changed(bundle.read("v2_labels"), "crop")
    contract = contract_of(opened.manifest.input, opened.manifest.model.image_size)
    photo = (90, 180)
    mask = mask_of(opened, contract, np.ones((64, 64), np.int32), photo)
    left, top, right, bottom = cut_out(photo, (64, 64), (72, 72))
    # Scaled to cover 72x72 it is 72 high, so 64 rows of 72 are seen.
    assert (top, bottom) == (5.0, 85.0)
    assert (left, right) == (50.0, 130.0)
    assert mask.size == photo
    assert (mask.labels[5:85, 50:130] == 1).all()
    assert (mask.labels == 1).sum() == 80 * 80
    assert (mask.labels == -1).sum() == 90 * 180 - 80 * 80


def test_large_photos_have_smaller_masks_and_tiny_ones_their_own(bundle: Bundles) -> None:
    opened = bundle.read("v2_labels")
    contract = contract_of(opened.manifest.input, opened.manifest.model.image_size)
    labels = np.zeros((64, 64), np.int32)
    assert mask_of(opened, contract, labels, (4000, 3000)).size == (1024, 768)
    assert mask_of(opened, contract, labels, (1, 1)).size == (1, 1)
    assert mask_of(opened, contract, labels, (1, 9000)).size == (1, 1024)


def test_boxes_are_in_the_photos_pixels_and_inside_it(bundle: Bundles) -> None:
    opened = changed(bundle.read("v2_boxes"), "stretch")
    contract = contract_of(opened.manifest.input, opened.manifest.model.image_size)
    rows = np.zeros((opened.manifest.output.shape[1] or 0, 9))
    rows[:, 4] = 1  # the background
    assert boxes_of(opened, contract, rows, (50, 200)) == ()
    rows[7] = [-0.1, 0.2, 0.5, 1.4, 0.1, 0.0, 0.9, 0.0, 0.0]
    (found,) = boxes_of(opened, contract, rows, (50, 200))
    assert found.box == (0.0, 10.0, 100.0, 50.0)
    assert (found.index, found.label) == (2, opened.labels[2])
    assert found.probability == pytest.approx(0.9)


def test_ten_thousand_boxes_in_one_place_are_one() -> None:
    count = 10_000
    corners = np.tile([0.1, 0.1, 0.6, 0.6], (count, 1)) + np.linspace(0, 0.01, count)[:, None]
    scores = np.tile([0.1, 0.9], (count, 1))
    found = boxes.detect(corners, scores)
    assert len(found.labels) == 1
    assert len(boxes.detect(corners, np.tile([1.0, 0.0], (count, 1))).labels) == 0
    # Without area nothing overlaps.
    points = np.zeros((5, 4))
    assert len(boxes.detect(points, np.tile([0.1, 0.9], (5, 1))).labels) == 5


def test_predict_draws_and_describes_masks(
    predict: Command, bundle: Bundles, photo: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "drawn"
    finished = predict(bundle("v2_labels"), photo, "--overlay", folder, "--json")
    assert finished.code == 0, finished.err
    (answer,) = json.loads(finished.out)["predictions"]
    assert sum(score["probability"] for score in answer["classes"]) == pytest.approx(1)
    labels, covered = np.zeros((80, 100), int), np.zeros((80, 100), int)
    for mask in answer["masks"]:
        assert mask["size"] == [80, 100]
        inside = decoded(tuple(mask["counts"]), (80, 100))
        covered += inside
        labels[inside] = mask["index"]
    assert (covered == 1).all()
    with Image.open(folder / "photo.png") as drawn:
        assert drawn.size == (100, 80)
        head = bundle.manifest("v2_labels").head
        assert head is not None
        with Image.open(photo) as original:
            colors = np.array(head.colors)[labels]
            expected = (np.asarray(original.convert("RGB"), float) + colors) / 2
        below_the_legend = slice(72, None)
        assert np.abs(np.asarray(drawn, float) - expected)[below_the_legend].max() <= 1
    again = predict(bundle("v2_labels"), photo, "--overlay", folder)
    assert again.code == 4
    assert "exists already: name another folder" in again.err


def test_names_of_boxes_at_an_edge_stay_inside_the_picture() -> None:
    """And of classes only those that a pixel in two hundred has are named."""
    colors = ((0, 0, 0), (250, 0, 0))
    bundle: Any = SimpleNamespace(manifest=SimpleNamespace(head=SimpleNamespace(colors=colors)))
    found = DetectedBox(1, "something long", 0.9, (95.0, 40.0, 100.0, 60.0))
    photo = Image.new("RGB", (100, 80), (255, 255, 255))
    drawn = draw(photo, bundle, Prediction("", (), detections=(found,)))
    # Beside its text, in the line above the box and left of it.
    row = [drawn.getpixel((x, 38)) for x in range(100)]
    assert row.count((250, 0, 0)) > 20
    mask = Mask.of(np.zeros((80, 100), np.int32))
    shares = (ClassScore(0, "none", 0.996, 0.996), ClassScore(1, "some", 0.004, 0.004))
    named = draw(photo, bundle, Prediction("", shares, mask=mask))
    alone = draw(photo, bundle, Prediction("", shares[:1], mask=mask))
    assert np.array_equal(np.asarray(named), np.asarray(alone))


def test_predict_lists_boxes(
    predict: Command, bundle: Bundles, photo: Path, tmp_path: Path
) -> None:
    finished = predict(bundle("v2_boxes"), photo, "--overlay", tmp_path / "drawn", "--json")
    assert finished.code == 0, finished.err
    (answer,) = json.loads(finished.out)["predictions"]
    assert 1 <= len(answer["detections"]) <= 200
    probabilities = [found["probability"] for found in answer["detections"]]
    assert probabilities == sorted(probabilities, reverse=True)
    for found in answer["detections"]:
        x1, y1, x2, y2 = found["box"]
        assert 0 <= x1 <= x2 <= 100
        assert 0 <= y1 <= y2 <= 80
    assert (tmp_path / "drawn" / "photo.png").is_file()
    shown = predict(bundle("v2_boxes"), photo)
    assert "more, all of them with --json" in shown.out


def test_classifiers_have_nothing_to_draw(
    predict: Command, bundle: Bundles, photo: Path, tmp_path: Path
) -> None:
    finished = predict(bundle("v1"), photo, "--overlay", tmp_path / "drawn")
    assert finished.code == 2
    assert "leave out --overlay" in finished.err
    (tmp_path / "file").write_text("mine")
    finished = predict(bundle("v2_labels"), photo, "--overlay", tmp_path / "file")
    assert finished.code == 4
    assert (tmp_path / "file").read_text() == "mine"
