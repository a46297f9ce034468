"""A whole model: agrees with torch as it is, and no longer once anything in its package changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mobilevit_edge as me
from converters.targets.coreml.evaluator.package import read_package
from tests.converters.targets.coreml.evaluator.packages import (
    argument,
    copy,
    ct,
    from_torch,
    operations,
    weight_file,
)

SIZE = 64
TOLERANCE = 1e-5
"""Of the largest output, in fp32."""
_ENTRY_HEADER = 64

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return me.create_model("mobilevitv2_050", num_classes=16)


@pytest.fixture(scope="module")
def package(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = ct.ImageType(
        name="image", shape=(1, 3, SIZE, SIZE), scale=1 / 255, color_layout=ct.colorlayout.RGB
    )
    path = tmp_path_factory.mktemp("model") / "model.mlpackage"
    from_torch(model, torch.zeros(1, 3, SIZE, SIZE), inputs=[image]).save(str(path))
    return path


@pytest.fixture(scope="module")
def images() -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(2)]


@pytest.fixture(scope="module")
def error(model: Any, images: list[Array]) -> Callable[[Path], float]:
    """The largest difference between a package's answers and torch's, of the largest answer."""
    # [B, H, W, 3] -> [B, 3, H, W]
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        expected = model(batch).numpy()

    def measure(path: Path) -> float:
        evaluated = read_package(path)
        answers = np.concatenate([next(iter(evaluated({"image": i}).values())) for i in images])
        return float(np.abs(answers - expected).max() / np.abs(expected).max())

    return measure


def test_a_model_agrees_with_torch(package: Path, error: Callable[[Path], float]) -> None:
    assert error(package) <= TOLERANCE


def test_calls_repeat(package: Path, images: list[Array]) -> None:
    evaluated = read_package(package)
    first, _, third = (evaluated({"image": image}) for image in (*images, images[0]))
    for name, values in first.items():
        np.testing.assert_array_equal(values, third[name])


def _swap_channels(message: Any) -> None:
    message.description.input[0].type.imageType.colorSpace = 30  # BGR


def _drop_scale(message: Any) -> None:
    """Of the image: the multiplication by 1 / 255."""
    for operation in operations(message, "mul"):
        if operation.inputs["x"].arguments[0].name == "image":
            value = argument(message, operation, "y").immediateValue.tensor.floats.values
            assert value[0] == pytest.approx(1 / 255)
            value[0] = 1.0
            return
    raise AssertionError("the image is not scaled")


def _other_epsilon(message: Any) -> None:
    """Of the first norm, which coremltools takes apart: what is added before the root."""
    root = operations(message, "sqrt")[0]
    made = root.inputs["x"].arguments[0].name
    (added,) = (o for o in operations(message, "add") if o.outputs[0].name == made)
    value = argument(message, added, "y").immediateValue.tensor.floats.values
    assert 0 < value[0] < 1e-3
    value[0] = 1.0


def _shift_padding(message: Any) -> None:
    """Of the first convolution, all of its padding in height to one side."""
    conv = operations(message, "conv")[0]
    values = argument(message, conv, "pad").immediateValue.tensor.ints.values
    top, bottom = values[0], values[1]
    assert bottom
    values[0], values[1] = top + bottom, 0


CHANGES = {
    "channel order": _swap_channels,
    "image scale": _drop_scale,
    "epsilon": _other_epsilon,
    "padding": _shift_padding,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_program_no_longer_agrees(
    name: str, package: Path, tmp_path: Path, error: Callable[[Path], float]
) -> None:
    assert error(copy(package, tmp_path, CHANGES[name])) > 100 * TOLERANCE


@pytest.mark.parametrize("place", [0, -1])
def test_one_bit_of_a_weight_no_longer_agrees(
    place: int, package: Path, tmp_path: Path, error: Callable[[Path], float]
) -> None:
    changed = copy(package, tmp_path)
    message: list[Any] = []
    copy(package, tmp_path / "read", message.append)
    weight = argument(message[0], operations(message[0], "conv")[place], "weight")
    data = bytearray(weight_file(changed).read_bytes())
    start = weight.blobFileValue.offset + _ENTRY_HEADER
    count = int(np.prod([d.constant.size for d in weight.type.tensorType.dimensions]))
    numbers = np.frombuffer(data, "<f4", count, start)
    largest = start + 4 * int(np.abs(numbers).argmax())
    data[largest + 3] ^= 0b10  # an exponent's bit: 16 times as large, or as small
    weight_file(changed).write_bytes(data)
    assert error(changed) > 100 * TOLERANCE
