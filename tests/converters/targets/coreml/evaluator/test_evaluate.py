"""Rounding after every operator, and memory that is bounded whatever a program asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from converters.targets.coreml.evaluator.constants import Constant
from converters.targets.coreml.evaluator.evaluate import Evaluator
from converters.targets.coreml.evaluator.package import MilModel, read_package
from converters.targets.coreml.evaluator.program import CONST, Function, Operation, Value
from converters.targets.coreml.evaluator.tensor_types import TensorType
from mobilevit_edge.errors import ConversionError
from tests.converters.targets.coreml.evaluator.packages import (
    argument,
    copy,
    mb,
    operations,
    program,
    save,
)

_PAIR = hypothesis_numpy.arrays(
    np.float16, (2, 5), elements=st.floats(width=16, allow_nan=False, allow_infinity=False)
)


@pytest.fixture(scope="module")
def arithmetic(tmp_path_factory: pytest.TempPathFactory) -> MilModel:
    """Chains of operators on two vectors in fp16, the last of them in fp32."""

    def body(x: Any, y: Any) -> tuple[Any, ...]:
        wide = [mb.cast(x=value, dtype="fp32") for value in (x, y)]
        return (
            mb.sub(x=mb.add(x=x, y=y), y=y),
            mb.mul(x=mb.mul(x=x, y=y), y=y),
            mb.sqrt(x=mb.mul(x=x, y=x)),
            mb.sub(x=mb.add(x=wide[0], y=wide[1]), y=wide[1]),
        )

    shape = ((5,), np.float16)
    model = program(body, {"x": shape, "y": shape}, "iOS17")
    return save(model, tmp_path_factory.mktemp("arithmetic") / "model.mlpackage")


@given(pair=_PAIR)
# The sum loses x; the product and the square overflow, then fall below the smallest number.
@example(pair=np.array([[2**-12] * 5, [1.0] * 5], np.float16))
@example(pair=np.array([[300.0] * 5, [300.0] * 5], np.float16))
@example(pair=np.array([[1e-4] * 5, [1e-4] * 5], np.float16))
def test_every_result_is_rounded_to_its_type(arithmetic: MilModel, pair: Any) -> None:
    x, y = pair
    with np.errstate(all="ignore"):
        wide = x.astype(np.float32), y.astype(np.float32)
        expected = [(x + y) - y, (x * y) * y, np.sqrt(x * x), (wide[0] + wide[1]) - wide[1]]
    found = arithmetic({"x": x, "y": y})
    for made, values in zip(found.values(), expected, strict=True):
        assert made.dtype == values.dtype
        np.testing.assert_array_equal(made, values)


# More than ten thousand million numbers are refused before anything is allocated.

_HUGE = 100_000
_MAP = (1, 1, 2, 2)


def _with(parameter: str, *values: Any) -> Callable[[Any, str], None]:
    """Other numbers for an operation's parameter."""

    def change(message: Any, kind: str) -> None:
        (operation,) = operations(message, kind)
        tensor = argument(message, operation, parameter).immediateValue.tensor
        field = getattr(tensor, tensor.WhichOneof("value")).values
        assert len(field) == len(values)
        field[:] = values

    return change


_KERNEL = np.ones((1, 1, 2, 2), np.float32)
GREEDY: dict[str, tuple[Callable[[Any], Any], Callable[[Any, str], None]]] = {
    "conv": (
        lambda x: mb.conv(x=x, weight=_KERNEL, pad_type="custom", pad=[0, 1, 0, 1]),
        _with("pad", 0, _HUGE, 0, _HUGE),
    ),
    "conv_transpose": (
        lambda x: mb.conv_transpose(x=x, weight=_KERNEL, strides=[2, 2]),
        _with("strides", _HUGE, _HUGE),
    ),
    "upsample_bilinear": (
        lambda x: mb.upsample_bilinear(x=x, scale_factor_height=2.0, scale_factor_width=2.0),
        _with("scale_factor_width", 1e10),
    ),
    "upsample_nearest_neighbor": (
        lambda x: mb.upsample_nearest_neighbor(
            x=x, scale_factor_height=2.0, scale_factor_width=2.0
        ),
        _with("scale_factor_height", 1e10),
    ),
}


def _forget_sizes(message: Any, function: str = "main") -> None:
    """No sizes declared of anything but constants."""
    program_ = message.mlProgram.functions[function]
    for operation in program_.block_specializations[program_.opset].operations:
        for output in operation.outputs if operation.type != "const" else ():
            for dimension in output.type.tensorType.dimensions:
                dimension.unknown.variadic = False


def _small(folder: Path, build: Callable[[Any], Any]) -> Path:
    path = folder / "small.mlpackage"
    save(program(lambda x: (build(x), mb.relu(x=x)), {"x": (_MAP, np.float32)}, "iOS17"), path)
    return path


def _evaluate(model: MilModel) -> dict[str, Any]:
    return model({"x": np.ones(_MAP, np.float32)})


@pytest.mark.parametrize("kind", GREEDY)
def test_a_result_that_nothing_could_hold_is_refused(kind: str, tmp_path: Path) -> None:
    build, enlarge = GREEDY[kind]
    package = _small(tmp_path, build)
    (tmp_path / "same").mkdir()
    _evaluate(read_package(copy(package, tmp_path / "same", _forget_sizes)))

    def change(message: Any) -> None:
        _forget_sizes(message)
        enlarge(message, kind)

    (tmp_path / "greedy").mkdir()
    model = read_package(copy(package, tmp_path / "greedy", change))
    with pytest.raises(ConversionError, match=rf"^{kind} .* numbers at once"):
        _evaluate(model)


@pytest.mark.parametrize(("limit", "refused"), [(220, False), (200, True)])
def test_results_count_together(
    limit: int, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(x: Any) -> Any:
        parts = [mb.concat(values=[x] * 6, axis=0) for _ in range(4)]  # of 24 numbers
        return mb.concat(values=parts, axis=0)  # of 96

    model = read_package(_small(tmp_path, build))
    monkeypatch.setattr("converters.targets.coreml.evaluator.evaluate.MAX_ELEMENTS", limit)
    if refused:
        with pytest.raises(ConversionError, match=r"^concat .* numbers at once"):
            _evaluate(model)
    else:
        _evaluate(model)


def test_constants_count(classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = read_package(classifier)
    monkeypatch.setattr("converters.targets.coreml.evaluator.evaluate.MAX_ELEMENTS", 400)
    with pytest.raises(ConversionError, match=r"needs 4\d\d numbers at once, more than the limit"):
        model({"image": np.zeros((8, 6, 3), np.uint8)})


def test_sizes_count_before_they_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes of x, doubled again and again."""
    vector = TensorType("int32", (None,))
    axis = Constant(TensorType("int32", ()), lambda: torch.tensor(0))
    steps = [Operation("shape", "s0", (Value("s0", vector),), {"x": ("x",)})]
    for i in range(1, 40):
        arguments = {"values": (f"s{i - 1}",) * 2, "axis": ("axis",)}
        steps.append(Operation("concat", f"s{i}", (Value(f"s{i}", vector),), arguments))
    operations_ = (Operation(CONST, "axis", (Value("axis", axis.type),), {}, axis), *steps)
    function = Function((Value("x", TensorType("fp32", (2,))),), operations_, ("s39",))
    evaluator = Evaluator(function)
    monkeypatch.setattr("converters.targets.coreml.evaluator.evaluate.MAX_ELEMENTS", 1000)
    cat = Mock(wraps=torch.cat)
    monkeypatch.setattr("torch.cat", cat)
    with pytest.raises(ConversionError, match=r"^concat \(s10\): .* numbers at once"):
        evaluator({"x": torch.zeros(2)})
    assert sum(not call.args[0][0].is_meta for call in cat.call_args_list) == 9


def test_sizes_do_not_depend_on_numbers(tmp_path: Path) -> None:
    def body(x: Any, y: Any) -> Any:
        return mb.reshape(x=x, shape=mb.cast(x=y, dtype="int32"))

    built = program(body, {"x": ((2, 3), np.float32), "y": ((2,), np.float32)}, "iOS17")
    model = save(built, tmp_path / "model.mlpackage")
    with pytest.raises(ConversionError, match=r"'shape' .* it depends on the numbers in the input"):
        model({"x": np.zeros((2, 3), np.float32), "y": np.array([3, 2], np.float32)})
