"""Every operator against torch, evaluated from packages saved to disk and read back."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters.targets.coreml.evaluator.registry import OPERATORS, register
from mobilevit_edge.errors import ConversionError
from tests.converters.targets.coreml.evaluator.cases_constants import CONSTANT_CASES
from tests.converters.targets.coreml.evaluator.cases_maps import MAP_CASES
from tests.converters.targets.coreml.evaluator.cases_places import PLACE_CASES
from tests.converters.targets.coreml.evaluator.cases_values import VALUE_CASES
from tests.converters.targets.coreml.evaluator.packages import Array, Case, mb, program, save

CASES: dict[str, tuple[Case, ...]] = {
    "values": VALUE_CASES,
    "maps": MAP_CASES,
    "places": PLACE_CASES,
    "constants": CONSTANT_CASES,
}

ELSEWHERE = {"classify"}
"""Ends a whole classifier: in test_package.py."""


@dataclass(frozen=True)
class Evaluated:
    """Inputs and outputs of the cases of one package."""

    inputs: dict[int, list[Array]]
    outputs: dict[int, list[Array]]
    kinds: frozenset[str]


def _evaluate(cases: Sequence[tuple[int, Case]], dtype: Any, target: str, path: Path) -> Evaluated:
    rng = np.random.default_rng(len(cases))
    drawn = {i: [spec.draw(rng, dtype) for spec in case.inputs] for i, case in cases}
    inputs = {f"x{i}_{k}": array for i, group in drawn.items() for k, array in enumerate(group)}
    counts: dict[int, int] = {}

    def body(*variables: Any) -> tuple[Any, ...]:
        given = iter(variables)
        made: list[Any] = []
        for i, case in cases:
            result = case.build(dtype, *(next(given) for _ in case.inputs))
            results = list(result) if isinstance(result, (list, tuple)) else [result]
            counts[i] = len(results)
            made.extend(results)
        return tuple(made)

    model = program(body, {n: (a.shape, a.dtype) for n, a in inputs.items()}, target)
    mil = save(model, path)
    values = iter(mil(inputs).values())
    outputs = {i: [next(values) for _ in range(count)] for i, count in counts.items()}
    return Evaluated(drawn, outputs, frozenset(o.kind for o in mil.operations()))


@functools.cache
def _evaluated(family: str, target: str, dtype: Any) -> Evaluated:
    """All cases of a family, target and type, evaluated in one go."""
    chosen = [
        (i, case)
        for i, case in enumerate(CASES[family])
        if case.target == target and (dtype is np.float32 or case.floating)
    ]
    with tempfile.TemporaryDirectory() as folder:
        return _evaluate(chosen, dtype, target, Path(folder) / "model.mlpackage")


def _expected(case: Case, inputs: Sequence[Array]) -> list[Array]:
    tensors = [torch.from_numpy(a.astype(np.float32) if a.dtype.kind == "f" else a) for a in inputs]
    result = case.expected(*tensors)
    return [r.numpy() for r in (result if isinstance(result, tuple) else (result,))]


_ALL = [
    pytest.param(family, index, dtype, id=f"{case.operator}-{index}-{dtype.__name__}")
    for family, cases in CASES.items()
    for dtype in (np.float32, np.float16)
    for index, case in enumerate(cases)
    if dtype is np.float32 or case.floating
]


@pytest.mark.parametrize(("family", "index", "dtype"), _ALL)
def test_an_operator_gives_what_torch_gives(family: str, index: int, dtype: Any) -> None:
    case = CASES[family][index]
    evaluated = _evaluated(family, case.target, dtype)
    assert case.operator in evaluated.kinds
    actual = evaluated.outputs[index]
    expected = _expected(case, evaluated.inputs[index])
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        assert a.dtype.kind == e.dtype.kind
        if a.dtype.kind == "f":
            # Half precision rounds once, here and there: a unit in the last place where the fp32
            # results differ in theirs.
            tolerance = 1e-5 if a.dtype == np.float32 else 1e-3
            np.testing.assert_allclose(a.astype(np.float32), e, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(a, e)


_KERNEL = np.ones((1, 1, 3, 3), np.float32)
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "padding by name": (
        lambda x: mb.conv(x=x, weight=_KERNEL, pad_type="same"),
        "the padding 'same' is not implemented",
    ),
    "padding of one side": (
        lambda x: mb.avg_pool(x=x, kernel_sizes=[2, 2], pad_type="custom", pad=[0, 1, 0, 0]),
        "different padding on two sides",
    ),
    "interleaving": (
        lambda x: mb.concat(values=(x, x), axis=2, interleave=True),
        "interleaving is not implemented",
    ),
    "batch dimensions": (
        lambda x: mb.gather(x=x, indices=[[0]], axis=1, batch_dims=1),
        "batch dimensions are not implemented",
    ),
    "a step backwards": (
        lambda x: mb.slice_by_index(x=x, begin=[0] * 4, end=[1] * 4, stride=[1, 1, 1, -1]),
        "the strides",
    ),
    "half a neighbor": (
        lambda x: mb.upsample_nearest_neighbor(x=x, scale_factor_height=1.5),
        "the nearest neighbor by a factor of 1.5 is not defined",
    ),
    "truth values": (
        lambda x: mb.cast(x=mb.cast(x=x, dtype="bool"), dtype="fp32"),
        "a cast to 'bool' is not implemented",
    ),
    "a parameter that is not implemented": (
        lambda x: mb.upsample_bilinear(x=x, align_corners=False, half_pixel_centers=False),
        "its parameter 'half_pixel_centers' is not implemented",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_export_writes_is_refused(name: str, tmp_path: Path) -> None:
    build, message = REFUSED[name]
    built = program(build, {"x": ((1, 1, 4, 4), np.float32)}, "iOS17")
    model = save(built, tmp_path / "model.mlpackage")
    with pytest.raises(ConversionError, match=message):
        model({"x": np.zeros((1, 1, 4, 4), np.float32)})


def test_every_operator_has_a_case() -> None:
    tested = {case.operator for cases in CASES.values() for case in cases}
    assert tested == set(OPERATORS) - ELSEWHERE


def test_an_operator_is_registered_once() -> None:
    with pytest.raises(ValueError, match="the operator add is registered twice"):
        register("add")(lambda x: x)
