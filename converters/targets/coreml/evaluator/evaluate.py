"""Evaluates a function: every operator in fp32, its result rounded to the type declared for it.

A program comes from a stranger, and a few bytes of it can ask for more memory than there is. So it
first runs on shapes alone, as torch's meta tensors, which counts what it would hold. A size that
depended on the numbers in an input would escape the count, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from converters.targets.coreml.evaluator import operators  # noqa: F401  fills the registry
from converters.targets.coreml.evaluator.program import Function, Operation
from converters.targets.coreml.evaluator.registry import OPERATORS
from converters.targets.coreml.evaluator.tensor_types import (
    DTYPES,
    MAX_ELEMENTS,
    STRING,
    TensorType,
    round_to,
)
from mobilevit_edge.errors import ConversionError

_OPERATOR_ERRORS: Final = (
    ConversionError,
    RuntimeError,
    ValueError,
    TypeError,
    IndexError,
    ArithmeticError,
    AssertionError,
)
"""What torch and the operators raise for arguments that contradict each other."""
_CLASSIFY: Final = "classify"
"""The one operator whose results, a label and a dictionary, are not tensors."""


class Evaluator:
    """A function, ready to be called again and again.

    Raises:
        ConversionError: an operator is not implemented, or refuses its arguments.
        BundleError: a constant can no longer be read.
    """

    def __init__(self, function: Function) -> None:
        _check_operators(function)
        self._function = function
        self._constants: dict[str, Any] = {}
        self._steps: list[tuple[Operation, list[str]]] = []
        """What depends on inputs, each operation with the values that no later one needs."""
        self._measured: set[tuple[torch.Size, ...]] = set()
        """Shapes of inputs for which the program is known to fit into memory."""
        with torch.inference_mode():
            self._order(self._compute_constants())

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
        """Values of the function's outputs by name.

        Raises:
            ConversionError: an operator refuses its arguments, or the program needs more memory
                than can be held.
        """
        shapes = tuple(value.shape for value in inputs.values())
        with torch.inference_mode():
            if shapes not in self._measured:
                self._measure(inputs)
                self._measured.add(shapes)
            values = {**self._constants, **inputs}
            for operation, last_uses in self._steps:
                values.update(_run(operation, values))
                for name in last_uses:
                    del values[name]
        return {name: values[name] for name in self._function.outputs}

    def _compute_constants(self) -> list[Operation]:
        """Compute what depends on constants alone.

        Returns:
            The other operations.
        """
        others = []
        held = 0
        for operation in self._function.operations:
            if operation.constant is not None:
                held += operation.constant.elements
                _check_fits(held)
                self._constants[operation.outputs[0].name] = operation.constant.load()
            elif _used(operation) <= self._constants.keys():
                made = _run_on_shapes(operation, self._constants, held)
                held += _elements(made)
                self._constants.update(made)
            else:
                others.append(operation)
        return others

    def _order(self, operations: list[Operation]) -> None:
        """Find the last uses of values, and drop the constants without any, such as packed ones."""
        needed = set(self._function.outputs)
        for operation in reversed(operations):
            names = _used(operation) | {output.name for output in operation.outputs}
            self._steps.append((operation, sorted(names - needed - self._constants.keys())))
            needed |= names
        self._steps.reverse()
        self._constants = {n: value for n, value in self._constants.items() if n in needed}

    def _measure(self, inputs: Mapping[str, Tensor]) -> None:
        """Run on shapes alone.

        Raises:
            ConversionError: the program needs more memory than can be held.
        """
        values: dict[str, Any] = {**self._constants, **_without_data(inputs)}
        held = _elements(values)
        for operation, last_uses in self._steps:
            made = _run_on_shapes(operation, values, held)
            values.update(made)
            held += _elements(made) - sum(_elements(values.pop(name)) for name in last_uses)


class _Budget(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses torch operators that together make too many numbers, ``held`` being there already."""

    def __init__(self, held: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._held = held

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        self._held += _elements(result)
        _check_fits(self._held)
        return result


def _check_fits(count: int) -> None:
    if count > MAX_ELEMENTS:
        raise ConversionError(
            f"the program needs {count} numbers at once, more than the limit of {MAX_ELEMENTS}"
        )


def _run(operation: Operation, values: Mapping[str, Any]) -> dict[str, Any]:
    """An operation's results by name, rounded to their declared types."""
    with _named_errors(operation):
        results = _call(operation, _arguments(operation, values))
        return {
            output.name: _as_declared(output.type, results[output.name])
            for output in operation.outputs
        }


def _run_on_shapes(operation: Operation, values: Mapping[str, Any], held: int) -> dict[str, Any]:
    """An operation's results without their data.

    They have data where all arguments do: constants, and sizes that are computed from sizes.
    """
    with _named_errors(operation):
        arguments = _arguments(operation, values)
        shapes = _without_data(arguments)
        made: dict[str, Any] = {output.name: None for output in operation.outputs}
        if operation.kind != _CLASSIFY:
            with torch.device("meta"), _Budget(held):
                made = _call(operation, shapes)
    if any(tensor.is_meta for tensor in _tensors(arguments)):
        return made
    return _run(operation, values)


def _check_operators(function: Function) -> None:
    unknown = sorted(
        f"{operation.kind!r} ({operation.name})"
        for operation in function.operations
        if operation.constant is None and operation.kind not in OPERATORS
    )
    if unknown:
        raise ConversionError(f"operators that are not implemented here: {', '.join(unknown)}")


def _used(operation: Operation) -> set[str]:
    return {name for names in operation.arguments.values() for name in names}


def _arguments(operation: Operation, values: Mapping[str, Any]) -> dict[str, Any]:
    operator = OPERATORS[operation.kind]
    return {
        parameter: operator.convert(parameter, [values[name] for name in names])
        for parameter, names in operation.arguments.items()
    }


def _call(operation: Operation, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The operator's own results by name."""
    results = OPERATORS[operation.kind].run(**arguments)
    results = results if isinstance(results, tuple) else (results,)
    if len(results) != len(operation.outputs):
        raise ConversionError(
            f"{len(operation.outputs)} results are declared, it makes {len(results)}"
        )
    return {o.name: result for o, result in zip(operation.outputs, results, strict=True)}


@contextmanager
def _named_errors(operation: Operation) -> Iterator[None]:
    """Say which operation refused its arguments."""
    try:
        yield
    except _OPERATOR_ERRORS as error:
        message = str(error) or type(error).__name__
        raise ConversionError(f"{operation.kind} ({operation.name}): {message}") from error


def _as_declared(declared: TensorType | None, result: Any) -> Any:
    if not isinstance(result, Tensor):
        return result
    if declared is None or declared.dtype == STRING:
        raise ConversionError("it makes a tensor where none is declared")
    if not declared.allows(tuple(result.shape)):
        raise ConversionError(f"{declared} is declared, its result is {list(result.shape)}")
    return round_to(result, DTYPES[declared.dtype])


def _tensors(values: Any) -> Iterator[Tensor]:
    """All tensors in a value, or in a list or dictionary of values."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for item in values:
            yield from _tensors(item)
    elif isinstance(values, Mapping):
        yield from _tensors(list(values.values()))


def _elements(values: Any) -> int:
    return sum(tensor.numel() for tensor in _tensors(values))


def _without_data(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name, tensors replaced by torch's meta tensors, which have a shape alone."""

    def strip(value: Any) -> Any:
        if isinstance(value, list):
            return [strip(item) for item in value]
        return torch.empty_like(value, device="meta") if isinstance(value, Tensor) else value

    return {name: strip(value) for name, value in values.items()}
