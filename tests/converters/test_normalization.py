"""Mean and std from the command line to the artifact: exact, and where they are computed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from converters.targets.coreml import runtime
from converters.targets.coreml.evaluator.package import read_package
from converters.targets.loaded import Array
from mobilevit_edge.normalization import NOT_NORMALIZED, PRESETS, Normalization
from tests.support.exports import Bundles, Checkpoints, Command, Reference
from tests.support.images import as_float, noise, normalized, relative_error
from tests.support.jobs import job_of

FP32 = 2e-5
IMAGENET_BGR = PRESETS["imagenet"].reversed()


def run(bundle: Path, x: Array) -> Array:
    session = onnxruntime.InferenceSession(
        bundle / "model.onnx", providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])


def expected_of(reference: Reference, source: str, pixels: Array) -> Array:
    """The reference's logits for RGB bytes that ImageNet's mean and std normalize, fed as BGR."""
    x = normalized(as_float(pixels, "RGB"), "imagenet")
    return reference(source, np.ascontiguousarray(x[:, ::-1]))


def operators(bundle: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(bundle / "model.onnx").graph.node)


def test_a_normalized_float_input_is_the_networks_own(
    bundle: Bundles, reference: Reference
) -> None:
    info = bundle.manifest("v1_mean").input
    assert (info.mean, info.std) == (IMAGENET_BGR.mean, IMAGENET_BGR.std)
    assert "normalize set by the user" in info.provenance
    pixels = noise(1)
    x = normalized(as_float(pixels, "RGB"), "imagenet")[:, ::-1]
    found = run(bundle("v1_mean"), np.ascontiguousarray(x))
    assert relative_error(found, expected_of(reference, "v1", pixels)) < FP32
    assert operators(bundle("v1_mean")) == operators(bundle("v1"))


def test_bytes_are_normalized_inside_with_one_operator(
    bundle: Bundles, reference: Reference
) -> None:
    info = bundle.manifest("v1_mean_raw").input
    assert Normalization(info.mean, info.std) == NOT_NORMALIZED
    pixels = noise(1)
    found = run(bundle("v1_mean_raw"), pixels)
    assert relative_error(found, expected_of(reference, "v1", pixels)) < FP32
    added = operators(bundle("v1_mean_raw"))
    added.subtract(operators(bundle("v1_raw")))
    assert +added == Counter({"Sub": 1})


def test_a_deviation_alone_needs_no_operator(bundle: Bundles, reference: Reference) -> None:
    pixels = noise(1)
    x = as_float(pixels, "RGB") / np.array([0.2, 0.3, 0.4], np.float32)[None, :, None, None]
    assert relative_error(run(bundle("v2_std_raw"), pixels), reference("v2", x)) < FP32
    assert operators(bundle("v2_std_raw")) == operators(bundle("v2_raw"))


def test_without_the_fold_the_graph_normalizes(
    export: Command, checkpoint: Checkpoints, reference: Reference, tmp_path: Path
) -> None:
    finished = export(
        *("--target", "onnx", "--weights", checkpoint("v1_lean"), "--image-size", "64"),
        *("--normalize", "imagenet", "--raw-input", "--no-rewrite", "preprocessing_fold"),
        *("--output", tmp_path / "bundle"),
    )
    assert finished.code == 0, finished.err
    pixels = noise(1)
    found = run(tmp_path / "bundle", pixels)
    assert relative_error(found, expected_of(reference, "v1_lean", pixels)) < FP32


def test_core_mls_image_input_subtracts_the_mean(package: Bundles, reference: Reference) -> None:
    pixels = noise(1)
    found = runtime.load(package("mean") / "model.mlpackage").run(pixels)
    assert relative_error(found, expected_of(reference, "v1_lean", pixels)) < FP32
    applied = {rewrite.name: rewrite.sites for rewrite in package.manifest("mean").rewrites}
    assert applied["preprocessing_fold"] == 1
    # coreml has no operator for what the image input does: scale and bias come before the stem.
    program = read_package(package("mean") / "model.mlpackage")
    assert program.functions


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, NOT_NORMALIZED),
        ({"normalize": "imagenet"}, PRESETS["imagenet"]),
        ({"normalize": "imagenet", "channel_order": "BGR"}, IMAGENET_BGR),
        ({"normalize": "half"}, PRESETS["half"]),
        ({"normalize": "none"}, NOT_NORMALIZED),
        ({"mean": (0.5,)}, Normalization((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))),
        ({"std": (0.1, 0.2, 0.3)}, Normalization((0.0, 0.0, 0.0), (0.1, 0.2, 0.3))),
        # In the order of the model's channels, whatever that is.
        (
            {"mean": (0.1, 0.2, 0.3), "channel_order": "BGR"},
            Normalization((0.1, 0.2, 0.3), (1.0, 1.0, 1.0)),
        ),
    ],
)
@pytest.mark.usefixtures("tiny_networks")
def test_options_say_what_the_network_takes(
    options: dict[str, Any], expected: Normalization
) -> None:
    assert job_of(**options).network_input.normalization == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mean", "0.5,0.5"), "2 values for a model of 3 channels"),
        (("--std", "0"), "std 0.0 is not"),
        (("--std", "-1"), "std -1.0 is not"),
        (("--mean", "300"), "mean 300.0 is not"),
        (("--mean", "a,b,c"), "is not a number or one for each channel"),
        (("--mean", "nan"), "is not a number or one for each channel"),
        (("--mean", "1e3"), "is not a number or one for each channel"),
        (("--normalize", "imagenet", "--mean", "0.5"), "--normalize stands for"),
        (("--normalize", "cifar"), "invalid choice: 'cifar'"),
    ],
)
def test_impossible_values_are_usage_errors(
    export: Command, checkpoint: Checkpoints, place: Path, options: tuple[str, ...], message: str
) -> None:
    given = ("--target", "onnx", "--weights", checkpoint("v1"), "--output", place / "bundle")
    finished = export(*given, *options)
    assert finished.code == 2
    assert message in finished.err
    assert list(place.iterdir()) == []
