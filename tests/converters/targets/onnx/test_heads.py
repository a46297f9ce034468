"""Masks and boxes in ONNX: what the file answers, how it is judged, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import mobilevit_edge as me
from converters.job.answers import make_answer
from converters.targets.bundles import load_bundle_model
from mobilevit_edge import boxes, masks
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.formats.manifest import Manifest
from mobilevit_edge.head_specs import DeepLabV3Spec, SSDLiteSpec
from mobilevit_edge.input_contract import contract_of
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.weights.head_settings import HeadSettings
from tests.support.exports import DENSE, DENSE_CLASSES, Bundles, Checkpoints, Command
from tests.support.images import save_photos

TOLERANCE = 2e-5
RATES = (1, 2, 3)


def kinds(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path / "model.onnx").graph.node]


def photo(manifest: Manifest) -> np.ndarray:
    height, width = manifest.model.image_size
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


def model_of(checkpoint: Checkpoints, name: str, stride: int | None = None) -> MobileViT:
    is_deeplab = isinstance(DENSE[name][1], DeepLabV3Spec)
    settings = HeadSettings(stride, RATES if is_deeplab else None)  # type: ignore[arg-type]
    return me.load_model(checkpoint(name), settings=settings)


def answers(bundle: Bundles, name: str, pixels: np.ndarray) -> np.ndarray:
    opened = bundle.read(name)
    manifest = opened.manifest
    contract = contract_of(manifest.input, manifest.model.image_size)
    return load_bundle_model(opened).run(contract.batch_of([pixels]))[0]  # type: ignore[no-any-return]


def logits_of(model: MobileViT, pixels: np.ndarray, order: str) -> np.ndarray:
    image = pixels[:, :, ::-1] if order == "BGR" else pixels
    x = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    with torch.inference_mode():
        return model.double()(x.double())[0].numpy()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "checkpoint_name", "stride"),
    [("v1_labels", "v1_deeplab", 16), ("v2_labels", "v2_deeplab", 8)],
)
def test_labels_are_the_best_classes_of_the_enlarged_logits(
    bundle: Bundles, checkpoint: Checkpoints, name: str, checkpoint_name: str, stride: int
) -> None:
    manifest = bundle.manifest(name)
    pixels = photo(manifest)
    found = answers(bundle, name, pixels)
    assert found.dtype == np.int32
    assert found.shape == manifest.model.image_size
    assert manifest.output.dtype == "int32"
    assert manifest.output.shape[1:] == manifest.model.image_size
    model = model_of(checkpoint, checkpoint_name, stride)
    # An independent enlargement: NumPy's matrices instead of torch.
    order = "BGR" if name.startswith("v1") else "RGB"
    logits = logits_of(model, pixels, order)
    assert manifest.head is not None
    rule = manifest.head.mask_resize
    assert rule is not None
    full = masks.resized(logits, manifest.model.image_size, rule, stride)
    second, best = np.partition(full, -2, axis=0)[-2:]
    clear = best - second > 4 * TOLERANCE * np.abs(full).max()
    assert clear.mean() > 0.9
    assert (found == full.argmax(0))[clear].all()
    assert len(np.unique(found)) > 1
    assert manifest.head.provenance.startswith(f"output stride {stride} (")
    operators = kinds(bundle(name))
    assert (operators.count("Resize"), operators.count("ArgMax")) == (1, 1)


def test_sides_that_are_no_multiples_take_the_second_resize_of_cvnets(bundle: Bundles) -> None:
    """72 pixels give a map of 5, hence 80: the nearest ones are taken back to 72."""
    manifest = bundle.manifest("v1_odd")
    assert manifest.output.shape == (1, DENSE_CLASSES, 72, 72)
    assert kinds(bundle("v1_odd")).count("Resize") >= 2
    # In fp16, which is judged by its own tolerance.
    check = manifest.verification
    assert check is not None
    assert 1e-5 < max(case.relative_error for case in check.cases) < check.max_relative_error


def test_the_pyramid_pooling_is_products_with_constants(bundle: Bundles) -> None:
    manifest = bundle.manifest("v2_psp")
    operators = kinds(bundle("v2_psp"))
    assert {"GatherND", "Gather"}.isdisjoint(operators)
    assert operators.count("Resize") == 1  # the mask's own
    assert "pyramid_matrices" in {rewrite.name for rewrite in manifest.rewrites}


def test_decoded_boxes_are_those_of_the_package(bundle: Bundles, checkpoint: Checkpoints) -> None:
    manifest = bundle.manifest("v2_boxes")
    pixels = photo(manifest)
    found = answers(bundle, "v2_boxes", pixels)
    model = model_of(checkpoint, "v2_boxes")
    rows = logits_of(model, pixels, "RGB")
    info = manifest.head.boxes if manifest.head else None
    assert info is not None
    anchors = boxes.anchors(SSDLiteSpec(), info.maps)
    decoded = boxes.decode(rows[:, :4], anchors, SSDLiteSpec())
    assert np.abs(found[:, :4] - decoded).max() < TOLERANCE * np.abs(decoded).max()
    assert np.abs(found[:, 4:] - boxes.probabilities(rows[:, 4:])).max() < TOLERANCE


def test_the_self_test_reaches_all_over_the_mask(bundle: Bundles) -> None:
    golden = bundle.manifest("v2_labels").golden
    height, width = bundle.manifest("v2_labels").model.image_size
    rows = {expected.index // width for expected in golden.expected}
    assert min(rows) < height / 4
    assert max(rows) > height * 3 / 4
    assert golden.tolerance < 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("v1_deeplab", ("--boxes", "raw"), "is made for segmentation: leave out --boxes"),
        ("v1_boxes", ("--mask", "labels"), "is made for detection: leave out --mask"),
        ("v1", ("--mask", "labels"), "is made for classification: leave out --mask"),
        ("v1", ("--output-stride", "8"), "has no head for masks: leave out --output-stride"),
        ("v1_boxes", ("--rates", "1,2,3"), "has a head for boxes: leave out --rates"),
        ("v1_deeplab", ("--output-stride", "7"), "--output-stride 7 is none of 8, 16, 32"),
        ("v1_deeplab", ("--rates", "0,2,3"), "'0,2,3' is not three whole numbers"),
        ("v1_deeplab", ("--softmax",), "has a head for segmentation: leave out --activation"),
        ("v1_deeplab", ("--image-size", "dynamic"), "cannot be exported with --image-size dynamic"),
        (
            "v2_boxes",
            ("--unit", "npu", "--boxes", "nms"),
            "the NPU has no operator that suppresses boxes",
        ),
        (
            "v1_deeplab",
            ("--unit", "npu", "--precision", "mixed", "--calibration", "photos"),
            "cannot be exported with --precision mixed for onnx",
        ),
        (
            "v2_psp",
            ("--unit", "npu", "--precision", "w8a16", "--calibration", "photos"),
            "cannot be exported with --precision w8a16 for onnx; its head takes fp32, fp16, w8a8",
        ),
        ("v2_psp", ("--rates", "1,2,3"), "has a PSPNet head: leave out --rates"),
        (
            "v2_boxes",
            ("--target", "coreml", "--precision", "int8", "--calibration", "photos"),
            "cannot be exported with --precision int8 for coreml",
        ),
    ],
)
def test_options_that_do_not_fit_the_head_are_usage_errors(
    export: Command,
    checkpoint: Checkpoints,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setattr("converters.targets.onnx.npu.unit.require_compiler", lambda: "1")
    weights = ("--weights", checkpoint(name), "--target", "onnx", "--output", place / "out")
    finished = export(*weights, *options)
    assert finished.code == 2
    assert message in " ".join(finished.err.split())
    assert not any(place.iterdir())


@pytest.mark.parametrize(
    ("name", "options", "kept"),
    [
        ("v1_deeplab", ("--rates", "1,2,3"), ("head.classifier",)),
        ("v2_boxes", ("--boxes", "nms"), ()),
    ],
)
def test_heads_in_int8_answer_what_they_do_in_float(
    export: Command,
    checkpoint: Checkpoints,
    tmp_path: Path,
    name: str,
    options: tuple[str, ...],
    kept: tuple[str, ...],
) -> None:
    weights = ("--target", "onnx", "--weights", checkpoint(name), "--image-size", "64")
    int8 = ("--precision", "int8", "--calibration", save_photos(tmp_path / "photos"))
    finished = export(*weights, *options, *int8, "--output", tmp_path / "bundle")
    assert finished.code == 0, finished.err
    manifest = read_bundle(tmp_path / "bundle").manifest
    assert manifest.kept_in_float == kept
    check = manifest.verification
    assert check is not None
    assert len(check.cases) == 8
    assert max(case.relative_error for case in check.cases) < 0.25
    # Labels have the ratio of the least that their logits can have moved.
    assert (check.sqnr_db or 0) > 15 or name == "v2_boxes"
    assert "DequantizeLinear" in kinds(tmp_path / "bundle")


def test_an_answer_that_differs_is_refused() -> None:
    from converters.checks.dense import compare_dense

    expected = np.zeros((3, 4, 4))
    expected[1] = 1.0
    expected[2, 0, 0] = 1.0 + 1e-6  # a pixel whose best two are closer than is allowed
    labels = expected.argmax(0)
    assert compare_dense("labels", "same", labels, expected, 1e-5).same_top1
    labels[0, 0] = 1
    tied = compare_dense("labels", "tied", labels, expected, 1e-5)
    assert (tied.same_top1, tied.tied) == (False, True)
    labels[3, 3] = 0
    wrong = compare_dense("labels", "wrong", labels, expected, 1e-5)
    assert not wrong.tied
    assert wrong.relative_error == pytest.approx(0.5)
    shifted = expected.copy()
    shifted[1, 3, 3] = -1e-3
    case = compare_dense("logits", "shifted", shifted, expected, 1e-5)
    assert (case.same_top1, case.tied) == (False, False)


def test_answers_in_torch_and_numpy_are_the_same() -> None:
    """The module that exports enlarge with, against the matrices that predictions use."""
    logits = torch.randn(1, 4, 5, 6, dtype=torch.float64)
    for rule in ("aligned", "half-pixel", "half-pixel-nearest"):
        model = me.create_model("mobilevit_xxs", head="deeplabv3", num_classes=4)
        assert isinstance(model.spec.head, DeepLabV3Spec)
        model.spec = replace(model.spec, head=replace(model.spec.head, resize=rule))
        answer = make_answer(model, "full-logits", (72, 90))
        expected = masks.resized(logits.numpy(), (72, 90), rule, 16)
        assert np.abs(answer(logits).numpy() - expected).max() < 1e-12
