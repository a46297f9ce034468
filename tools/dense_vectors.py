"""What apps must make of a head's answer, as Python does: masks with shares, and boxes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from converters import dense_answers
from converters.classifier import Classifier
from converters.targets.loaded import Array
from mobilevit_edge import masks
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.formats.manifest import AnswerForm, HeadInfo, Manifest, manifest_to_json
from mobilevit_edge.head_specs import MASK_RESIZES
from mobilevit_edge.input_contract import contract_of
from tools.dense_models import BOXES, CLASSES, ROWS, STRIDE, box_head, mask_head, with_dense_head

PHOTOS: Final = ((40, 30), (31, 77), (64, 64), (9, 200), (1, 1), (700, 1400))
"""Of the photos: width, height."""
UNSURE: Final = -2
"""In a mask: where two classes are so near that rounding decides, which differs by processor."""
_MARGIN: Final = 1e-5
_SEED: Final = 6


def mask_cases(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Random answers of every kind for photos of several shapes, cropped and stretched."""
    rng = np.random.default_rng(_SEED)
    size = manifest.model.image_size
    grid = (size[0] // STRIDE, size[1] // STRIDE)
    shapes: dict[AnswerForm, tuple[int, ...]] = {
        "logits": (len(CLASSES), *grid),
        "full-logits": (len(CLASSES), *size),
        "labels": size,
    }
    for answer, shape in shapes.items():
        for rule in MASK_RESIZES if answer == "logits" else MASK_RESIZES[:1]:
            for crops in (False, True):
                bundle = _bundle(manifest, mask_head(answer, rule), (1, *shape), crops=crops)
                for width, height in PHOTOS:
                    outputs = (
                        rng.integers(0, len(CLASSES), shape).astype(np.float32)
                        if answer == "labels"
                        else rng.normal(0, 3, shape).astype(np.float32)
                    )
                    yield _mask_case(bundle, outputs, (width, height))


def _mask_case(bundle: Bundle, outputs: Array, photo: tuple[int, int]) -> dict[str, Any]:
    width, height = photo
    contract = contract_of(bundle.manifest.input, bundle.manifest.model.image_size)
    mask = dense_answers.mask_of(bundle, contract, outputs, (height, width))
    labels = mask.labels.copy()
    seen = labels >= 0
    head = bundle.manifest.head
    assert head is not None
    if head.answer == "logits":
        assert head.mask_resize is not None
        assert head.output_stride is not None
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        place = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        region = labels[place]
        logits = masks.resized(
            outputs.astype(np.float64), region.shape, head.mask_resize, head.output_stride
        )
        second, best = np.partition(logits, -2, axis=0)[-2:]
        region[best - second < _MARGIN] = UNSURE
    counts = np.bincount(mask.labels[seen], minlength=len(CLASSES))
    return {
        **_given(bundle, outputs, photo),
        "size": mask.size,
        "labels": _base64(labels.astype(np.int8)),
        "unsure": int((labels == UNSURE).sum()),
        "shares": (counts / max(seen.sum(), 1)).tolist(),
    }


def box_cases(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Random boxes under several rules: clusters, ties, without area, beyond the image."""
    rng = np.random.default_rng(_SEED)
    rules = (
        BOXES,
        replace(BOXES, score=0.3, candidates=5, overlap=0.2, detections=7),
        replace(BOXES, score=0.0, candidates=100, overlap=1.0, detections=1000),
        replace(BOXES, score=1.0),
    )
    for rule in rules:
        for crops in (False, True):
            bundle = _bundle(
                manifest, box_head("decoded", rule), (1, ROWS, 4 + len(CLASSES)), crops=crops
            )
            for photo in PHOTOS:
                yield _box_case(bundle, _rows(rng), photo)


def _rows(rng: np.random.Generator) -> Array:
    """``[rows, 4 + classes]`` float32."""
    # A few places, so that many overlap.
    places = rng.uniform(-0.2, 0.9, (6, 2))
    corners = places[rng.integers(0, len(places), ROWS)] + rng.normal(0, 0.03, (ROWS, 2))
    sides = rng.uniform(-0.05, 0.6, (ROWS, 2)) * (rng.uniform(size=(ROWS, 1)) > 0.1)
    logits = rng.normal(0, 3, (ROWS, len(CLASSES))).round(1)
    exponentials = np.exp(logits)
    scores = exponentials / exponentials.sum(1, keepdims=True)
    # Ties: the same scores in another place.
    scores[::7] = scores[0]
    return np.concatenate((corners, corners + sides, scores), axis=1).astype(np.float32)


def _box_case(bundle: Bundle, outputs: Array, photo: tuple[int, int]) -> dict[str, Any]:
    width, height = photo
    contract = contract_of(bundle.manifest.input, bundle.manifest.model.image_size)
    found = dense_answers.boxes_of(bundle, contract, outputs, (height, width))
    return {**_given(bundle, outputs, photo), "found": [_box(one) for one in found]}


def _box(found: dense_answers.DetectedBox) -> dict[str, Any]:
    return {"index": found.index, "probability": found.probability, "box": found.box}


def dense_photo(bundles: Sequence[Path], photo: Image.Image) -> dict[str, Any]:
    """What bundles say of a photo in Python, by their names."""
    answers: dict[str, Any] = {}
    for path in bundles:
        classifier = Classifier(read_bundle(path))
        size = (photo.height, photo.width)
        answer = classifier.prediction("", classifier.outputs_of(photo), len(CLASSES), size)
        answers[path.name] = {
            "shares": {score.index: score.probability for score in answer.classes},
            "found": [_box(one) for one in answer.detections],
        }
    return answers


def bad_heads(good: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Manifests of heads with one fault each, by the name of the fault; ``good`` finds objects."""

    def changed(**changes: Any) -> str:
        content = json.loads(json.dumps(good))
        for key, value in changes.items():
            *path, last = key.split("__")
            place = content
            for step in path:
                place = place[step]
            place[last] = value
        return json.dumps(content)

    yield "a task without its head", changed(head=None)
    yield "a head of another task", changed(task="segmentation")
    yield "a classifier with a head", changed(task="classification")
    yield "an unknown answer", changed(head__answer="guesses")
    yield "an answer of another head", changed(head__answer="labels")
    yield "boxes without rules", changed(head__boxes=None)
    yield "rules without maps", changed(head__boxes__maps=[])
    yield "maps of another number of rows", changed(head__boxes__maps=[[4, 4], [2, 2]])
    yield "a score above one", changed(head__boxes__score=1.5)
    yield "no overlap", changed(head__boxes__overlap=None)
    yield "no candidates", changed(head__boxes__candidates=0)
    yield "detections beyond bounds", changed(head__boxes__detections=10**6)
    yield "a head with too few colors", changed(head__colors=[[0, 0, 0]])
    yield "a color beyond bounds", changed(head__colors=[[0, 0, 256]] * len(CLASSES))
    yield "boxes with a stride", changed(head__output_stride=16, head__mask_resize="aligned")
    yield "rows of another width", changed(output__shape=[1, ROWS, 3])
    yield "boxes of whole numbers", changed(output__dtype="int32")
    yield "an open number of rows", changed(output__shape=[1, None, 4 + len(CLASSES)])


def _given(bundle: Bundle, outputs: Array, photo: tuple[int, int]) -> dict[str, Any]:
    return {
        "manifest": manifest_to_json(bundle.manifest),
        "width": photo[0],
        "height": photo[1],
        "outputs": _base64(outputs.astype("<f4")),
    }


def _bundle(manifest: Manifest, head: HeadInfo, shape: tuple[int, ...], *, crops: bool) -> Bundle:
    """A bundle that lies nowhere; ``crops``: its images are cut out of scaled ones."""
    height, width = manifest.model.image_size
    cover = (height + height // 8, width + width // 8) if crops else (height, width)
    resize = replace(manifest.input.resize, rule="crop" if crops else "stretch", cover=cover)
    changed = replace(manifest, input=replace(manifest.input, resize=resize))
    return Bundle(Path("nowhere"), with_dense_head(changed, head, shape), CLASSES)


def _base64(content: Array) -> str:
    return base64.b64encode(content.tobytes()).decode()
