"""What every page and app must make of a head's numbers as Python does: masks and boxes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any, Final, cast

import numpy as np

from converters.dense_answers import boxes_of, mask_of
from mobilevit_edge import boxes, masks
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.head_specs import SSDLiteSpec
from mobilevit_edge.input_contract import InputContract

STRIDE: Final = 16
SHAPE: Final = (4, 5, 7)
"""Of logits: classes, height, width."""
IMAGE_SIZE: Final = (5 * STRIDE, 7 * STRIDE)
PHOTOS: Final = ((90, 180), (33, 150), (1, 1), (1500, 40), (25, 35))
"""Of the last one, corners that are cut out lie on halves of pixels."""
MAPS: Final = ((3, 4), (2, 2), (2, 1), (1, 1), (1, 1), (1, 1))
MANY: Final = 10_000
_SURE: Final = 1e-5
"""Of a random logit: what single precision leaves between two orders of a sum."""

_CONTRACT: Final = InputContract(
    image_size=IMAGE_SIZE,
    batch=1,
    dtype="float32",
    layout="NCHW",
    channel_order="RGB",
    scale=1 / 255,
    resize="stretch",
    interpolation="bilinear",
    cover=IMAGE_SIZE,
    provenance="made up",
)


def _bundle(head: Any, labels: int) -> Bundle:
    """As much of one as answering reads."""
    manifest = SimpleNamespace(head=head)
    return cast(Bundle, SimpleNamespace(manifest=manifest, labels=tuple(map(str, range(labels)))))


def mask_cases() -> Iterator[dict[str, Any]]:
    """Answers of every form with the mask of photos: stretched, and cut out of larger ones."""
    rng = np.random.default_rng(0)
    answers = {
        "logits": rng.standard_normal(SHAPE).astype("<f4"),
        "full-logits": rng.standard_normal((SHAPE[0], *IMAGE_SIZE)).astype("<f4"),
        "labels": rng.integers(0, SHAPE[0], IMAGE_SIZE).astype("<i4"),
    }
    rules = ("aligned", "half-pixel", "half-pixel-nearest")
    for answer, photo, cover in product(answers, PHOTOS, (None, (100, 140))):
        for rule in rules if answer == "logits" else rules[:1]:
            head = SimpleNamespace(answer=answer, mask_resize=rule, output_stride=STRIDE)
            contract = (
                replace(_CONTRACT, resize="crop", cover=cover) if cover is not None else _CONTRACT
            )
            outputs = answers[answer]
            mask = mask_of(_bundle(head, SHAPE[0]), contract, outputs, photo)
            yield {
                **_described(contract, photo, outputs),
                "head": vars(head),
                "size": mask.size,
                "labels": _base64(mask.labels),
                "tied": int(_tied(outputs, rule).sum()) if answer == "logits" else 0,
            }


def _tied(logits: np.ndarray, rule: Any) -> np.ndarray:
    """Where two classes are as good as alike, at the size of the input."""
    full = masks.resized(logits.astype(np.float64), IMAGE_SIZE, rule, STRIDE)
    second, best = np.partition(full, -2, axis=0)[-2:]
    return np.asarray(best - second < _SURE)


def box_cases() -> Iterator[dict[str, Any]]:
    """Rows of both forms with the objects in photos: ties, boxes without area, and very many."""
    rng = np.random.default_rng(1)
    spec = SSDLiteSpec()
    count = len(boxes.anchors(spec, MAPS))
    raw = rng.normal(0, 2, (count, 4 + 5)).astype("<f4")
    corners = np.sort(rng.uniform(-0.2, 1.2, (count, 2, 2)), axis=1).reshape(count, 4)
    corners[::7, 2] = corners[::7, 0]
    tied = rng.integers(0, 11, (count, 5)) / 10
    decoded = np.concatenate((corners, tied), axis=1).astype("<f4")
    nothing = np.full((3, 4 + 5), np.nan, "<f4")
    starts = rng.uniform(0, 0.9, (MANY, 2))
    many = np.concatenate(
        (starts, starts + rng.uniform(0.01, 0.1, (MANY, 2)), rng.uniform(0, 1, (MANY, 21))), axis=1
    ).astype("<f4")
    usual, few = boxes.DetectionRules(), boxes.DetectionRules(candidates=9, detections=30)
    cases = (
        ("raw", raw, usual),
        ("decoded", decoded, usual),
        ("decoded", decoded, few),
        ("decoded", nothing, usual),
        ("decoded", many, usual),
        ("nms", boxes.as_rows(boxes.detect(decoded[:, :4], decoded[:, 4:]), 60), usual),
    )
    for (answer, rows, rules), photo in product(cases, PHOTOS[:2]):
        info = SimpleNamespace(
            maps=MAPS,
            scales=spec.scales,
            ratios=spec.ratios,
            center_variance=spec.center_variance,
            size_variance=spec.size_variance,
            **vars(rules),
        )
        head = SimpleNamespace(answer=answer, boxes=info)
        contract = replace(_CONTRACT, resize="crop", cover=(100, 140))
        classes = 5 if answer == "nms" else rows.shape[1] - 4
        found = boxes_of(_bundle(head, classes), contract, rows, photo)
        yield {
            **_described(contract, photo, rows),
            "head": {"answer": answer, "boxes": vars(info)},
            "found": [[box.index, box.probability, *box.box] for box in found],
        }


def _described(
    contract: InputContract, photo: tuple[int, int], outputs: np.ndarray
) -> dict[str, Any]:
    return {
        "photo": photo,
        "image_size": contract.image_size,
        "resize": {"rule": contract.resize, "cover": contract.cover},
        "dtype": outputs.dtype.kind,
        "shape": outputs.shape,
        "outputs": _base64(outputs),
    }


def _base64(content: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(content).tobytes()).decode()
