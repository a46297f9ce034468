"""The LiteRT artifact as written: wholly delegated, described, and equal to the reference."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from converters.job.precisions import Precision
from converters.targets.bundles import load_bundle_model
from converters.targets.litert import inspection
from converters.targets.litert.interpreter import LiteRTSession
from converters.targets.litert.target import TARGET
from converters.targets.litert.weights import shrink_weights
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import BundleError, ConversionError
from mobilevit_edge.formats.bundle import read_bundle
from tests.support.exports import Bundles, Checkpoints, Command, Reference
from tests.support.images import as_float, noise, normalized, relative_error, save_photos

NAMES = ("v1", "v2_raw", "v3_batch", "v3_maps")
# Twice the exporter's own threshold, which other noise than ours was held to.
FP32 = 2e-5

PLAIN = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
assert not any(name.startswith(("converters", "mobilevit_edge", "torch")) for name in sys.modules)
interpreter = Interpreter(sys.argv[1])
run = interpreter.get_signature_runner()
(image,) = run.get_input_details().values()
outputs = run(image=np.load(sys.argv[2]))
print(json.dumps([interpreter.get_signature_list(), outputs["logits"].tolist()]))
"""


@lru_cache(maxsize=2)
def loaded(bundle: Path) -> LoadedModel:
    """The file in a process that tests one after the other ask."""
    return TARGET.load(bundle / "model.tflite")


def run(bundle: Path, x: Array) -> Array:
    return loaded(bundle).run(x)


def channels_last(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def test_numbers_are_images_with_channels_last_and_red_first(
    flatbuffer: Bundles, reference: Reference
) -> None:
    info = flatbuffer.manifest("v1").input
    # The checkpoint's own order is BGR.
    assert (info.layout, info.channel_order, info.shape) == ("NHWC", "RGB", (1, 72, 64, 3))
    pixels = noise(1, 72, 64)
    found = run(flatbuffer("v1"), channels_last(as_float(pixels, "RGB")))
    assert relative_error(found, reference("v1_lean", as_float(pixels, "BGR"))) < FP32


def test_bytes_are_normalized_inside(flatbuffer: Bundles, reference: Reference) -> None:
    info = flatbuffer.manifest("v2_raw").input
    assert (info.dtype, info.layout, info.scale) == ("uint8", "NHWC", 1.0)
    pixels = noise(1, 72, 72)
    expected = reference("v2_lean", normalized(as_float(pixels, "RGB"), "imagenet"))
    assert relative_error(run(flatbuffer("v2_raw"), pixels), expected) < FP32


def test_the_models_own_axes_and_a_batch(flatbuffer: Bundles, reference: Reference) -> None:
    info = flatbuffer.manifest("v3_batch").input
    assert (info.shape, info.channel_order) == ((2, 3, 64, 64), "BGR")
    x = as_float(noise(2), "BGR")
    logits = torch.from_numpy(reference("v3_tokens_lean", x)).double()
    found = run(flatbuffer("v3_batch"), x)
    assert relative_error(found, torch.softmax(logits, dim=-1).numpy()) < FP32
    swapped = run(flatbuffer("v3_batch"), np.ascontiguousarray(x[::-1]))
    assert relative_error(swapped[::-1], found) < FP32
    assert relative_error(found[:1], found[1:]) > 100 * FP32


def test_a_deviation_is_part_of_the_stem(flatbuffer: Bundles, reference: Reference) -> None:
    info = flatbuffer.manifest("v3_maps").input
    assert (info.shape, info.std) == ((1, 64, 96, 3), (0.2, 0.3, 0.4))
    # [3] -> [1, 3, 1, 1]
    deviation = np.array(info.std, np.float32)[None, :, None, None]
    x = as_float(noise(1, 64, 96), "RGB") / deviation
    found = run(flatbuffer("v3_maps"), channels_last(x))
    assert relative_error(found, reference("v3_maps_lean", x)) < FP32


@pytest.mark.parametrize(
    ("precision", "least", "most"),
    [("fp16", 1e-5, 2e-2), ("int8-weight-only", 1e-4, 0.1), ("int8-dynamic", 1e-4, 0.5)],
)
@pytest.mark.parametrize("name", ["v1", "v3_maps"])
def test_smaller_weights_cost_their_rounding_and_stay_with_the_delegate(
    flatbuffer: Bundles,
    tmp_path: Path,
    name: str,
    precision: Precision,
    least: float,
    most: float,
) -> None:
    whole = (flatbuffer(name) / "model.tflite").read_bytes()
    path = tmp_path / "model.tflite"
    path.write_bytes(shrink_weights(whole, precision))
    assert len(path.read_bytes()) < len(whole)
    height, width = flatbuffer.manifest(name).model.image_size
    x = noise(1, height, width).astype(np.float32) / 255
    expected = LiteRTSession(flatbuffer(name) / "model.tflite").run(x)
    assert least < relative_error(LiteRTSession(path).run(x), expected) < most
    graph = inspection.read_graph(path)
    assert graph.delegates == 1
    assert all(operator.delegated for operator in graph.operators)


@pytest.mark.parametrize("name", NAMES)
def test_one_delegate_holds_everything(flatbuffer: Bundles, name: str) -> None:
    graph = inspection.read_graph(flatbuffer(name) / "model.tflite")
    assert graph.delegates == 1
    assert all(operator.delegated for operator in graph.operators)
    assert not [o.kind for o in graph.operators if o.kind.startswith("CUSTOM")]
    audit = flatbuffer.manifest(name).audit
    assert (audit.delegates, audit.delegated_macs, audit.not_delegated) == (1, 1.0, ())


def test_separable_attention_stays_elementwise(flatbuffer: Bundles) -> None:
    graph = inspection.read_graph(flatbuffer("v2_raw") / "model.tflite")
    assert not {operator.kind for operator in graph.operators} & graph.products
    # Against a rule that sees nothing: V1's attention multiplies activations.
    graph = inspection.read_graph(flatbuffer("v1") / "model.tflite")
    assert {operator.kind for operator in graph.operators} & graph.products


def test_int8_takes_and_gives_numbers_and_stays_whole(
    export: Command, checkpoint: Checkpoints, reference: Reference, tmp_path: Path
) -> None:
    photos = save_photos(tmp_path / "photos")
    finished = export(
        *("--target", "litert", "--weights", checkpoint("v2_lean"), "--image-size", "64"),
        *("--precision", "int8", "--calibration", photos, "--output", tmp_path / "bundle"),
    )
    assert finished.code == 0, finished.err
    path = tmp_path / "bundle" / "model.tflite"
    graph = inspection.read_graph(path)
    assert graph.delegates == 1
    assert all(operator.delegated for operator in graph.operators)
    session = LiteRTSession(path)
    assert [spec.dtype for spec in session.inputs] == [np.float32]
    x = as_float(noise(1), "RGB")
    found = session.run(channels_last(x))
    assert found.dtype == np.float32
    # Noise is not what it was calibrated on, but no range is far off.
    assert relative_error(found, reference("v2_lean", x)) < 0.5


def test_a_plain_interpreter_opens_it_without_this_package(
    flatbuffer: Bundles, reference: Reference, tmp_path: Path
) -> None:
    x = as_float(noise(1, 72, 64), "BGR")
    np.save(tmp_path / "x.npy", channels_last(x[:, ::-1]))
    finished = subprocess.run(
        [sys.executable, "-c", PLAIN, flatbuffer("v1") / "model.tflite", tmp_path / "x.npy"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert finished.returncode == 0, finished.stderr
    signatures, logits = json.loads(finished.stdout.splitlines()[-1])
    assert signatures == {"classify": {"inputs": ["image"], "outputs": ["logits"]}}
    assert relative_error(np.array(logits), reference("v1_lean", x)) < FP32


@pytest.mark.parametrize("name", ["v2_raw", "v3_batch"])
def test_predict_runs_the_bundle(
    flatbuffer: Bundles, predict: Command, photo: Path, name: str
) -> None:
    finished = predict(flatbuffer(name), photo, "--top-k", "3", "--json")
    assert finished.code == 0, finished.err
    (prediction,) = json.loads(finished.out)["predictions"]
    assert len(prediction["classes"]) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--batch", "dynamic"), "--batch N"),
        (("--layout", "NCHW", "--raw-input"), "leave out --layout"),
        (("--precision", "palette-6bit"), "litert has no palette-6bit; it supports fp32, fp16"),
    ],
)
def test_what_it_cannot_do_is_a_usage_error(
    export: Command, checkpoint: Checkpoints, place: Path, options: tuple[str, ...], message: str
) -> None:
    finished = export(
        *("--target", "litert", "--weights", checkpoint("v1_lean"), *options),
        *("--output", place / "bundle"),
    )
    assert finished.code == 2
    assert message in finished.err
    assert list(place.iterdir()) == []


def test_a_profile_has_every_operator_of_every_inference(flatbuffer: Bundles) -> None:
    path = flatbuffer("v1") / "model.tflite"
    found = TARGET.profile(path, 3)
    assert (found.source, found.inferences) == ("LiteRT's profiler", 3)
    assert {operator.calls for operator in found.operators} == {3}
    convolutions = [o for o in found.operators if o.kind.startswith("Convolution")]
    graph = inspection.read_graph(path)
    in_file = [o for o in graph.operators if o.kind in ("CONV_2D", "DEPTHWISE_CONV_2D")]
    # XNNPACK makes 1x1 ones fully connected.
    assert 0 < len(convolutions) <= len(in_file)


def test_a_profile_of_what_is_no_model_is_a_conversion_error(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"no model")
    with pytest.raises(ConversionError, match=r"model\.tflite"):
        TARGET.profile(tmp_path / "model.tflite", 1)


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("length", [0, 100, 20_000])
def test_a_truncated_file_is_a_conversion_error(
    flatbuffer: Bundles, tmp_path: Path, length: int
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes((flatbuffer("v1") / "model.tflite").read_bytes()[:length])
    with pytest.raises(ConversionError, match=r"model\.tflite"):
        TARGET.load(path)


@pytest.mark.usefixtures("own_process")
def test_an_input_of_another_shape_is_a_conversion_error(flatbuffer: Bundles) -> None:
    loaded = TARGET.load(flatbuffer("v1") / "model.tflite")
    with pytest.raises(ConversionError, match=r"failed on model\.tflite"):
        loaded.run(np.zeros((1, 96, 96, 3), np.float32))


def test_a_manifest_of_another_size_does_not_fit(flatbuffer: Bundles) -> None:
    bundle = read_bundle(flatbuffer("v1"))
    manifest = bundle.manifest
    assert load_bundle_model(bundle).takes == (None, *manifest.input.shape[1:])
    other = replace(manifest, input=replace(manifest.input, shape=(1, 96, 96, 3)))
    with pytest.raises(BundleError, match="does not fit its model"):
        load_bundle_model(replace(bundle, manifest=other))
