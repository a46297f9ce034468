"""Damaged and hostile packages are refused, and nothing outside them is read."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.targets.coreml.evaluator.package import read_package
from mobilevit_edge.errors import BundleError, ConversionError, MobileViTEdgeError
from tests.converters.targets.coreml.evaluator.packages import (
    argument,
    copy,
    model_file,
    operations,
    weight_file,
)


def _manifest(package: Path, **replaced: object) -> None:
    """Another place of the model in a package's manifest."""
    path = package / "Manifest.json"
    manifest = json.loads(path.read_text())
    manifest["itemInfoEntries"][manifest["rootModelIdentifier"]].update(replaced)
    path.write_text(json.dumps(manifest))


def _cut(path: Path, share: float = 0.5) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def _link(path: Path, outside: Path) -> None:
    """The file moved out of its package, a link in its place."""
    target = outside / path.name
    path.rename(target)
    path.symlink_to(target)


DAMAGES: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "no manifest": (lambda p, o: (p / "Manifest.json").unlink(), "Manifest.json is missing"),
    "a broken manifest": (lambda p, o: _cut(p / "Manifest.json"), "Manifest.json is damaged"),
    "a manifest of another form": (
        lambda p, o: (p / "Manifest.json").write_text('["model.mlmodel"]'),
        "Manifest.json is damaged",
    ),
    "a manifest of binary data": (
        lambda p, o: (p / "Manifest.json").write_bytes(b"\xff\xfe\x00\x80"),
        "Manifest.json is damaged",
    ),
    "a manifest nested deeply": (
        lambda p, o: (p / "Manifest.json").write_text("[" * 200_000),
        "cannot be read",
    ),
    "a huge manifest": (
        lambda p, o: os.truncate(p / "Manifest.json", 2**40),
        "Manifest.json has more than",
    ),
    "a model outside": (
        lambda p, o: ((o / "m").write_bytes(b""), _manifest(p, path="../../m")),
        "'m' leads out of the package",
    ),
    "a model by its absolute path": (
        lambda p, o: _manifest(p, path="/etc/passwd"),
        "'passwd' leads out of the package",
    ),
    "a path that no file has": (lambda p, o: _manifest(p, path="a\0b"), "cannot be followed"),
    "a path that is no text": (lambda p, o: _manifest(p, path=3), "Manifest.json is damaged"),
    "no model": (lambda p, o: model_file(p).unlink(), "its model file .* is missing"),
    "a folder as a model": (
        lambda p, o: (model_file(p).unlink(), model_file(p).mkdir()),
        "its model file .* is missing",
    ),
    "half a model": (lambda p, o: _cut(model_file(p)), "model.mlmodel is damaged"),
    "an empty model": (lambda p, o: _cut(model_file(p), 0), "a model of kind None"),
    "a model of noise": (
        lambda p, o: model_file(p).write_bytes(np.random.default_rng(0).bytes(4096)),
        "model.mlmodel is damaged",
    ),
    "a huge model": (
        lambda p, o: os.truncate(model_file(p), 2**40),
        "model.mlmodel has more than",
    ),
    "a link to a model": (lambda p, o: _link(model_file(p), o), "leads out of the package"),
    "a link to a manifest": (lambda p, o: _link(p / "Manifest.json", o), "leads out"),
    "a link to itself": (
        lambda p, o: (model_file(p).unlink(), model_file(p).symlink_to(model_file(p))),
        "cannot be followed|missing",
    ),
    "no weights": (lambda p, o: weight_file(p).unlink(), "weight.bin is missing"),
    "half the weights": (lambda p, o: _cut(weight_file(p)), "weight.bin ends before"),
    "empty weights": (lambda p, o: _cut(weight_file(p), 0), "weight.bin is not a weight file"),
    "weights of noise": (
        lambda p, o: weight_file(p).write_bytes(np.random.default_rng(0).bytes(8192)),
        "weight.bin is not a weight file",
    ),
    "a link to weights": (lambda p, o: _link(weight_file(p), o), "leads out of the package"),
    "weights that keep a reader waiting": (
        lambda p, o: (weight_file(p).unlink(), os.mkfifo(weight_file(p))),
        "weight.bin is missing",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_package_is_refused(name: str, classifier: Path, tmp_path: Path) -> None:
    damage, message = DAMAGES[name]
    package = copy(classifier, tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    damage(package, outside)
    with pytest.raises(BundleError, match=message) as caught:
        read_package(package)
    assert str(package) in str(caught.value)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.mlpackage").write_bytes(b"")
    for name in ("model.mlpackage", "none.mlpackage"):
        with pytest.raises(BundleError, match="it is not a package, which is a folder"):
            read_package(tmp_path / name)


def test_a_neural_network_is_refused(classifier: Path, tmp_path: Path) -> None:
    package = copy(classifier, tmp_path, lambda message: message.neuralNetwork.SetInParent())
    with pytest.raises(BundleError, match="kind neuralNetwork; only ML Programs are evaluated"):
        read_package(package)


def _weights(message: Any) -> Any:
    (conv,) = operations(message, "conv")
    return argument(message, conv, "weight")


def _blob(message: Any) -> Any:
    return _weights(message).blobFileValue


def _rename_use(message: Any) -> None:
    (conv,) = operations(message, "conv")
    conv.inputs["x"].arguments[0].name = "nowhere"


def _declare(message: Any, sizes: tuple[int, ...]) -> None:
    """Other sizes of the convolution's weight, wherever they are declared."""
    dimensions = _weights(message).type.tensorType.dimensions
    for dimension, size in zip(dimensions, sizes, strict=True):
        dimension.constant.size = size


def _half_floats(message: Any) -> None:
    message.description.input[0].type.imageType.colorSpace = 40


def _recursive(message: Any) -> None:
    (conv,) = operations(message, "conv")
    conv.outputs[0].name = conv.inputs["x"].arguments[0].name


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "weights beyond the file": (
        lambda m: setattr(_blob(m), "offset", 2**62),
        "ends before offset 4611686018427387904",
    ),
    "weights between entries": (lambda m: setattr(_blob(m), "offset", 70), "has no fp32 data"),
    "weights of another file": (
        lambda m: setattr(_blob(m), "fileName", "@model_path/../../Manifest.json"),
        "Manifest.json is not a weight file",
    ),
    "weights outside": (
        lambda m: setattr(_blob(m), "fileName", "@model_path/../../../../../etc/passwd"),
        "'passwd' leads out of the package",
    ),
    "weights by an absolute path": (
        lambda m: setattr(_blob(m), "fileName", "/etc/passwd"),
        "'/etc/passwd', which is not in the package",
    ),
    "weights after an absolute path": (
        lambda m: setattr(_blob(m), "fileName", "@model_path//etc/passwd"),
        "'passwd' leads out of the package",
    ),
    "weights of another type": (
        lambda m: setattr(_weights(m).type.tensorType, "dataType", 10),
        "has no fp16 data",
    ),
    "weights of another shape": (lambda m: _declare(m, (16, 3, 3, 4)), "not a fp32"),
    "weights larger than any machine": (
        lambda m: _declare(m, (2**20, 2**20, 3, 3)),
        "is more than this evaluator holds",
    ),
    "an input that nothing made": (_rename_use, "uses 'nowhere', which nothing made"),
    "a value that is its own input": (_recursive, "two values of the program are named"),
    "an image in half floats": (_half_floats, "neither in color nor in 8-bit gray"),
    "another input's name": (
        lambda m: setattr(m.description.input[0], "name", "photo"),
        "inputs are not those of its program",
    ),
    "an output that the program does not make": (
        lambda m: setattr(m.description.output[-1], "name", "nothing"),
        "does not make the model's output 'nothing'",
    ),
    "an opset that it has no operations for": (
        lambda m: setattr(m.mlProgram.functions["main"], "opset", "CoreML1"),
        "no operations for its own opset 'CoreML1'",
    ),
    "a function that is not described": (
        lambda m: m.mlProgram.functions["other"].CopyFrom(m.mlProgram.functions["main"]),
        "it describes the functions",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_contradictory_package_is_refused(name: str, classifier: Path, tmp_path: Path) -> None:
    change, message = CHANGES[name]
    with pytest.raises(BundleError, match=message):
        read_package(copy(classifier, tmp_path, change))


def test_an_unknown_operator_is_named(classifier: Path, tmp_path: Path) -> None:
    package = copy(
        classifier, tmp_path, lambda m: setattr(operations(m, "relu")[0], "type", "lstm")
    )
    model = read_package(package)
    with pytest.raises(ConversionError, match=r"not implemented here: 'lstm' \(relu\)$"):
        model({"image": np.zeros((8, 6, 3), np.uint8)})


def _answers_or_refuses(package: Path) -> None:
    with contextlib.suppress(MobileViTEdgeError):
        read_package(package)({"image": np.zeros((8, 6, 3), np.uint8)})


_PLACES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=3
)


@pytest.mark.parametrize("find", [model_file, weight_file])
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=_PLACES)
def test_any_damage_is_evaluated_or_refused(
    find: Callable[[Path], Path],
    classifier: Path,
    tmp_path: Path,
    places: list[tuple[float, int]],
) -> None:
    data = bytearray(find(classifier).read_bytes())
    for share, byte in places:
        data[int(share * len(data))] = byte
    package = tmp_path / classifier.name
    if not package.exists():
        copy(classifier, tmp_path)
    find(package).write_bytes(data)
    _answers_or_refuses(package)
