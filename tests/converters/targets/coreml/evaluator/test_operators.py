"""Every operator against torch, evaluated from packages saved to disk and read back."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters.targets.coreml.evaluator.registry import OPERATORS, operator
from tests.converters.targets.coreml.evaluator.cases_constants import CONSTANT_CASES
from tests.converters.targets.coreml.evaluator.cases_maps import MAP_CASES
from tests.converters.targets.coreml.evaluator.cases_places import PLACE_CASES
from tests.converters.targets.coreml.evaluator.cases_values import VALUE_CASES
from tests.converters.targets.coreml.evaluator.packages import Array, Case, program, save

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
    # What the description lists are the program's outputs in order.
    found = mil(inputs)
    values = iter(found[output.name] for output in mil.outputs)
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
            tolerance = case.tolerance if a.dtype == np.float32 else 1e-3
            np.testing.assert_allclose(a.astype(np.float32), e, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(a, e)


def test_every_operator_has_a_case() -> None:
    tested = {case.operator for cases in CASES.values() for case in cases}
    assert tested == set(OPERATORS) - ELSEWHERE


def test_an_operator_is_registered_once() -> None:
    with pytest.raises(ValueError, match="the operator add is registered twice"):
        operator("add")(lambda x: x)
