"""Evaluates a function: every operator in fp32, its result rounded to the type declared for it.

What depends on constants alone is computed once. Before an operator runs, torch works out the
size of its result without allocating it, since nothing else keeps a stranger's program from asking
for more memory than there is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from converters.targets.coreml.evaluator import operators  # noqa: F401  fills the registry
from converters.targets.coreml.evaluator.program import (
    Constant,
    Function,
    Literal,
    Operation,
    Value,
)
from converters.targets.coreml.evaluator.registry import OPERATORS, Operator, is_tensor_like
from converters.targets.coreml.evaluator.types import (
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


@dataclass(frozen=True)
class _Unknown:
    """The name of a value that only a call knows."""

    name: str


@dataclass(frozen=True)
class _Step:
    """One operation to run: arguments known beforehand, and those that are not.

    ``last_uses`` are the values that no later step needs.
    """

    operation: Operation
    operator: Operator
    fixed: Mapping[str, Any]
    variable: Mapping[str, tuple[Any, ...]]
    last_uses: tuple[str, ...] = ()


class Evaluator:
    """A function, ready to be called again and again.

    Raises:
        ConversionError: an operator is not implemented, or its parameters contradict each other.
        BundleError: a constant cannot be read any more.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._constants: dict[str, Any] = {}
        self._held = 0
        """Numbers in constants, of those that only others are made of too."""
        self._measured: dict[tuple[Value, ...], Any] = {}
        """By an operation's outputs, the shapes for which they were found to be small enough."""
        self._steps = self._plan()

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
        """Values of the function's outputs by name."""
        values: dict[str, Any] = dict(inputs)
        live = self._held + sum(_elements(value) for value in values.values())
        with torch.inference_mode():
            for step in self._steps:
                made = self._run(step, values, live)
                values.update(made)
                live += sum(_elements(value) for value in made.values())
                for name in step.last_uses:
                    live -= _elements(values.pop(name))
        known = {**self._constants, **values}
        return {name: known[name] for name in self._function.outputs}

    def _plan(self) -> tuple[_Step, ...]:
        """The operations that depend on inputs; all others are run here."""
        steps = []
        with torch.inference_mode():
            for operation in self._function.operations:
                if operation.kind == "const":
                    made = {operation.outputs[0].name: self._load(_constant(operation))}
                elif self._depends_on_inputs(operation):
                    steps.append(self._step(operation))
                    continue
                else:
                    made = self._run(self._step(operation), {}, self._held)
                    self._hold(sum(_elements(value) for value in made.values()))
                self._constants.update(made)
        # Steps hold what they need; packed weights, once unpacked, and shapes are not needed again.
        outputs = set(self._function.outputs)
        self._constants = {n: value for n, value in self._constants.items() if n in outputs}
        return _with_last_uses(steps, outputs)

    def _load(self, literal: Literal) -> Constant:
        if literal.type is not None:
            self._hold(literal.type.elements or 0)
        return literal.load()

    def _hold(self, count: int) -> None:
        self._held += count
        if self._held > MAX_ELEMENTS:
            raise ConversionError(f"the program's constants hold more than {MAX_ELEMENTS} numbers")

    def _depends_on_inputs(self, operation: Operation) -> bool:
        names = (a for group in operation.arguments.values() for a in group if isinstance(a, str))
        return any(name not in self._constants for name in names)

    def _step(self, operation: Operation) -> _Step:
        if operation.kind not in OPERATORS:
            raise ConversionError(
                f"the operator {operation.kind!r} ({operation.name}) is not implemented here"
            )
        operator = OPERATORS[operation.kind]
        fixed, variable = {}, {}
        try:
            for parameter, arguments in operation.arguments.items():
                values = tuple(self._resolve(argument) for argument in arguments)
                if any(isinstance(value, _Unknown) for value in values):
                    variable[parameter] = values
                    if parameter not in operator.parameters:
                        operator.coerce(parameter, ())
                else:
                    fixed[parameter] = operator.coerce(parameter, values)
            for name, expected in operator.parameters.items():
                if expected.required and name not in operation.arguments:
                    raise ConversionError(f"its parameter {name!r} is missing")
        except ConversionError as error:
            raise _at(operation, error) from error
        return _Step(operation, operator, fixed, variable)

    def _resolve(self, argument: str | Literal) -> Any:
        if isinstance(argument, Literal):
            return self._load(argument)
        if argument in self._constants:
            return self._constants[argument]
        return _Unknown(argument)

    def _run(self, step: _Step, values: Mapping[str, Any], live: int) -> dict[str, Any]:
        operation = step.operation
        try:
            arguments = dict(step.fixed)
            for parameter, group in step.variable.items():
                given = [values[i.name] if isinstance(i, _Unknown) else i for i in group]
                arguments[parameter] = step.operator.coerce(parameter, given)
            self._measure(step, arguments, live)
            results = step.operator.run(**arguments)
            return _declared(operation.outputs, results)
        except _OPERATOR_ERRORS as error:
            raise _at(operation, error) from error

    def _measure(self, step: _Step, arguments: Mapping[str, Any], live: int) -> None:
        """Run the operator on shapes alone, unless it was for the same ones."""
        if step.operator.bounds_itself:
            return
        key = tuple((name, _signature(value)) for name, value in arguments.items())
        if self._measured.get(step.operation.outputs) == key:
            return
        with torch.device("meta"), _Measure(MAX_ELEMENTS - live):
            step.operator.run(**{name: _without_data(value) for name, value in arguments.items()})
        self._measured[step.operation.outputs] = key


class _Measure(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses a torch operator whose result would have more than ``limit`` elements."""

    def __init__(self, limit: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._limit = limit

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        count = _elements(list(result) if isinstance(result, tuple) else result)
        if count > self._limit:
            raise ConversionError(f"it makes {count} numbers, more than can be held")
        return result


def _at(operation: Operation, error: Exception) -> ConversionError:
    message = str(error) or type(error).__name__
    return ConversionError(f"{operation.kind} ({operation.name}): {message}")


def _with_last_uses(steps: Sequence[_Step], outputs: Collection[str]) -> tuple[_Step, ...]:
    needed = set(outputs)
    backwards = []
    for step in reversed(steps):
        names = {output.name for output in step.operation.outputs}
        for group in step.variable.values():
            names.update(item.name for item in group if isinstance(item, _Unknown))
        backwards.append(replace(step, last_uses=tuple(sorted(names - needed))))
        needed |= names
    return tuple(reversed(backwards))


def _constant(operation: Operation) -> Literal:
    try:
        (literal,) = operation.arguments["val"]
        (output,) = operation.outputs
    except (KeyError, ValueError) as error:
        raise ConversionError(f"the constant {operation.name} has no value") from error
    if not isinstance(literal, Literal) or literal.type != output.type:
        raise ConversionError(f"the constant {operation.name} is not the {output.type} declared")
    return literal


def _declared(outputs: Sequence[Value], results: Any) -> dict[str, Any]:
    """An operator's results by name, rounded to their declared types."""
    results = results if isinstance(results, tuple) else (results,)
    if len(results) != len(outputs):
        raise ConversionError(f"{len(outputs)} results are declared, it makes {len(results)}")
    return {o.name: _as_declared(o.type, r) for o, r in zip(outputs, results, strict=True)}


def _as_declared(declared: TensorType | None, result: Any) -> Any:
    if not isinstance(result, Tensor):
        return result
    if declared is None or declared.dtype == STRING:
        raise ConversionError("it makes a tensor where none is declared")
    sizes = zip(result.shape, declared.shape, strict=False)
    if len(result.shape) != len(declared.shape) or any(s not in (None, r) for r, s in sizes):
        raise ConversionError(f"{declared} is declared, its result is {list(result.shape)}")
    return round_to(result, DTYPES[declared.dtype])


def _elements(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel()
    if is_tensor_like(value):
        return sum(item.numel() for item in value)
    return 0


def _signature(value: Any) -> Any:
    """What a result's size may depend on: shapes of tensors, and all other arguments."""
    if isinstance(value, Tensor):
        return value.shape, value.dtype
    if is_tensor_like(value):
        return tuple((item.shape, item.dtype) for item in value)
    return value


def _without_data(value: Any) -> Any:
    if isinstance(value, Tensor):
        return torch.empty_like(value, device="meta")
    if is_tensor_like(value):
        return [_without_data(item) for item in value]
    return value
