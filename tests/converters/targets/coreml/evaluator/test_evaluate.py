"""Rounding after every operator, and memory that is bounded whatever a program asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from converters.targets.coreml.evaluator.package import MilModel, read_package
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
            mb.sqrt(x=mb.square(x=x)),
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
    for output, values in zip(arithmetic.outputs, expected, strict=True):
        assert found[output.name].dtype == values.dtype
        np.testing.assert_array_equal(found[output.name], values)


# Ten thousand million numbers are refused before anything is allocated.

_HUGE = 100_000


def _with(parameter: str, *values: Any) -> Callable[[Any, str], None]:
    """Other numbers for an operation's parameter."""

    def change(message: Any, kind: str) -> None:
        (operation,) = operations(message, kind)
        tensor = argument(message, operation, parameter).immediateValue.tensor
        field = getattr(tensor, tensor.WhichOneof("value")).values
        assert len(field) == len(values)
        field[:] = values

    return change


GREEDY: dict[str, tuple[Callable[[Any], Any], Callable[[Any, str], None]]] = {
    "fill": (lambda x: mb.fill(shape=[4, 4], value=1.0), _with("shape", _HUGE, _HUGE)),
    "tile": (lambda x: mb.tile(x=x, reps=[2, 2]), _with("reps", _HUGE, _HUGE)),
    "pad": (lambda x: mb.pad(x=x, pad=[0, 1, 0, 1]), _with("pad", 0, _HUGE, 0, _HUGE)),
    "resize_bilinear": (
        lambda x: mb.resize_bilinear(
            x=mb.expand_dims(x=x, axes=[0]), target_size_height=2, target_size_width=2
        ),
        _with("target_size_width", 2**31 - 1),
    ),
    "range_1d": (lambda x: mb.range_1d(start=0, end=4, step=1), _with("end", 2**31 - 1)),
    "one_hot": (
        lambda x: mb.one_hot(indices=mb.cast(x=x, dtype="int32"), one_hot_vector_size=3),
        _with("one_hot_vector_size", 2**31 - 1),
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
    save(program(lambda x: (build(x), mb.abs(x=x)), {"x": ((2, 2), np.float32)}, "iOS17"), path)
    return path


def _evaluate(model: MilModel) -> dict[str, Any]:
    return model({"x": np.ones((2, 2), np.float32)})


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
    with pytest.raises(ConversionError, match=rf"{kind} .*numbers, more than can be held"):
        _evaluate(model)


@pytest.mark.parametrize(("limit", "refused"), [(300, False), (200, True)])
def test_results_count_together(
    limit: int, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(x: Any) -> Any:
        parts = [mb.tile(x=x, reps=[1, 8]) for _ in range(4)]  # of 32 numbers
        return mb.concat(values=parts, axis=0)  # of 128

    model = read_package(_small(tmp_path, build))
    monkeypatch.setattr("converters.targets.coreml.evaluator.evaluate.MAX_ELEMENTS", limit)
    if refused:
        with pytest.raises(ConversionError, match=r"concat .* 128 numbers, more than can be held"):
            _evaluate(model)
    else:
        _evaluate(model)


def test_constants_count(classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = read_package(classifier)
    monkeypatch.setattr("converters.targets.coreml.evaluator.evaluate.MAX_ELEMENTS", 400)
    with pytest.raises(ConversionError, match="constants hold more than 400 numbers"):
        model({"image": np.zeros((8, 6, 3), np.uint8)})
