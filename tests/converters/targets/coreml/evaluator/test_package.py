"""Whole packages: what they declare, and how they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters.targets.coreml.evaluator.interface import ImageInput, Interface
from converters.targets.coreml.evaluator.package import read_package
from mobilevit_edge.errors import ConversionError, ImageError, InputError
from tests.converters.targets.coreml.evaluator.networks import LABELS, SIZES, Folded, Network
from tests.converters.targets.coreml.evaluator.packages import ct, mb, program, save


def _logits(network: Network, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Of RGB bytes, seen by the network in BGR."""
    bgr = torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1)[None]
    with torch.no_grad():
        logits: np.ndarray[Any, Any] = network(bgr / 255)[0].numpy()
    return logits


def _folded(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    # [H, W, 3] -> [1, 3, H, W]
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    answer: np.ndarray[Any, Any] = Folded()(x).numpy()
    return answer


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


def test_calls_repeat(classifier: Path, image: np.ndarray[Any, Any]) -> None:
    model = read_package(classifier)
    first, other, third = (model({"image": i})["logits"] for i in (image, 255 - image, image))
    np.testing.assert_array_equal(first, third)
    assert not np.array_equal(first, other)


def test_what_a_package_declares(classifier: Path, flexible: Path) -> None:
    model = read_package(classifier)
    assert model.functions == ("main",)
    image = ImageInput("image", "BGR", (SIZES[0],))
    assert model.interface() == Interface((image,), ("label", "label_probs", "logits"))
    (flexible_image,) = read_package(flexible).interface().inputs
    assert flexible_image == ImageInput("image", "RGB", SIZES)


def test_operations_are_listed_with_their_ranks(classifier: Path) -> None:
    listed = read_package(classifier).operations()
    ranks = {operation.kind: operation.rank for operation in listed if not operation.is_constant}
    assert ranks["conv"] == 4
    assert ranks["linear"] == 2
    assert ranks["classify"] == 0
    assert any(operation.is_constant for operation in listed)


def test_an_image_of_another_size_is_refused(classifier: Path) -> None:
    model = read_package(classifier)
    with pytest.raises(ImageError, match="4x4 pixels is not among the model's sizes \\(8x6\\)"):
        model({"image": np.zeros((4, 4, 3), np.uint8)})
    with pytest.raises(ImageError, match="bytes are expected"):
        model({"image": np.zeros((8, 6, 3), np.float32)})
    with pytest.raises(ImageError, match="bytes are expected"):
        model({"image": np.zeros((8, 6), np.uint8)})


def test_other_inputs_are_refused(classifier: Path) -> None:
    model = read_package(classifier)
    with pytest.raises(InputError, match=r"the inputs are \['image'\], given are \['photo'\]"):
        model({"photo": np.zeros((8, 6, 3), np.uint8)})
    with pytest.raises(ConversionError, match="no function 'other', only main"):
        model({}, function="other")


def test_arrays_are_what_the_program_takes(tmp_path: Path) -> None:
    built = program(lambda x: mb.relu(x=x), {"x": ((2, 3), np.float32)}, "iOS17")
    model = save(built, tmp_path / "model.mlpackage")
    for given, message in (
        (np.zeros((3, 2), np.float32), r"x: the program takes fp32\[2, 3\], not \[3, 2\]"),
        (np.zeros((2, 3), np.int64), "x: torch.int64 where fp32 is declared"),
        (np.full((2, 3), "a"), "x: numbers are expected, not <U1"),
    ):
        with pytest.raises(InputError, match=message):
            model({"x": given})


def test_a_program_that_works_out_its_shapes(flexible: Path) -> None:
    model = read_package(flexible)
    kinds = {operation.kind for operation in model.operations()}
    assert {"shape", "gather", "floor_div", "concat"} <= kinds
    for size in (*SIZES, SIZES[0]):
        pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
        (made,) = model({"image": pixels}).values()
        np.testing.assert_array_equal(made, _folded(pixels))


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
    assert model.interface() == model.interface("fold") != model.interface("classify")
    logits = model({"image": image}, function="classify")["logits"]
    np.testing.assert_allclose(logits, _logits(network, image), rtol=1e-5, atol=1e-6)
    (made,) = model({"image": image}).values()
    np.testing.assert_array_equal(made, _folded(image))
