"""The types of MIL values, as a saved program declares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mobilevit_edge.errors import BundleError, ConversionError

MAX_ELEMENTS: Final = 2**28
"""How many numbers a program may hold at once, 1 GiB in fp32: it may come from a stranger."""
MAX_RANK: Final = 16


@dataclass(frozen=True)
class DType:
    """An element type.

    ``bits`` is its width in a file, ``storage`` the numpy type that holds one element once
    unpacked, ``compute`` the torch type that operators see: fp16 values are held as fp32 numbers
    that fp16 can represent, small integers as int32.
    """

    name: str
    bits: int
    storage: npt.DTypeLike
    compute: torch.dtype

    @property
    def is_float(self) -> bool:
        """Whether it has a fractional part."""
        return self.name.startswith("fp")

    @property
    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value of an integer type."""
        if self.name.startswith("u"):
            return 0, 2**self.bits - 1
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1


_DTYPES: Final = (
    DType("bool", 8, np.bool_, torch.bool),
    DType("fp16", 16, np.float16, torch.float32),
    DType("fp32", 32, np.float32, torch.float32),
    *(DType(f"int{bits}", bits, f"i{bits // 8}", torch.int32) for bits in (8, 16, 32)),
    *(DType(f"uint{bits}", bits, np.uint8, torch.int32) for bits in (4, 6, 8)),
    DType("uint16", 16, np.uint16, torch.int32),
    DType("uint32", 32, np.uint32, torch.int64),
)
DTYPES: Final = {dtype.name: dtype for dtype in _DTYPES}

STRING: Final = "string"
_PROTO_NAMES: Final = {
    1: "bool",
    2: STRING,
    10: "fp16",
    11: "fp32",
    21: "int8",
    22: "int16",
    23: "int32",
    31: "uint8",
    32: "uint16",
    33: "uint32",
    35: "uint4",
    38: "uint6",
}
"""By number in MIL's ``DataType`` enumeration."""


@dataclass(frozen=True)
class TensorType:
    """What a program declares of a tensor. ``None`` stands for a symbolic dimension.

    ``dtype`` is a key of ``DTYPES``, or ``STRING``.
    """

    dtype: str
    shape: tuple[int | None, ...]

    @property
    def elements(self) -> int | None:
        """How many elements; ``None`` with a symbolic dimension."""
        total = 1
        for size in self.shape:
            if size is None:
                return None
            total *= size
        return total

    def allows(self, shape: tuple[int, ...]) -> bool:
        """Whether a value of this type can have a shape."""
        return len(shape) == len(self.shape) and all(
            declared in (None, size) for declared, size in zip(self.shape, shape, strict=True)
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape of a type without symbolic dimensions."""
        return tuple(size for size in self.shape if size is not None)

    def __str__(self) -> str:
        shape = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype}[{shape}]"


def parse_value_type(message: Any) -> TensorType | None:
    """MIL's ``ValueType`` message; ``None`` for what is not a tensor.

    Raises:
        BundleError: an unknown element type, an unknown rank, or a size that nothing could hold.
    """
    if message.WhichOneof("type") != "tensorType":
        return None
    message = message.tensorType
    if message.dataType not in _PROTO_NAMES:
        raise BundleError(f"element type {message.dataType} is unknown")
    if message.rank != len(message.dimensions) or not 0 <= message.rank <= MAX_RANK:
        raise BundleError(f"a tensor of rank {message.rank} with {len(message.dimensions)} sizes")
    shape = tuple(
        int(dimension.constant.size) if dimension.WhichOneof("dimension") == "constant" else None
        for dimension in message.dimensions
    )
    declared = TensorType(_PROTO_NAMES[message.dataType], shape)
    if declared.elements is not None and declared.elements > MAX_ELEMENTS:
        raise BundleError(f"a tensor {declared} is more than this evaluator holds")
    return declared


def round_to(value: Tensor, dtype: DType) -> Tensor:
    """An operator's result, rounded to the type that the program declares for it.

    Raises:
        ConversionError: it is of another kind, or an integer that the type cannot hold.
    """
    if dtype.is_float:
        if not value.is_floating_point():
            raise ConversionError(f"{value.dtype} where {dtype.name} is declared")
        if dtype.name == "fp16":
            return value.to(torch.float16).to(torch.float32)
        return value.to(torch.float32)
    if value.is_floating_point() or (value.dtype == torch.bool) != (dtype.name == "bool"):
        raise ConversionError(f"{value.dtype} where {dtype.name} is declared")
    if dtype.name == "bool":
        return value
    low, high = dtype.bounds
    if value.numel() and value.dtype != torch.bool:
        smallest, largest = (int(bound) for bound in torch.aminmax(value))
        if smallest < low or largest > high:
            raise ConversionError(f"values {smallest} to {largest} do not fit {dtype.name}")
    return value.to(dtype.compute)


def to_tensor(array: npt.NDArray[Any], dtype: DType) -> Tensor:
    """An array of a type's own elements, as operators see it."""
    if dtype.name == "uint32":  # torch cannot widen it itself
        array = array.astype(np.int64)
    elif dtype.name == "uint16":
        array = array.astype(np.int32)
    return torch.from_numpy(np.array(array, copy=True)).to(dtype.compute)


def to_array(tensor: Tensor, dtype: DType) -> npt.NDArray[Any]:
    """A value as its type's own elements."""
    return tensor.numpy().astype(dtype.storage)
