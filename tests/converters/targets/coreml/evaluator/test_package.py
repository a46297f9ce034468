"""Whole packages: what they declare, and how they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters.targets.coreml.evaluator.interface import (
    ClassifierOutput,
    ImageInput,
    TensorInput,
    TensorOutput,
)
from converters.targets.coreml.evaluator.package import read_package
from mobilevit_edge.errors import ConversionError, ImageError, InputError
from tests.converters.targets.coreml.evaluator.networks import LABELS, SIZES, Folded, Network
from tests.converters.targets.coreml.evaluator.packages import ct, from_torch, save


def _logits(network: Network, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Of RGB bytes, seen by the network in BGR."""
    bgr = torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1)[None]
    with torch.no_grad():
        return network(bgr / 255)[0].numpy()


def test_a_classifier_answers_as_its_network(
    classifier: Path, network: Network, image: np.ndarray[Any, Any]
) -> None:
    answer = read_package(classifier)({"image": image})
    logits = _logits(network, image)
    np.testing.assert_allclose(answer["logits"], logits, rtol=1e-5, atol=1e-6)
    assert answer["logits"].dtype == np.float32
    assert set(answer) == {"logits", "label", "label_probs"}
    assert answer["label"] == LABELS[int(logits.argmax())]
    shares = np.exp(logits[0]) / np.exp(logits[0]).sum()
    assert answer["label_probs"] == pytest.approx(dict(zip(LABELS, shares, strict=True)), rel=1e-5)


def test_what_a_package_declares(classifier: Path) -> None:
    model = read_package(classifier)
    assert model.inputs == (ImageInput("image", *SIZES[0], "BGR", (SIZES[0],)),)
    assert model.outputs == (
        ClassifierOutput("label", "label_probs"),
        TensorOutput("logits", (1, 3), "fp32"),
    )
    assert model.functions == ("main",)
    assert model.specification_version == 8
    metadata = model.metadata
    assert (metadata.author, metadata.license, metadata.version) == (
        "An author",
        "A license",
        "1.2",
    )
    assert metadata.description == "What it is"
    assert metadata.extra["key"] == "value"


def test_operations_are_listed_with_their_ranks(classifier: Path) -> None:
    listed = read_package(classifier).operations()
    ranks = {operation.kind: operation.rank for operation in listed if not operation.is_constant}
    assert ranks["conv"] == 4
    assert ranks["linear"] == 2
    assert ranks["classify"] == 0
    assert any(operation.is_constant for operation in listed)


def test_integer_labels(network: Network, tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    image_type = ct.ImageType(name="image", shape=(1, 3, *SIZES[0]), scale=1 / 255)
    example = torch.zeros(1, 3, *SIZES[0])
    model = from_torch(network, example, classifier=[7, 5, 3], inputs=[image_type])
    answer = save(model, tmp_path / "model.mlpackage")({"image": image})
    assert list(answer["label_probs"]) == [7, 5, 3]
    assert answer["label"] == max(answer["label_probs"], key=answer["label_probs"].get)


def test_an_image_of_another_size_is_refused(classifier: Path) -> None:
    model = read_package(classifier)
    with pytest.raises(ImageError, match="4x4 pixels is not among the model's sizes \\(8x6\\)"):
        model({"image": np.zeros((4, 4, 3), np.uint8)})
    with pytest.raises(ImageError, match="bytes are expected"):
        model({"image": np.zeros((8, 6, 3), np.float32)})
    with pytest.raises(ImageError, match="bytes are expected"):
        model({"image": np.zeros((8, 6), np.uint8)})


def test_other_inputs_are_refused(classifier: Path, flexible: Path) -> None:
    with pytest.raises(InputError, match=r"the inputs are \['image'\], given are \['photo'\]"):
        read_package(classifier)({"photo": np.zeros((8, 6, 3), np.uint8)})
    model = read_package(flexible)
    with pytest.raises(InputError, match=r"the shape \[1, 3, 4, 6\] is not among the model's"):
        model({"x": np.zeros((1, 3, 4, 6), np.float32)})
    with pytest.raises(InputError, match="int64 where fp32 is expected"):
        model({"x": np.zeros((1, 3, 8, 6), np.int64)})
    with pytest.raises(ConversionError, match="no function 'other', there are main"):
        model({}, function="other")


def test_enumerated_shapes(flexible: Path) -> None:
    model = read_package(flexible)
    shapes = tuple((1, 3, *size) for size in SIZES)
    (declared,) = model.inputs
    assert isinstance(declared, TensorInput)
    assert (declared.shape, set(declared.shapes)) == (shapes[0], set(shapes))
    kinds = {operation.kind for operation in model.operations()}
    # The program works out its shapes.
    assert {"shape", "gather", "floor_div", "concat"} <= kinds
    for shape in (*shapes, shapes[0]):
        x = np.random.default_rng(1).random(shape, dtype=np.float32)
        (made,) = model({"x": x}).values()
        np.testing.assert_array_equal(made, Folded()(torch.from_numpy(x)).numpy())


def test_functions_of_one_package(
    classifier: Path,
    flexible: Path,
    tmp_path: Path,
    network: Network,
    image: np.ndarray[Any, Any],
) -> None:
    joined = ct.utils.MultiFunctionDescriptor()
    joined.add_function(str(classifier), "main", "classify")
    joined.add_function(str(flexible), "main", "fold")
    joined.default_function_name = "fold"
    path = tmp_path / "joined.mlpackage"
    ct.utils.save_multifunction(joined, str(path))
    model = read_package(path)
    assert set(model.functions) == {"classify", "fold"}
    assert model.default_function == "fold"
    assert isinstance(model.inputs[0], TensorInput)
    assert isinstance(model.interface("classify").inputs[0], ImageInput)
    logits = model({"image": image}, function="classify")["logits"]
    np.testing.assert_allclose(logits, _logits(network, image), rtol=1e-5, atol=1e-6)
    x = np.random.default_rng(1).random((1, 3, *SIZES[1]), dtype=np.float32)
    (made,) = model({"x": x}).values()
    np.testing.assert_array_equal(made, Folded()(torch.from_numpy(x)).numpy())
