"""Files written by ``torch.save``, old and new, read as plain data: no code in them runs.

A new file is a zip archive: ``data.pkl`` describes the content, ``data/KEY`` holds a storage's
bytes. An old one is a row of five pickles with the storages behind them.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

from mobilevit_edge.reading import MEBIBYTE
from mobilevit_edge.weights.pickles import (
    CONTAINERS,
    Inert,
    Name,
    PickleError,
    Rebuild,
    interpret,
)

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_OLD_VERSION: Final = 1001
_CONTENT: Final = "data.pkl"
_MAX_DIMENSIONS: Final = 16
_STORAGES: Final[Mapping[str, torch.dtype]] = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
    # The integers of quantized tensors, which themselves stay inert.
    "QInt8Storage": torch.int8,
    "QUInt8Storage": torch.uint8,
    "QInt32Storage": torch.int32,
}


_DTYPES: Final = {str(kind): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)}


@dataclass(frozen=True)
class _Storage:
    """A storage as a pickle refers to it: ``values`` in one dimension, all of one dtype."""

    values: Tensor


_Load: TypeAlias = Callable[[str, torch.dtype, int], Tensor]
"""The values of the storage with this key, dtype and length."""


def is_content(name: str) -> bool:
    """Whether an archive's entry of this name describes the content."""
    return name.rpartition("/")[2] == _CONTENT


def read_zip(archive: zipfile.ZipFile) -> Any:
    """The content of a zip archive written by ``torch.save``.

    Raises:
        PickleError: damaged.
    """
    names = archive.namelist()
    pickled = min((name for name in names if is_content(name)), key=len)
    folder = pickled.removesuffix(_CONTENT)
    if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
        raise PickleError("its numbers are big-endian")
    loaded: dict[str, Tensor] = {}

    def load(key: str, dtype: torch.dtype, count: int) -> Tensor:
        if key not in loaded:
            loaded[key] = _values(_content_of(archive, f"{folder}data/{key}"), torch.uint8)
        values = loaded[key]
        if values.numel() != count * dtype.itemsize:
            raise PickleError(f"storage {key} has {values.numel()} bytes, not {count} numbers")
        return values.view(dtype)

    return interpret(BytesIO(archive.read(pickled)), _REBUILDS, _persistent(load))


def is_old_file(head: bytes) -> bool:
    """Whether a file that begins with ``head`` was written by ``torch.save`` before version 1.6."""
    try:
        return bool(interpret(BytesIO(head), {}, _no_storages) == _MAGIC)
    except PickleError:
        return False


def read_old_file(path: Path) -> Any:
    """The content of a file that ``torch.save`` wrote before version 1.6.

    Raises:
        PickleError: damaged.
    """
    stream = BytesIO(path.read_bytes())
    if interpret(stream, {}, _no_storages) != _MAGIC:
        raise PickleError("it does not begin as torch.save's files do")
    if interpret(stream, {}, _no_storages) != _OLD_VERSION:
        raise PickleError("its format has an unknown version")
    interpret(stream, {}, _no_storages)  # the sizes of C's types on the machine that wrote it
    start = stream.tell()
    # The storages come last, and only the pickle says of what kind they are: it is read twice.
    sizes: dict[str, tuple[torch.dtype, int]] = {}

    def note(key: str, dtype: torch.dtype, count: int) -> Tensor:
        sizes[key] = dtype, count
        return torch.empty(count, dtype=dtype, device="meta")

    interpret(stream, _REBUILDS, _persistent(note))
    keys = interpret(stream, {}, _no_storages)
    if not isinstance(keys, list) or any(key not in sizes for key in keys):
        raise PickleError("it holds storages that nothing refers to")
    loaded: dict[str, Tensor] = {}
    for key in keys:
        dtype, _ = sizes[key]
        (count,) = struct.unpack("<q", _exactly(stream, 8))
        loaded[key] = _values(_exactly(stream, count * dtype.itemsize), dtype)

    def load(key: str, dtype: torch.dtype, count: int) -> Tensor:
        if key not in loaded or loaded[key].numel() != count:
            raise PickleError(f"storage {key} is missing or has another size")
        return loaded[key].view(dtype)

    stream.seek(start)
    return interpret(stream, _REBUILDS, _persistent(load))


def _content_of(archive: zipfile.ZipFile, name: str) -> bytearray:
    """An entry's bytes, which are in memory once."""
    content = bytearray()
    with archive.open(name) as entry:
        while chunk := entry.read(MEBIBYTE):
            content += chunk
    return content


def _exactly(stream: BytesIO, count: int) -> bytearray:
    # The size is checked first: a short file may claim any.
    if not 0 <= count <= stream.getbuffer().nbytes - stream.tell():
        raise PickleError("it is truncated")
    content = bytearray(count)
    stream.readinto(content)
    return content


def _values(content: bytearray, dtype: torch.dtype) -> Tensor:
    if not content:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype)


def _no_storages(_: object) -> object:
    raise PickleError("a storage where none belongs")


def _persistent(load: _Load) -> Callable[[object], object]:
    """What a persistent id stands for: a storage, or the class of a module."""

    def resolve(identifier: object) -> object:
        match identifier:
            case ("storage", Name(path), str(key), _, int(count), *view):
                dtype = _STORAGES.get(path.rpartition(".")[2])
                if dtype is None or count < 0:
                    raise PickleError(f"a storage of kind {path}")
                values = load(key, dtype, count)
                match view:
                    case [(_, int(offset), int(length))]:
                        values = _strided(values, offset, (length,), (1,))
                return _Storage(values)
            case ("module", Name() as name, *_):
                return name
        raise PickleError("an unknown persistent id")

    return resolve


def _strided(values: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """A view of ``values``, checked to lie inside them."""
    if len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise PickleError("a tensor's shape and strides do not belong together")
    if any(number < 0 for number in (offset, *size, *stride)):
        raise PickleError("a tensor's shape, strides or offset is negative")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= values.numel():
        raise PickleError("a tensor reaches beyond its storage")
    if math.prod(size) >= 2**62:
        raise PickleError("a tensor has more elements than memory could")
    return values.as_strided(size, stride, offset)


def _integers(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or not all(type(n) is int and abs(n) < 2**62 for n in value):
        raise PickleError("a tensor's shape is not made of whole numbers")
    return value


def _tensor(storage: object, offset: object, size: object, stride: object, *_: object) -> object:
    if not isinstance(storage, _Storage):
        raise PickleError("a tensor without a storage")
    (start,) = _integers((offset,))
    return _strided(storage.values, start, _integers(size), _integers(stride))


def _tensor_of_dtype(
    storage: object,
    offset: object,
    size: object,
    stride: object,
    _gradient: object,
    _hooks: object,
    dtype: object,
    *_: object,
) -> object:
    found = _DTYPES.get(dtype.path) if isinstance(dtype, Name) else None
    if not isinstance(storage, _Storage) or found is None:
        raise PickleError("a tensor of an unknown kind")
    return _tensor(_Storage(storage.values.view(found)), offset, size, stride)


def _of_class(rebuild: object, _kind: object, arguments: object, *_: object) -> object:
    """A tensor of a subclass, as a plain one."""
    known = _REBUILDS.get(rebuild.path) if isinstance(rebuild, Name) else None
    if known is None or not isinstance(arguments, tuple):
        return Inert("torch.Tensor", arguments)
    return known(*arguments)


def _itself(tensor: object, *_: object) -> object:
    return tensor


_REBUILDS: Final[Mapping[str, Rebuild]] = {
    **CONTAINERS,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_dtype,
    "torch._utils._rebuild_parameter": _itself,
    "torch._utils._rebuild_parameter_with_state": _itself,
    "torch._tensor._rebuild_from_type": _of_class,
    "torch._tensor._rebuild_from_type_v2": _of_class,
    "torch.Size": lambda *sizes: sizes[0] if sizes else (),
}
