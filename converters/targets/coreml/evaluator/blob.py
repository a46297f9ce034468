"""Weight files: entries of a 64-byte header and packed elements, addressed by the header's offset.

The layout is that of coremltools' storage writer, version 2: the header holds a sentinel, the
element type, the number of bytes, where they start, and how many bits of the last byte are unused.
Sub-byte elements are packed without gaps, lowest bit first. Read here, every offset is checked
against the file before it is followed, which the native reader does not do.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from converters.targets.coreml.evaluator.tensor_types import DTYPES, TensorType
from mobilevit_edge.errors import BundleError

_VERSION: Final = 2
_SENTINEL: Final = 0xDEADBEEF
_FILE_HEADER: Final = struct.Struct("<II56x")
_ENTRY_HEADER: Final = struct.Struct("<IIQQQ32x")
_CODES: Final = {
    "fp16": 1,
    "fp32": 2,
    "uint8": 3,
    "int8": 4,
    "int16": 6,
    "uint16": 7,
    "uint4": 11,
    "uint6": 13,
    "int32": 14,
    "uint32": 15,
}


@dataclass(frozen=True)
class BlobReference:
    """Where a constant's elements are: a file inside the package and an entry's offset."""

    path: Path
    offset: int


def check_blob(reference: BlobReference, declared: TensorType) -> None:
    """Check that a reference leads to as many elements as the program declares.

    Raises:
        BundleError: it does not, or the file is missing, cut short or not a weight file.
    """
    _locate(reference, declared)


def read_blob(reference: BlobReference, declared: TensorType) -> npt.NDArray[Any]:
    """A constant's elements, in the declared shape.

    Raises:
        BundleError: as :func:`check_blob`.
    """
    start, size = _locate(reference, declared)
    with reference.path.open("rb") as file:
        file.seek(start)
        data = file.read(size)
    return unpack(data, declared)


def _locate(reference: BlobReference, declared: TensorType) -> tuple[int, int]:
    """Start and number of bytes of the elements."""
    name = reference.path.name
    if declared.dtype not in _CODES or declared.elements is None:
        raise BundleError(f"{name} cannot hold a {declared}")
    if not reference.path.is_file():  # nor anything that could keep a reader waiting
        raise BundleError(f"the weight file {name} is missing; export it again")
    try:
        total = reference.path.stat().st_size
        with reference.path.open("rb") as file:
            start = file.read(_FILE_HEADER.size)
            file.seek(min(reference.offset, total))
            header = file.read(_ENTRY_HEADER.size)
    except OSError as error:
        raise BundleError(
            f"the weight file {name} cannot be read ({error.strerror}); export it again"
        ) from error
    if len(start) < _FILE_HEADER.size or _FILE_HEADER.unpack(start)[1] != _VERSION:
        raise BundleError(f"{name} is not a weight file of version {_VERSION}")
    if len(header) < _ENTRY_HEADER.size:
        raise BundleError(f"{name} ends before offset {reference.offset}; export it again")
    sentinel, code, size, offset, padding = _ENTRY_HEADER.unpack(header)
    if sentinel != _SENTINEL or code != _CODES[declared.dtype]:
        raise BundleError(f"{name} has no {declared.dtype} data at offset {reference.offset}")
    if offset + size > total:
        raise BundleError(f"{name} ends before its data at {offset} does; export it again")
    bits = declared.elements * DTYPES[declared.dtype].bits
    if size != -(-bits // 8) or padding != size * 8 - bits:
        raise BundleError(f"{name} holds {size} bytes at {reference.offset}, not a {declared}")
    return offset, size


def unpack(data: bytes, declared: TensorType) -> npt.NDArray[Any]:
    """Packed elements, lowest bit first, in the declared shape.

    Raises:
        BundleError: there are more or fewer than declared.
    """
    dtype = DTYPES[declared.dtype]
    count = declared.elements
    if count is None or len(data) != -(-count * dtype.bits // 8):
        raise BundleError(f"{len(data)} bytes are not a {declared}")
    if dtype.bits >= 8:
        little_endian = np.dtype(dtype.storage).newbyteorder("<")
        return np.frombuffer(data, little_endian).reshape(declared.sizes)
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=count * dtype.bits, bitorder="little")
    # [count * bits] -> [count, bits]
    values = bits.reshape(count, dtype.bits) @ (1 << np.arange(dtype.bits, dtype=np.uint8))
    return values.astype(dtype.storage).reshape(declared.sizes)
