"""Constants of a program, written in it or in the package's weight file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.blob import BlobReference, check_blob, read_blob, unpack
from converters.targets.coreml.evaluator.tensor_types import (
    DTYPES,
    STRING,
    TensorType,
    parse_value_type,
    to_tensor,
)
from mobilevit_edge.errors import BundleError

FindFile = Callable[[str], Path]
"""From a weight file's name in a program to its path.

Raises a BundleError for what is not in the package.
"""


@dataclass(frozen=True)
class Constant:
    """A tensor, a text, or the list of a classifier's labels, which has no ``type``.

    ``load`` reads it, from the weight file if it is there.
    """

    type: TensorType | None
    load: Callable[[], Tensor | str | list[str]]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return 0 if self.type is None else self.type.elements or 0


def parse_constant(message: Any, find_file: FindFile) -> Constant:
    """MIL's ``Value`` message.

    Raises:
        BundleError: it is inconsistent, or its weights are missing.
    """
    declared = parse_value_type(message.type)
    if message.WhichOneof("value") == "blobFileValue":
        if declared is None:
            raise BundleError("a weight is not a tensor")
        reference = BlobReference(
            find_file(message.blobFileValue.fileName), message.blobFileValue.offset
        )
        check_blob(reference, declared)
        dtype = DTYPES[declared.dtype]
        return Constant(declared, lambda: to_tensor(read_blob(reference, declared), dtype))
    immediate = message.immediateValue
    if immediate.WhichOneof("value") == "list":
        return Constant(None, lambda: [_load_label(item) for item in immediate.list.values])
    if declared is None or immediate.WhichOneof("value") != "tensor":
        raise BundleError("a constant is neither a tensor nor a list")
    return Constant(declared, lambda: _load_immediate(immediate.tensor, declared))


def _load_label(message: Any) -> str:
    declared = parse_value_type(message.type)
    if declared is None or declared.dtype != STRING:
        raise BundleError("a list does not hold texts")
    return str(_load_immediate(message.immediateValue.tensor, declared))


def _load_immediate(message: Any, declared: TensorType) -> Tensor | str:
    field = message.WhichOneof("value")
    if field is None:
        raise BundleError(f"a constant {declared} has no value")
    values = getattr(message, field).values
    if declared.dtype == STRING:
        if field != "strings" or declared.shape != () or len(values) != 1:
            raise BundleError("a text constant is not one text")
        return str(values[0])
    if field == "strings":
        raise BundleError(f"a constant {declared} holds a text")
    dtype = DTYPES[declared.dtype]
    if field == "bytes":
        return to_tensor(unpack(values, declared), dtype)
    if len(values) != declared.elements:
        raise BundleError(f"{len(values)} values are not a {declared}")
    return torch.tensor(list(values), dtype=dtype.compute).reshape(declared.sizes)
