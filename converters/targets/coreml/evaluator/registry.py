"""Which torch function stands for which MIL operator.

An operator is a plain function whose parameters are named as MIL names them. Their annotations
say what they get: ``Tensor`` a value, ``list[Tensor]`` several, and ``int``, ``list[bool]``,
``str``, ... what a constant (or a computed shape) holds. Defaults are MIL's own. Floating-point
values arrive in fp32; the result is rounded to its declared type by the caller.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.types import MAX_ELEMENTS
from mobilevit_edge.errors import ConversionError

_Run = TypeVar("_Run", bound=Callable[..., Any])
Number = int | float
"""A parameter that keeps its kind: integers stay integers."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operator: ``element`` is ``Tensor``, ``int``, ``float``, ..."""

    element: Any
    many: bool
    required: bool


@dataclass(frozen=True)
class Operator:
    """A registered operator.

    ``bounds_itself`` is set for those whose result depends on values, so that its size cannot be
    found beforehand; they guarantee by themselves that it is bounded by their inputs.
    """

    kind: str
    run: Callable[..., Any]
    parameters: Mapping[str, Parameter]
    bounds_itself: bool

    def coerce(self, name: str, values: Sequence[Any]) -> Any:
        """The values given for a parameter, as its annotation wants them.

        Raises:
            ConversionError: they are something else, or there is no such parameter.
        """
        if name not in self.parameters:
            raise ConversionError(f"its parameter {name!r} is not implemented")
        parameter = self.parameters[name]
        try:
            return _coerce(parameter, values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConversionError(f"its parameter {name!r} cannot be used: {error}") from error


OPERATORS: Final[dict[str, Operator]] = {}


def operator(kind: str, *, bounds_itself: bool = False) -> Callable[[_Run], _Run]:
    """Register the decorated function as a MIL operator.

    Raises:
        ValueError: the operator is registered already.
    """

    def register(run: _Run) -> _Run:
        if kind in OPERATORS:
            raise ValueError(f"the operator {kind} is registered twice")
        OPERATORS[kind] = Operator(kind, run, _parameters(run), bounds_itself)
        return run

    return register


def check_elements(count: int) -> None:
    """Guard for operators that bound themselves.

    Raises:
        ConversionError: a result of so many elements is too large.
    """
    if count > MAX_ELEMENTS:
        raise ConversionError(f"its result has {count} elements, at most {MAX_ELEMENTS} are held")


def _parameters(run: Callable[..., Any]) -> dict[str, Parameter]:
    hints = get_type_hints(run)
    parameters = {}
    for name, parameter in inspect.signature(run).parameters.items():
        hint = hints[name]
        many = False
        if get_origin(hint) in (Union, types.UnionType) and hint != Number:
            (hint,) = (option for option in get_args(hint) if option is not type(None))
        if get_origin(hint) is list:
            many = True
            (hint,) = get_args(hint)
        parameters[name] = Parameter(hint, many, parameter.default is inspect.Parameter.empty)
    return parameters


def _coerce(parameter: Parameter, values: Sequence[Any]) -> Any:
    if parameter.element is Tensor:
        if not all(isinstance(value, Tensor) for value in values):
            raise TypeError("a tensor is expected")
        return list(values) if parameter.many else _only(values)
    value = _only(values)
    if not isinstance(value, Tensor):
        expected = list if parameter.many else str
        if not isinstance(value, expected) or parameter.element not in (str, Any):
            raise TypeError(f"{type(value).__name__} is not expected")
        return value
    if parameter.many:
        return [_scalar(parameter.element, item) for item in value.reshape(-1).tolist()]
    if value.numel() != 1:
        raise ValueError(f"one number is expected, not {tuple(value.shape)}")
    return _scalar(parameter.element, value.item())


def _only(values: Sequence[Any]) -> Any:
    if len(values) != 1:
        raise ValueError(f"one value is expected, not {len(values)}")
    return values[0]


def _scalar(element: Any, value: Any) -> Any:
    if element is str:
        raise TypeError("a text is expected")
    if element is int and isinstance(value, float):
        raise TypeError("an integer is expected")
    return value if element == Number else element(value)


def is_tensor_like(value: Any) -> bool:
    """Whether a value is a tensor or a list of tensors."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, torch.Tensor) for item in value)
    return isinstance(value, torch.Tensor)
