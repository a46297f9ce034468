"""The ONNX artifact as written: valid, described, and equal to the reference model."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from converters.targets.loaded import Array
from converters.targets.onnx import conversion
from tests.support.exports import Bundles, Reference
from tests.support.images import as_float, noise, relative_error

FAMILIES = ("v1", "v2", "v3_tokens", "v3_maps")
# The exporter's own threshold, which other noise than ours was held to.
FP32 = 2e-5
NOT_NORMALIZED = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}


def run(bundle: Path, x: Array) -> Array:
    session = onnxruntime.InferenceSession(
        bundle / "model.onnx", providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])


def shapes(values: Any) -> dict[str, list[int | str]]:
    return {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values
    }


@pytest.mark.parametrize("name", [*FAMILIES, "real_v2"])
def test_the_file_passes_the_checker_and_uses_only_standard_operators(
    bundle: Bundles, name: str
) -> None:
    proto = onnx.load(bundle(name) / "model.onnx", load_external_data=False)
    onnx.checker.check_model(proto, full_check=True)
    assert {(o.domain, o.version) for o in proto.opset_import} == {("", conversion.OPSET)}
    assert not any(i.data_location == onnx.TensorProto.EXTERNAL for i in proto.graph.initializer)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_file_holds_no_paths_of_the_exporting_machine(bundle: Bundles, name: str) -> None:
    content = (bundle(name) / "model.onnx").read_bytes()
    for path in (Path(__file__).parents[4], Path(onnx.__file__).parents[1], bundle(name).parent):
        assert str(path).encode() not in content


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("v1", {"image": [1, 3, 64, 64]}, {"logits": [1, 10]}),
        ("v1_raw", {"image": [1, 64, 64, 3]}, {"logits": [1, 10]}),
        ("v2", {"image": ["batch", 3, 64, 64]}, {"logits": ["batch", 10]}),
        ("v2_softmax", {"image": [3, 3, 64, 64]}, {"probabilities": [3, 10]}),
        ("v3_maps", {"image": [1, 3, 64, 96]}, {"logits": [1, 10]}),
    ],
)
def test_inputs_and_outputs_have_the_promised_names_and_shapes(
    bundle: Bundles, name: str, inputs: dict[str, Any], outputs: dict[str, Any]
) -> None:
    graph = onnx.load(bundle(name) / "model.onnx").graph
    assert shapes(graph.input) == inputs
    assert shapes(graph.output) == outputs
    manifest = bundle.manifest(name)
    static = [None if isinstance(side, str) else side for side in inputs["image"]]
    assert [manifest.input.name, list(manifest.input.shape)] == ["image", static]
    assert [manifest.output.name] == list(outputs)


@pytest.mark.parametrize(
    ("name", "order", "size"),
    [
        ("v1", "BGR", (64, 64)),
        ("v2", "RGB", (64, 64)),
        ("real_v2", "RGB", (32, 32)),
        ("v3_tokens", "BGR", (72, 72)),
        ("v3_maps", "RGB", (64, 96)),
    ],
)
def test_every_family_computes_what_the_reference_computes(
    bundle: Bundles,
    reference: Reference,
    name: str,
    order: str,
    size: tuple[int, int],
) -> None:
    manifest = bundle.manifest(name)
    assert manifest.input.channel_order == order
    assert manifest.model.image_size == size
    x = as_float(noise(1, *size), order)
    assert relative_error(run(bundle(name), x), reference(name, x)) < FP32


@pytest.mark.parametrize("batch", [1, 3])
def test_a_dynamic_batch_keeps_its_images_apart(
    bundle: Bundles, reference: Reference, batch: int
) -> None:
    x = as_float(noise(batch), "RGB")
    assert relative_error(run(bundle("v2"), x), reference("v2", x)) < FP32


def test_a_fixed_batch_takes_that_many_images_and_no_other_number(bundle: Bundles) -> None:
    run(bundle("v2_softmax"), as_float(noise(3), "RGB"))
    with pytest.raises(Exception, match=r"[Ii]nvalid dimensions"):
        run(bundle("v2_softmax"), as_float(noise(1), "RGB"))


def test_softmax_gives_the_references_probabilities(bundle: Bundles, reference: Reference) -> None:
    x = as_float(noise(3), "RGB")
    actual = run(bundle("v2_softmax"), x)
    np.testing.assert_allclose(actual.sum(axis=1), np.ones(3), rtol=1e-6)
    logits = reference("v2", x).astype(np.float64)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    # exp turns a logit's absolute error into a relative one: 1e-5 of logits up to about 10.
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-6)
    assert bundle.manifest("v2_softmax").output.activation == "softmax"


@pytest.mark.parametrize(("plain", "order"), [("v1", "BGR"), ("v2", "RGB")])
def test_raw_pixels_give_what_scaled_and_ordered_floats_give(
    bundle: Bundles, plain: str, order: str
) -> None:
    pixels = noise(1)
    raw = bundle.manifest(f"{plain}_raw")
    assert (raw.input.dtype, raw.input.layout) == ("uint8", "NHWC")
    assert (raw.input.channel_order, raw.input.scale) == ("RGB", 1.0)
    assert [rewrite.name for rewrite in raw.rewrites if rewrite.name == "preprocessing_fold"]
    graph = onnx.load(bundle(f"{plain}_raw") / "model.onnx").graph
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    actual = run(bundle(f"{plain}_raw"), pixels)
    assert relative_error(actual, run(bundle(plain), as_float(pixels, order))) < FP32


def test_the_channel_order_matters_to_the_artifact(bundle: Bundles) -> None:
    pixels = noise(1)
    swapped = run(bundle("v1"), as_float(pixels, "RGB"))
    assert relative_error(swapped, run(bundle("v1"), as_float(pixels, "BGR"))) > 100 * FP32


def test_fp16_halves_the_weights_and_keeps_float_inputs_and_outputs(
    bundle: Bundles, reference: Reference
) -> None:
    graph = onnx.load(bundle("v2_fp16") / "model.onnx").graph
    kinds = {v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)}
    assert kinds == {onnx.TensorProto.FLOAT}
    weights = [i for i in graph.initializer if len(i.dims) >= 2]
    assert weights
    assert {w.data_type for w in weights} == {onnx.TensorProto.FLOAT16}
    half, full = ((bundle(n) / "model.onnx").stat().st_size for n in ("v2_fp16", "v2_wide"))
    assert half < 0.6 * full
    x = as_float(noise(1), "RGB")
    assert relative_error(run(bundle("v2_fp16"), x), reference("v2_wide", x)) < 2e-2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "v1",
            {"layout": "NCHW", "channel_order": "BGR", "scale": 1 / 255},
        ),
        (
            "v2_raw",
            {"layout": "NHWC", "channel_order": "RGB", "scale": 1.0},
        ),
    ],
)
def test_the_file_alone_says_what_it_is_and_how_to_feed_it(
    bundle: Bundles, name: str, expected: dict[str, object]
) -> None:
    proto = onnx.load(bundle(name) / "model.onnx")
    props = {p.key: p.value for p in proto.metadata_props}
    opened = bundle.read(name)
    assert props["model"] == opened.manifest.model.name
    assert props["precision"] == "fp32"
    assert json.loads(props["labels"]) == list(opened.labels)
    common = {"image_size": [64, 64], **NOT_NORMALIZED}
    assert json.loads(props["input"]) == common | expected


@pytest.mark.parametrize(
    ("name", "threshold"), [("v1", 2e-5), ("real_v2", 2e-5), ("v2_fp16", 2e-2)]
)
def test_the_manifest_records_errors_below_the_threshold(
    bundle: Bundles, name: str, threshold: float
) -> None:
    verification = bundle.manifest(name).verification
    assert verification is not None
    assert verification.max_relative_error == threshold
    assert verification.runtime == f"onnxruntime {onnxruntime.__version__}"
    assert len(verification.cases) >= 4
    assert all(0 <= case.relative_error <= threshold for case in verification.cases)
    # Exactly zero everywhere would mean that the reference was compared with itself.
    assert any(case.relative_error > 0 for case in verification.cases)


def test_the_golden_self_test_holds_the_references_answers(
    bundle: Bundles, reference: Reference
) -> None:
    opened = bundle.read("v1")
    golden = opened.manifest.golden
    small = np.frombuffer(base64.b64decode(golden.pixels_base64), np.uint8).reshape(16, 16, 3)
    pixels = small.repeat(4, axis=0).repeat(4, axis=1)[None]
    logits = reference("v1", as_float(pixels, "BGR"))[0]
    best = np.argsort(-logits)[:5]
    assert [e.index for e in golden.expected] == best.tolist()
    assert [e.label for e in golden.expected] == [opened.labels[i] for i in best]
    # The golden answers come from float64: small ones differ by the rounding of large ones.
    tolerance = 1e-5 * np.abs(logits).max()
    np.testing.assert_allclose([e.value for e in golden.expected], logits[best], atol=tolerance)
