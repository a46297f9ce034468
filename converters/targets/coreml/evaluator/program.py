"""A MIL function as data: its operations in order, with what the file declares of each value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from converters.targets.coreml.evaluator.blob import BlobReference, check_blob, read_blob, unpack
from converters.targets.coreml.evaluator.types import (
    DTYPES,
    STRING,
    TensorType,
    parse_tensor_type,
    to_tensor,
)
from mobilevit_edge.errors import BundleError

Constant = Tensor | str | list[str] | list[int]
"""The value of a constant: a tensor, a text, or the list of a classifier's labels."""


@dataclass(frozen=True)
class Value:
    """A value that an operation makes. ``type`` is ``None`` for what is not a tensor."""

    name: str
    type: TensorType | None


@dataclass(frozen=True)
class Literal:
    """A constant written in the file. ``load`` reads it, from the weight file if it is there."""

    type: TensorType | None
    load: Callable[[], Constant]


@dataclass(frozen=True)
class Operation:
    """One operation: ``kind`` is MIL's name of the operator, ``name`` that of this one.

    ``arguments`` maps parameters to names of earlier values and to literals.
    """

    kind: str
    name: str
    outputs: tuple[Value, ...]
    arguments: Mapping[str, tuple[str | Literal, ...]]

    @property
    def is_constant(self) -> bool:
        """Whether it only holds or decompresses data of the file."""
        return self.kind == "const" or self.kind.startswith("constexpr_")

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

    def output_type(self, name: str) -> TensorType | None:
        """The declared type of a value by its name; ``None`` for what is not a tensor."""
        for operation in reversed(self.operations):
            for output in operation.outputs:
                if output.name == name:
                    return output.type
        return next((value.type for value in self.inputs if value.name == name), None)


def parse_function(message: Any, root: Path, model_folder: Path) -> Function:
    """MIL's ``Function`` message.

    Args:
        message: the protobuf message.
        root: the package's folder, which no reference may leave.
        model_folder: the folder that ``@model_path`` stands for.

    Raises:
        BundleError: it is inconsistent, or refers to weights that are not there.
    """
    if message.opset not in message.block_specializations:
        raise BundleError(f"the program has no operations for its own opset {message.opset!r}")
    block = message.block_specializations[message.opset]
    inputs = tuple(Value(i.name, _parse_value_type(i.type)) for i in message.inputs)
    operations = tuple(_parse_operation(o, root, model_folder) for o in block.operations)
    function = Function(inputs, operations, tuple(block.outputs))
    _check_names(function)
    return function


def _check_names(function: Function) -> None:
    """Every name is made before it is used, once."""
    known = {value.name for value in function.inputs}
    for operation in function.operations:
        for arguments in operation.arguments.values():
            for argument in arguments:
                if isinstance(argument, str) and argument not in known:
                    raise BundleError(f"{operation.name} uses {argument!r}, which nothing made")
        for output in operation.outputs:
            if output.name in known:
                raise BundleError(f"two values of the program are named {output.name!r}")
            known.add(output.name)
    missing = set(function.outputs) - known
    if missing:
        raise BundleError(f"nothing makes the program's output {min(missing)!r}")


def _parse_value_type(message: Any) -> TensorType | None:
    if message.WhichOneof("type") != "tensorType":
        return None
    return parse_tensor_type(message.tensorType)


def _parse_operation(message: Any, root: Path, model_folder: Path) -> Operation:
    arguments: dict[str, tuple[str | Literal, ...]] = {}
    for parameter, argument in message.inputs.items():
        arguments[parameter] = tuple(
            binding.name
            if binding.WhichOneof("binding") == "name"
            else _parse_literal(binding.value, root, model_folder)
            for binding in argument.arguments
        )
    name = ""
    for attribute, value in message.attributes.items():
        literal = _parse_literal(value, root, model_folder)
        if attribute == "name" and literal.type is not None and literal.type.dtype == STRING:
            name = str(literal.load())
        else:
            arguments[attribute] = (literal,)
    outputs = tuple(Value(o.name, _parse_value_type(o.type)) for o in message.outputs)
    if not name and outputs:
        name = outputs[0].name
    return Operation(message.type, name, outputs, arguments)


def _parse_literal(message: Any, root: Path, model_folder: Path) -> Literal:
    declared = _parse_value_type(message.type)
    if message.WhichOneof("value") == "blobFileValue":
        if declared is None:
            raise BundleError("a weight that is not a tensor")
        path = _resolve(message.blobFileValue.fileName, root, model_folder)
        reference = BlobReference(path, message.blobFileValue.offset)
        check_blob(reference, declared)
        return Literal(declared, lambda: _as_tensor(read_blob(reference, declared), declared))
    immediate = message.immediateValue
    if immediate.WhichOneof("value") == "list":
        return Literal(None, lambda: [_list_element(item) for item in immediate.list.values])
    if declared is None or immediate.WhichOneof("value") != "tensor":
        raise BundleError("a constant is neither a tensor nor a list")
    return Literal(declared, lambda: _load_immediate(immediate.tensor, declared))


def _resolve(name: str, root: Path, model_folder: Path) -> Path:
    prefix = "@model_path/"
    if not name.startswith(prefix):
        raise BundleError(f"the program's weights are at {name!r}, which is not in the package")
    return resolve_inside(model_folder / name.removeprefix(prefix), root)


def resolve_inside(path: Path, root: Path) -> Path:
    """``path`` with links followed.

    Raises:
        BundleError: it leads out of ``root``, or cannot be followed.
    """
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL in the name
        raise BundleError(f"{path.name!r} cannot be followed: {error}") from error
    if not resolved.is_relative_to(root.resolve()):
        raise BundleError(f"{path.name!r} leads out of the package")
    return resolved


def _as_tensor(array: np.ndarray[Any, Any], declared: TensorType) -> Tensor:
    return to_tensor(array, DTYPES[declared.dtype])


def _list_element(message: Any) -> Any:
    declared = _parse_value_type(message.type)
    if declared is None or declared.shape != ():
        raise BundleError("a list of something else than texts or numbers")
    value = _load_immediate(message.immediateValue.tensor, declared)
    return value if isinstance(value, str) else int(value)


def _load_immediate(message: Any, declared: TensorType) -> Tensor | str:
    field = message.WhichOneof("value")
    if field is None:
        raise BundleError(f"a constant {declared} without a value")
    values = getattr(message, field).values
    if declared.dtype == STRING:
        if field != "strings" or declared.shape != () or len(values) != 1:
            raise BundleError("a text constant is not one text")
        text = values[0]
        return text if isinstance(text, str) else text.decode("utf-8", "replace")
    if field == "strings":
        raise BundleError(f"a text where a {declared} is declared")
    if field == "bytes":
        return _as_tensor(unpack(values, declared), declared)
    if len(values) != declared.elements:
        raise BundleError(f"{len(values)} values are not a {declared}")
    shape = tuple(size for size in declared.shape if size is not None)
    return torch.tensor(list(values), dtype=DTYPES[declared.dtype].compute).reshape(shape)
