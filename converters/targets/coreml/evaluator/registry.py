"""Which torch function stands for which MIL operator.

An operator is a plain function whose parameters are named as MIL names them. Their annotations
say what they get: ``Tensor`` a value, ``list[Tensor]`` several, and ``int``, ``list[bool]``,
``str``, ... what a constant (or a computed shape) holds. Defaults are MIL's own. Floating-point
values arrive in fp32; the result is rounded to its declared type by the caller.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

from torch import Tensor

from mobilevit_edge.errors import ConversionError

_MAX_LIST: Final = 2**10
"""How many numbers a list may hold, be it of axes or of sizes of parts."""

_Run = TypeVar("_Run", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operator:
    """A registered operator. ``annotations`` are those of its parameters, keys of ``_CONVERT``."""

    run: Callable[..., Any]
    annotations: Mapping[str, str]

    def convert(self, name: str, values: Sequence[Any]) -> Any:
        """The values given for a parameter, as its annotation wants them.

        Raises:
            ConversionError: they are something else, or there is no such parameter.
        """
        if name not in self.annotations:
            raise ConversionError(f"its parameter {name!r} is not implemented")
        try:
            return _CONVERT[self.annotations[name]](values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConversionError(f"its parameter {name!r} cannot be used: {error}") from error


OPERATORS: Final[dict[str, Operator]] = {}
"""By MIL's name."""


def register(kind: str) -> Callable[[_Run], _Run]:
    """Register the decorated function as the MIL operator ``kind``.

    Raises:
        ValueError: the operator is registered already, or has a parameter of an unknown type.
    """

    def add(run: _Run) -> _Run:
        if kind in OPERATORS:
            raise ValueError(f"the operator {kind} is registered twice")
        annotations = {
            name: str(parameter.annotation).removesuffix(" | None")
            for name, parameter in inspect.signature(run).parameters.items()
        }
        unknown = set(annotations.values()) - set(_CONVERT)
        if unknown:
            raise ValueError(f"the operator {kind} has parameters of type {min(unknown)}")
        OPERATORS[kind] = Operator(run, annotations)
        return run

    return add


def _one(values: Sequence[Any]) -> Any:
    if len(values) != 1:
        raise ValueError(f"one value is expected, not {len(values)}")
    return values[0]


def _tensor(values: Sequence[Any]) -> Tensor:
    value = _one(values)
    if not isinstance(value, Tensor):
        raise TypeError(f"a tensor is expected, not {value!r}")
    return value


def _numbers(values: Sequence[Any]) -> list[Any]:
    value = _tensor(values)
    if value.is_meta:
        raise ValueError("it depends on the numbers in the input")
    if value.numel() > _MAX_LIST:
        raise ValueError(f"it has {value.numel()} numbers")
    flat: list[Any] = value.reshape(-1).tolist()
    return flat


def _number(values: Sequence[Any]) -> Any:
    return _one(_numbers(values))


def _integers(values: Sequence[Any]) -> list[int]:
    numbers = _numbers(values)
    if not all(isinstance(number, int) for number in numbers):
        raise TypeError("integers are expected")
    return numbers


def _text(values: Sequence[Any]) -> str:
    value = _one(values)
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


def _texts(values: Sequence[Any]) -> list[str]:
    value = _one(values)
    if not isinstance(value, list):
        raise TypeError("a list of texts is expected")
    return value


_CONVERT: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = MappingProxyType(
    {
        "Tensor": _tensor,
        "list[Tensor]": lambda values: [_tensor([value]) for value in values],
        "int": lambda values: _one(_integers(values)),
        "list[int]": _integers,
        "float": lambda values: float(_number(values)),
        "bool": lambda values: bool(_number(values)),
        "list[bool]": lambda values: [bool(number) for number in _numbers(values)],
        "str": _text,
        "list[str]": _texts,
    }
)
"""By a parameter's annotation, what turns the values given for it into what it gets."""
