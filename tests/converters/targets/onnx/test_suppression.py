"""Suppression inside an ONNX graph, against :func:`mobilevit_edge.boxes.detect`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from converters.checks.detections import compare_detections
from converters.targets.bundles import load_bundle_model
from converters.targets.onnx.suppression import append_suppression
from mobilevit_edge import boxes
from mobilevit_edge.boxes import DetectionRules
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.manifest import manifest_from_json, manifest_to_json
from mobilevit_edge.input_contract import contract_of
from tests.support.exports import Bundles, Command

TOLERANCE = 1e-5


def suppressed(rows: np.ndarray, rules: DetectionRules) -> np.ndarray:
    """What a graph that does nothing else answers."""
    shape = ["batch", *rows.shape[1:]]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["rows"], ["boxes"])],
        "rows",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, shape)],
    )
    append_suppression(graph, rules)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(["boxes"], {"rows": rows})[0]  # type: ignore[no-any-return]


def some_rows(kind: str) -> np.ndarray:
    """Two images' boxes and probabilities, ``[2, N, 4 + C]``."""
    rng = np.random.default_rng(3)
    count, classes = (10_000, 3) if kind == "overlapping" else (700, 5)
    starts = rng.uniform(-0.2, 1, (2, count, 2))
    sides = rng.uniform(0.05, 0.4, (2, count, 2))
    if kind == "overlapping":
        starts, sides = 0.3 + starts / 50, 0.3 + sides / 50
    if kind == "flat":
        sides[:, ::7] = 0
    scores = boxes.probabilities(rng.normal(0, 3, (2, count, classes)))
    if kind == "tied":
        scores = np.round(scores, 1)
    if kind == "nothing":
        scores[..., 1:] = 0.01
    return np.concatenate((starts, starts + sides, scores), axis=2).astype(np.float32)


@pytest.mark.parametrize("kind", ["usual", "tied", "flat", "nothing", "overlapping"])
@pytest.mark.parametrize("rules", [DetectionRules(), DetectionRules(0.1, 30, 0.3, 40)])
def test_what_remains_is_what_the_package_finds(kind: str, rules: DetectionRules) -> None:
    rows = some_rows(kind)
    answered = suppressed(rows, rules)
    for image, found in zip(rows, answered, strict=True):
        expected = boxes.detect(image[:, :4], image[:, 4:], rules)
        assert np.array_equal(found, boxes.as_rows(expected, len(found)))
    assert (kind == "nothing") == (not answered.any())


def test_fewer_rows_than_may_remain() -> None:
    rows = some_rows("usual")[:, :20, :6]
    answered = suppressed(rows, DetectionRules())
    assert answered.shape == (2, 20, 6)
    again = boxes.from_rows(answered[0])
    assert np.array_equal(boxes.as_rows(again, 20), answered[0])


def test_a_list_is_judged_by_the_rule() -> None:
    """Of three boxes of a class two overlap; another class does not suppress them."""
    corners = np.array([[0, 0, 0.4, 0.4], [0, 0.05, 0.4, 0.45], [0.5, 0.5, 0.9, 0.9]])
    scores = np.array([[0.1, 0.8, 0.1], [0.1, 0.79, 0.11], [0.3, 0.4, 0.3]])
    expected = np.concatenate((corners, scores), axis=1)
    rules = DetectionRules(score=0.35)

    def judged(found: list[tuple[int, int]], threshold: float = TOLERANCE) -> tuple[bool, bool]:
        rows = np.zeros((5, 6))
        for row, (anchor, label) in enumerate(found):
            rows[row] = (*corners[anchor], scores[anchor, label], label)
        case = compare_detections("case", rows, expected, threshold, rules)
        assert case.relative_error == 0
        return case.same_top1, case.tied

    assert judged([(0, 1), (2, 1)]) == (True, False)
    # Missing, not suppressed, in the wrong order, below the least probability.
    assert judged([(0, 1)]) == (False, False)
    assert judged([(0, 1), (1, 1), (2, 1)]) == (False, False)
    assert judged([(2, 1), (0, 1)]) == (False, False)
    assert judged([(0, 1), (2, 1), (2, 2)]) == (False, False)
    # The second in place of the first, where scores may be off by a hundredth.
    assert judged([(1, 1), (2, 1)]) == (False, False)
    assert judged([(1, 1), (2, 1)], threshold=0.01) == (False, True)


def test_rows_that_are_no_answer_are_refused() -> None:
    expected = some_rows("usual")[0].astype(np.float64)
    rules = DetectionRules()
    found = boxes.as_rows(boxes.detect(expected[:, :4], expected[:, 4:], rules), 200)
    beyond, damaged, moved = found.copy(), found.copy(), found.copy()
    beyond[3, 5] = 5
    with pytest.raises(VerificationError, match="beyond its classes"):
        compare_detections("case", beyond, expected, TOLERANCE, rules)
    damaged[3, 4] = np.nan
    assert compare_detections("case", damaged, expected, TOLERANCE, rules).relative_error == np.inf
    moved[3, 0] += 0.003
    error = compare_detections("case", moved, expected, TOLERANCE, rules).relative_error
    assert 0.001 < error < 0.004


def test_a_bundle_answers_the_boxes_that_remain(
    bundle: Bundles, predict: Command, photo: Path
) -> None:
    opened, decoded = bundle.read("v2_nms"), bundle.read("v2_boxes")
    manifest = opened.manifest
    assert manifest.head is not None
    assert (manifest.head.answer, manifest.output.shape) == ("nms", (None, 200, 6))
    # The best one's score: it may have neighbors that are nearly as good.
    assert 4 in {expected.index for expected in manifest.golden.expected}
    assert manifest_from_json(manifest_to_json(manifest)) == manifest
    contract = contract_of(manifest.input, manifest.model.image_size)
    size = (*manifest.model.image_size, 3)
    images = list(np.random.default_rng(5).integers(0, 256, (2, *size), dtype=np.uint8))
    found = load_bundle_model(opened).run(contract.batch_of(images))
    one = contract_of(decoded.manifest.input, decoded.manifest.model.image_size)
    for rows, pixels in zip(found, images, strict=True):
        all_rows = load_bundle_model(decoded).run(one.batch_of([pixels]))[0].astype(np.float64)
        case = compare_detections("image", rows, all_rows, TOLERANCE, DetectionRules())
        assert case.relative_error < TOLERANCE
        assert case.same_top1 or case.tied
    (first,), (second,) = (
        json.loads(predict(bundle(name), photo, "--json").out)["predictions"]
        for name in ("v2_nms", "v2_boxes")
    )
    assert len(first["detections"]) == len(second["detections"]) > 0
    best, same = first["detections"][0], second["detections"][0]
    assert best["label"] == same["label"]
    assert best["box"] == pytest.approx(same["box"], abs=0.05)


@pytest.mark.parametrize("target", ["executorch", "litert"])
def test_other_targets_say_what_to_do_instead(
    export: Command, checkpoint: object, place: Path, target: str
) -> None:
    weights = ("--weights", checkpoint("v2_boxes"), "--output", place / "out")  # type: ignore[operator]
    finished = export("--target", target, *weights, "--boxes", "nms")
    assert finished.code == 2
    said = " ".join(finished.err.split())
    assert "--boxes decoded" in said or "cannot be exported with --target litert" in said
    assert not any(place.iterdir())
