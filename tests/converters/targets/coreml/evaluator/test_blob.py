"""Weight files against coremltools' own writer, and what is refused of them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.targets.coreml.evaluator.blob import BlobReference, check_blob, read_blob
from converters.targets.coreml.evaluator.tensor_types import DTYPES, TensorType
from mobilevit_edge.errors import BundleError
from tests.converters.targets.coreml.evaluator.packages import Late

storage = Late("coremltools.libmilstoragepython")

_PLAIN = {
    "fp16": np.float16,
    "fp32": np.float32,
    "int8": np.int8,
    "uint8": np.uint8,
    "int16": np.int16,
    "uint16": np.uint16,
    "int32": np.int32,
    "uint32": np.uint32,
}
_PACKED = ("uint4", "uint6")
_NATIVE = {"fp32": "float"}
_HEADER = struct.Struct("<IIQQQ")


def _draw(name: str, count: int, seed: int) -> np.ndarray[Any, Any]:
    """Numbers over the whole range of a type."""
    rng = np.random.default_rng(seed)
    dtype = DTYPES[name]
    if dtype.is_float:
        return rng.normal(size=count).astype(_PLAIN[name])
    low, high = dtype.bounds
    return rng.integers(low, high + 1, count).astype(dtype.storage)


def _write(writer: Any, name: str, values: np.ndarray[Any, Any]) -> int:
    """The offset at which coremltools' writer put them."""
    write = getattr(writer, f"write_{_NATIVE.get(name, name)}_data")
    # It takes fp16 as its bits.
    raw = values.view(np.uint16) if name == "fp16" else values
    return int(write(raw))


@pytest.mark.parametrize("name", [*_PLAIN, *_PACKED])
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_what_the_writer_wrote_is_read(
    name: str, tmp_path: Path, counts: list[int], seed: int
) -> None:
    path = tmp_path / "weight.bin"
    path.unlink(missing_ok=True)
    writer = storage._BlobStorageWriter(str(path))
    written = [_draw(name, count, seed + i) for i, count in enumerate(counts)]
    offsets = [_write(writer, name, values) for values in written]
    del writer
    reader = storage._BlobStorageReader(str(path))
    for offset, values in zip(offsets, written, strict=True):
        declared = TensorType(name, (len(values), 1))
        read = read_blob(BlobReference(path, offset), declared)
        assert read.dtype == DTYPES[name].storage
        np.testing.assert_array_equal(read, values[:, None])
        native = np.asarray(getattr(reader, f"read_{_NATIVE.get(name, name)}_data")(offset))
        expected = native.view(np.float16) if name == "fp16" else native
        np.testing.assert_array_equal(read[:, 0], expected.reshape(-1))


@pytest.fixture
def blob(tmp_path: Path) -> BlobReference:
    """Twelve numbers in fp32."""
    path = tmp_path / "weight.bin"
    writer = storage._BlobStorageWriter(str(path))
    offset = _write(writer, "fp32", np.arange(12, dtype=np.float32))
    return BlobReference(path, offset)


_DECLARED = TensorType("fp32", (3, 4))


def _overwrite(blob: BlobReference, **changed: int) -> None:
    """Other fields in an entry's header."""
    data = bytearray(blob.path.read_bytes())
    names = ("sentinel", "code", "size", "offset", "padding")
    fields = dict(zip(names, _HEADER.unpack_from(data, blob.offset), strict=True))
    _HEADER.pack_into(data, blob.offset, *{**fields, **changed}.values())
    blob.path.write_bytes(data)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sentinel": 0}, "has no fp32 data"),
        ({"code": 1}, "has no fp32 data"),
        ({"code": 99}, "has no fp32 data"),
        ({"size": 2**63}, "ends before its data"),
        ({"offset": 2**64 - 1}, "ends before its data"),
        ({"offset": 2**40}, "ends before its data"),
        ({"size": 44}, "holds 44 bytes"),
        ({"size": 0}, "holds 0 bytes"),
        ({"padding": 3}, "holds 48 bytes"),
    ],
)
def test_a_header_that_claims_something_else_is_refused(
    changed: dict[str, int], message: str, blob: BlobReference
) -> None:
    check_blob(blob, _DECLARED)
    _overwrite(blob, **changed)
    with pytest.raises(BundleError, match=message):
        check_blob(blob, _DECLARED)
    with pytest.raises(BundleError, match=message):
        read_blob(blob, _DECLARED)


@pytest.mark.parametrize("offset", [0, 1, 10**6, 2**64 - 1])
def test_an_offset_without_an_entry_is_refused(offset: int, blob: BlobReference) -> None:
    with pytest.raises(BundleError, match=r"ends before offset|has no fp32 data"):
        check_blob(BlobReference(blob.path, offset), _DECLARED)


@pytest.mark.parametrize("declared", ["fp16[3, 4]", "string[12]", "fp32[3, ?]"])
def test_a_type_that_no_entry_fits_is_refused(declared: str, blob: BlobReference) -> None:
    dtype, _, shape = declared.removesuffix("]").partition("[")
    sizes = tuple(None if size == "?" else int(size) for size in shape.split(", "))
    with pytest.raises(BundleError, match=r"weight.bin (cannot hold|has no)"):
        check_blob(BlobReference(blob.path, blob.offset), TensorType(dtype, sizes))


def test_a_file_that_shrank_after_it_was_checked_is_refused(blob: BlobReference) -> None:
    check_blob(blob, _DECLARED)
    blob.path.write_bytes(blob.path.read_bytes()[:-4])
    with pytest.raises(BundleError, match="ends before its data"):
        read_blob(blob, _DECLARED)
