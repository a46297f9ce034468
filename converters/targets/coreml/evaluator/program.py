"""A MIL function as data: its operations in order, with what the file declares of each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from converters.targets.coreml.evaluator.constants import Constant, FindFile, parse_constant
from converters.targets.coreml.evaluator.tensor_types import TensorType, parse_value_type
from mobilevit_edge.errors import BundleError

CONST: Final = "const"
"""The kind of the operations that only hold a constant."""


@dataclass(frozen=True)
class Value:
    """A value that an operation makes. ``type`` is ``None`` for what is not a tensor."""

    name: str
    type: TensorType | None


@dataclass(frozen=True)
class Operation:
    """One operation: ``kind`` is MIL's name of the operator, ``name`` that of this one.

    ``arguments`` maps parameters to names of earlier values; a ``CONST`` has none, but its
    ``constant``.
    """

    kind: str
    name: str
    outputs: tuple[Value, ...]
    arguments: Mapping[str, tuple[str, ...]]
    constant: Constant | None = None

    @property
    def is_constant(self) -> bool:
        """Whether it only holds or decompresses data of the file."""
        return self.kind == CONST or self.kind.startswith("constexpr_")

    @property
    def rank(self) -> int:
        """The largest rank of its outputs, 0 for scalars and for what is not a tensor."""
        return max((len(o.type.shape) for o in self.outputs if o.type is not None), default=0)


@dataclass(frozen=True)
class Function:
    """A function: typed inputs, operations in order, names of the outputs."""

    inputs: tuple[Value, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]

    @property
    def types(self) -> Mapping[str, TensorType | None]:
        """The declared type of every value by name."""
        made = (output for operation in self.operations for output in operation.outputs)
        return {value.name: value.type for value in (*self.inputs, *made)}


def parse_function(message: Any, find_file: FindFile) -> Function:
    """MIL's ``Function`` message.

    Raises:
        BundleError: it is inconsistent, or refers to weights that are missing.
    """
    if message.opset not in message.block_specializations:
        raise BundleError(f"the program has no operations for its own opset {message.opset!r}")
    block = message.block_specializations[message.opset]
    function = Function(
        inputs=_parse_values(message.inputs),
        operations=tuple(o for item in block.operations for o in _parse_operation(item, find_file)),
        outputs=tuple(block.outputs),
    )
    _check_names(function)
    return function


def _check_names(function: Function) -> None:
    """Every name is made before it is used, once."""
    known = {value.name for value in function.inputs}
    for operation in function.operations:
        for names in operation.arguments.values():
            for name in names:
                if name not in known:
                    raise BundleError(f"{operation.name} uses {name!r}, which nothing made")
        for output in operation.outputs:
            if output.name in known:
                raise BundleError(f"two values of the program are named {output.name!r}")
            known.add(output.name)
    missing = set(function.outputs) - known
    if missing:
        raise BundleError(f"nothing makes the program's output {min(missing)!r}")


def _parse_values(messages: Any) -> tuple[Value, ...]:
    return tuple(Value(message.name, parse_value_type(message.type)) for message in messages)


def _parse_operation(message: Any, find_file: FindFile) -> Iterator[Operation]:
    """The operation, after one for every constant that is written among its arguments."""
    outputs = _parse_values(message.outputs)
    attributes = dict(message.attributes)
    name = outputs[0].name if outputs else message.type
    if "name" in attributes:
        name = str(parse_constant(attributes.pop("name"), find_file).load())
    if message.type == CONST:
        if "val" not in attributes or len(outputs) != 1:
            raise BundleError(f"the constant {name} has no value")
        constant = parse_constant(attributes["val"], find_file)
        if constant.type != outputs[0].type:
            raise BundleError(f"the constant {name} is not the {outputs[0].type} declared")
        yield Operation(CONST, name, outputs, {}, constant)
        return
    given = {p: [_parse_binding(b) for b in g.arguments] for p, g in message.inputs.items()}
    given |= {parameter: [value] for parameter, value in attributes.items()}
    arguments = {}
    for parameter, items in given.items():
        for index, item in enumerate(items):
            if not isinstance(item, str):
                constant = parse_constant(item, find_file)
                items[index] = f"{name}.{parameter}.{index}"
                value = Value(items[index], constant.type)
                yield Operation(CONST, value.name, (value,), {}, constant)
        arguments[parameter] = tuple(items)
    yield Operation(message.type, name, outputs, arguments)


def _parse_binding(message: Any) -> Any:
    """The name of an earlier value, or a constant's message."""
    return message.name if message.WhichOneof("binding") == "name" else message.value
