"""Masks and boxes for the NPU: what files hold and answer, and what labels are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import mobilevit_edge as me
from converters.checks.dense import clear_pixels
from converters.job.answers import make_answer
from converters.progress import no_progress
from converters.targets.onnx import runtime
from converters.targets.onnx.npu.label_logits import load_logits
from converters.targets.onnx.npu.precompiled import compile_contexts
from converters.targets.onnx.npu.unit import OF_HEADS, REWRITES
from mobilevit_edge.errors import ConversionError, VerificationError
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.formats.golden import golden_image
from mobilevit_edge.formats.manifest import MaskForm
from mobilevit_edge.weights.head_settings import HeadSettings
from tests.support.exports import Bundles, Checkpoints, Command
from tests.support.images import as_float, noise, relative_error, save_photos
from tests.support.jobs import job_of
from tests.support.npu import (
    LEFT,
    TAKEN,
    FakeCompiler,
    assert_what_the_unit_takes,
    fake_compiler,
)

BUNDLES = ("v1_labels_npu", "v2_logits_npu", "v2_psp_npu", "v2_boxes_npu")
RATES = (1, 2, 3)


def answer_of_reference(
    checkpoint: Checkpoints, name: str, form: str, stride: int | None, x: np.ndarray
) -> np.ndarray:
    rates = RATES if "deeplab" in name else None
    model = me.load_model(checkpoint(name), settings=HeadSettings(stride, rates)).double()  # type: ignore[arg-type]
    answer = make_answer(model, form, (x.shape[2], x.shape[3])).double()  # type: ignore[arg-type]
    with torch.inference_mode():
        return answer(model(torch.from_numpy(x).double())).numpy()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", BUNDLES)
def test_they_hold_fixed_shapes_of_four_axes_and_only_what_the_unit_takes(
    bundle: Bundles, name: str
) -> None:
    head = bundle.manifest(name).head
    assert head is not None
    assert_what_the_unit_takes(bundle, name, (*REWRITES, *OF_HEADS[head.name]))


@pytest.mark.parametrize(
    ("name", "source", "form", "stride", "size", "order", "allowed"),
    [
        ("v2_logits_npu", "v2_deeplab", "logits", 8, (64, 96), "RGB", 2e-5),
        ("v2_psp_npu", "v2_psp", "full-logits", None, (96, 64), "RGB", 2e-2),
        ("v2_boxes_npu", "v2_boxes", "decoded", None, (96, 96), "RGB", 2e-5),
    ],
)
def test_they_give_what_the_reference_gives(
    bundle: Bundles,
    checkpoint: Checkpoints,
    name: str,
    source: str,
    form: MaskForm,
    stride: int | None,
    size: tuple[int, int],
    order: str,
    allowed: float,
) -> None:
    x = as_float(noise(1, *size), order)
    found = runtime.load(bundle(name) / "model.onnx").run(x)
    assert relative_error(found, answer_of_reference(checkpoint, source, form, stride, x)) < allowed


def test_labels_are_the_best_of_the_logits_that_the_unit_is_judged_by(
    bundle: Bundles, checkpoint: Checkpoints
) -> None:
    path = bundle("v1_labels_npu") / "model.onnx"
    pixels = noise(1, 64, 64)
    logits = load_logits(path).run(pixels)
    expected = answer_of_reference(
        checkpoint, "v1_deeplab", "full-logits", 16, as_float(pixels, "BGR")
    )
    assert relative_error(logits, expected) < 2e-5
    labels = runtime.load(path).run(pixels)
    assert labels.dtype == np.int32
    assert np.array_equal(labels, logits.argmax(1))


def test_a_file_without_labels_has_no_logits_before_them(bundle: Bundles) -> None:
    with pytest.raises(ConversionError, match="by 0 nodes ArgMax, and not by one"):
        load_logits(bundle("v2_logits_npu") / "model.onnx")


def test_the_self_test_has_pixels_that_fp16_leaves_alone() -> None:
    logits = np.zeros((3, 40, 40))
    margins = np.linspace(0.001, 1, 1600).reshape(40, 40)
    logits[1] = 1 + margins
    logits[2] = 1
    least = []
    for unit in ("cpu", "npu"):
        job = job_of(model="deeplabv3_mobilevit_xxs", unit=unit, raw_input=True)
        chosen, _ = clear_pixels(job, logits, None)
        least.append(min(margins.reshape(-1)[one.index] for one in chosen))
    assert least[0] < 0.1
    # A tenth of the largest logit, in both of the best classes.
    assert least[1] > 0.2 * logits.max()


def test_heads_in_8_bits_keep_the_logits_and_what_is_made_of_them_in_float(
    export: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    photos = save_photos(tmp_path / "photos")
    given = ("--target", "onnx", "--unit", "npu", "--raw-input", "--image-size", "64")
    finished = export(
        *(*given, "--weights", checkpoint("v1_deeplab"), "--rates", "1,2,3"),
        *("--precision", "w8a8", "--calibration", photos, "--output", tmp_path / "bundle"),
    )
    assert finished.code == 0, finished.err
    manifest = read_bundle(tmp_path / "bundle").manifest
    assert "head.classifier" in manifest.kept_in_float
    assert manifest.verification is not None
    assert (manifest.verification.sqnr_db or 0) > 10
    graph = onnx.load(tmp_path / "bundle" / "model.onnx").graph
    rounded = {n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"}
    made = {o: n.name for n in graph.node for o in n.output}
    assert any(made.get(name, "").startswith("head.branches") for name in rounded)
    assert not any(made.get(name, "").startswith(("head.classifier", "answer")) for name in rounded)


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCompiler:
    use = fake_compiler(tmp_path, monkeypatch)
    use(TAKEN)
    return use


@pytest.mark.parametrize(("exchanged", "taken"), [("second", True), ("worst", False)])
def test_a_compiled_file_may_exchange_classes_that_are_nearly_alike(
    use: FakeCompiler, bundle: Bundles, tmp_path: Path, exchanged: str, taken: bool
) -> None:
    opened = bundle.read("v1_labels_npu")
    image = golden_image(opened.manifest.golden, (64, 64))[None]
    logits = load_logits(opened.model_path).run(image)[0]
    order = np.argsort(logits, axis=0)
    labels = order[-1].astype(np.int32)
    margins = np.ptp(logits, axis=0)
    if exchanged == "worst":
        labels[np.unravel_index(margins.argmax(), margins.shape)] = order[0].reshape(-1)[
            margins.argmax()
        ]
    else:
        second = np.sort(logits, axis=0)[-1] - np.sort(logits, axis=0)[-2]
        labels[second < 0.01] = order[-2][second < 0.01]
    np.save(tmp_path / "answers.npy", labels[None, None])
    use(TAKEN.replace("ANSWERS", f"np.load({str(tmp_path / 'answers.npy')!r})"))
    model = tmp_path / "out" / "model.onnx"
    model.parent.mkdir()
    model.write_bytes(opened.model_path.read_bytes())
    job = job_of(model="deeplabv3_mobilevit_xxs", unit="npu", soc=("sm8650",), raw_input=True)
    if taken:
        (context,) = compile_contexts(job, model, no_progress)
        assert context.difference < 0.1
    else:
        with pytest.raises(VerificationError, match=r"golden image.*0\.1 is allowed"):
            compile_contexts(job, model, no_progress)


def test_a_chip_that_leaves_the_arg_max_is_named(
    use: FakeCompiler, bundle: Bundles, tmp_path: Path
) -> None:
    use(LEFT.replace("layer3.1/Einsum_5", "answer/ArgMax_9").replace('"Einsum"', '"ArgMax"'))
    model = tmp_path / "out" / "model.onnx"
    model.parent.mkdir()
    model.write_bytes(bundle.read("v1_labels_npu").model_path.read_bytes())
    job = job_of(model="deeplabv3_mobilevit_xxs", unit="npu", soc=("sm8650",), raw_input=True)
    with pytest.raises(VerificationError, match=r"1 ArgMax.*answer/ArgMax_9"):
        compile_contexts(job, model, no_progress)
