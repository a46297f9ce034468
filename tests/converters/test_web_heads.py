"""Masks and boxes on the page: self-test, and a photo with what Python finds in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from converters.classifier import Classifier
from mobilevit_edge.web.site import SiteContent, SiteFile, make_site
from tests.support.browsers import found_by
from tests.support.exports import Bundles
from tests.support.finding import BOXES, finding


def blended(photo: Path, labels: np.ndarray, colors: Any) -> np.ndarray:
    """A photo of the mask's own size with half of each class's color."""
    picture = np.asarray(Image.open(photo).convert("RGB")).astype(np.float64)
    return np.asarray(picture + 0.5 * (np.array(colors)[labels] - picture))


def test_a_photo_shows_masks_and_boxes(bundle: Bundles, photo: Path, tmp_path: Path) -> None:
    untrained = bundle.read("v2_boxes")
    boxes = finding(untrained, tmp_path / "boxes", BOXES)
    shown = {
        "labels": bundle.read("v1_labels"),
        "logits": bundle.read("v2_psp"),
        "boxes": boxes,
        "nothing": finding(untrained, tmp_path / "nothing", BOXES[2:]),
        "untrained": untrained,
    }
    files = {
        **make_site(shown, SiteContent()),
        "photo.png": SiteFile("image/png", photo.read_bytes()),
    }
    found = found_by("chromium", files, "heads.js")
    assert ["Passed: differs by" in text for text in found["tests"]] == [True] * 5
    assert "classes, as a mask" in found["tests"][0]
    assert "classes, as boxes" in found["tests"][2]
    for name in ("labels", "logits"):
        answer, opened = found["answers"][name], shown[name]
        (prediction,) = Classifier(opened).classify([photo], 20).predictions
        assert prediction.mask is not None
        assert opened.manifest.head is not None
        # Classes whose shares are alike to a tenth of a percent may change places.
        expected = [f"{s.label}{100 * s.probability:.1f} %" for s in prediction.classes]
        assert sorted(answer["classes"]) == sorted(expected)
        assert answer["caption"] == "The photo in the colors of its classes"
        assert tuple(answer["size"]) == prediction.mask.size == (80, 100)
        pixels = np.array(answer["pixels"]).reshape(80, 100, 4)[..., :3]
        drawn = blended(photo, prediction.mask.labels, opened.manifest.head.colors)
        assert np.abs(pixels - drawn).max() <= 0.5

    answer = found["answers"]["boxes"]
    assert boxes.manifest.head is not None
    labels, colors = boxes.labels, boxes.manifest.head.colors
    assert answer["classes"] == [f"{labels[2]}90.0 %", f"{labels[1]}60.0 %"]
    assert answer["colors"] == [f"rgb{tuple(colors[index])}" for index in (2, 1)]
    pixels = np.array(answer["pixels"]).reshape(80, 100, 4)[..., :3]
    # On the lower edge of the first box, the right one of the second, clipped, and outside both.
    assert tuple(pixels[40, 50]) == tuple(colors[2])
    assert tuple(pixels[60, 99]) == tuple(colors[1])
    assert tuple(pixels[75, 5]) == tuple(np.asarray(Image.open(photo))[75, 5])
    assert found["answers"]["nothing"]["status"].startswith("nothing found; ")
