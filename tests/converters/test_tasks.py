"""What outputs mean: one class of many, each output by itself, or features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from converters.classifier import sigmoid
from converters.targets.coreml import runtime
from tests.support.exports import Bundles, Checkpoints, Command, Reference
from tests.support.images import as_float, noise, relative_error

FP32 = 2e-5


def test_a_single_output_is_a_probability_of_its_own(
    bundle: Bundles, predict: Command, photo: Path
) -> None:
    manifest = bundle.manifest("one")
    assert (manifest.task, manifest.output.activation) == ("multilabel", "none")
    finished = predict(bundle("one"), photo, "--json")
    assert finished.code == 0, finished.err
    (answer,) = json.loads(finished.out)["predictions"][0]["classes"]
    assert answer["probability"] == pytest.approx(1 / (1 + np.exp(-answer["value"])))
    assert 0 < answer["probability"] < 1


def test_sigmoid_makes_each_output_a_probability(
    bundle: Bundles, predict: Command, photo: Path
) -> None:
    manifest = bundle.manifest("sigmoid")
    assert (manifest.task, manifest.output.name) == ("multilabel", "probabilities")
    assert manifest.output.activation == "sigmoid"
    classes, logits = (
        json.loads(predict(bundle(name), photo, "--json", "--top-k", 10).out)["predictions"][0]
        for name in ("sigmoid", "v1")
    )
    values = {c["index"]: c["value"] for c in logits["classes"]}
    for found in classes["classes"]:
        assert found["value"] == found["probability"]
        expected = 1 / (1 + np.exp(-values[found["index"]]))
        assert found["probability"] == pytest.approx(expected, abs=1e-5)


def test_a_network_without_classifier_gives_an_embedding(
    bundle: Bundles, predict: Command, photo: Path
) -> None:
    manifest = bundle.manifest("embedding")
    assert (manifest.task, manifest.output.name) == ("embedding", "embedding")
    finished = predict(bundle("embedding"), photo, photo, "--json")
    assert finished.code == 0, finished.err
    first, second = json.loads(finished.out)["predictions"]
    assert first["classes"] == []
    assert len(first["embedding"]) == manifest.model.outputs
    assert first["embedding"] == second["embedding"]
    printed = predict(bundle("embedding"), photo, photo).out
    assert "norm " in printed
    assert "cosine similarity" in printed
    assert "1.000" in printed
    assert "%" not in printed


@pytest.mark.parametrize("name", ["one", "embedding"])
def test_core_ml_gives_them_too(package: Bundles, reference: Reference, name: str) -> None:
    pixels = noise(1)
    found = runtime.load(package(name) / "model.mlpackage").run(pixels)
    assert relative_error(found, reference(name, as_float(pixels, "BGR"))) < FP32


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("one", ("--activation", "softmax"), "softmax of a single output is always 1"),
        ("one", ("--softmax",), "softmax of a single output is always 1"),
        ("embedding", ("--activation", "sigmoid"), "no classifier"),
        ("embedding", ("--labels", "imagenet"), "no classifier"),
        ("v1", ("--activation", "tanh"), "invalid choice: 'tanh'"),
    ],
)
def test_what_an_output_cannot_be_is_a_usage_error(
    export: Command,
    checkpoint: Checkpoints,
    place: Path,
    source: str,
    options: tuple[str, ...],
    message: str,
) -> None:
    given = ("--target", "onnx", "--weights", checkpoint(source), "--output", place / "bundle")
    finished = export(*given, *options)
    assert finished.code == 2
    assert message in finished.err
    assert list(place.iterdir()) == []


def test_no_logit_overflows() -> None:
    found = sigmoid(np.array([-1e4, -1.0, 0.0, 1.0, 1e4]))
    np.testing.assert_allclose(found, [0, 0.26894142, 0.5, 0.73105858, 1], rtol=1e-7)
