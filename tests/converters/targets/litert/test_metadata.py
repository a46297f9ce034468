"""What LiteRT's metadata readers find in a file, read by the schema's own field numbers."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table

from converters.targets.litert.flatbuffer import unpack
from tests.support.exports import Bundles


class Reader:
    """A table of ``metadata_schema.fbs``, whose fields are numbered from 0."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def _at(self, field: int) -> int:
        offset = int(self._table.Offset(4 + 2 * field))
        assert offset, f"field {field} is missing"
        return offset + int(self._table.Pos)

    def text(self, field: int) -> str:
        return str(self._table.String(self._at(field)).decode())

    def number(self, field: int, flags: type = number_types.Uint8Flags) -> int:
        return self._table.Get(flags, self._at(field))  # type: ignore[no-any-return]

    def table(self, field: int) -> Reader:
        return Reader(Table(self._table.Bytes, self._table.Indirect(self._at(field))))

    def tables(self, field: int) -> list[Reader]:
        start, length = self._vector(field)
        return [
            Reader(Table(self._table.Bytes, self._table.Indirect(start + 4 * index)))
            for index in range(length)
        ]

    def floats(self, field: int) -> list[float]:
        start, length = self._vector(field)
        return list(map(float, np.frombuffer(self._table.Bytes, np.float32, length, start)))

    def _vector(self, field: int) -> tuple[int, int]:
        offset = self._at(field) - self._table.Pos
        return self._table.Vector(offset), self._table.VectorLen(offset)


def metadata_of(path: Path) -> Reader:
    model = unpack(path.read_bytes())
    (entry,) = [entry for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    content = bytes(model.buffers[entry.buffer].data)
    assert content[4:8] == b"M001"
    return Reader(Table(content, encode.Get(packer.uoffset, content, 0)))


@pytest.mark.parametrize(
    ("name", "color", "mean", "std"),
    [
        ("v1", 1, [0.0, 0.0, 0.0], [255.0, 255.0, 255.0]),
        ("v2_raw", 1, [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
        ("v3_maps", 1, [0.0, 0.0, 0.0], [51.0, 76.5, 102.0]),
        # BGR has no name there.
        ("v3_batch", 0, [0.0, 0.0, 0.0], [255.0, 255.0, 255.0]),
    ],
)
def test_they_say_how_to_feed_it(
    flatbuffer: Bundles, name: str, color: int, mean: list[float], std: list[float]
) -> None:
    root = metadata_of(flatbuffer(name) / "model.tflite")
    assert root.text(0) == flatbuffer.manifest(name).model.name
    assert root.text(7) == "1.0.0"
    (subgraph,) = root.tables(3)
    (image,) = subgraph.tables(2)
    assert image.text(0) == "image"
    content = image.table(3)
    assert content.number(0) == 2
    properties = content.table(1)
    assert properties.number(0) == color
    height, width = flatbuffer.manifest(name).model.image_size
    size = properties.table(1)
    assert [size.number(field, number_types.Uint32Flags) for field in (0, 1)] == [width, height]
    (unit,) = image.tables(4)
    assert unit.number(0) == 1
    assert unit.table(1).floats(0) == pytest.approx(mean)
    assert unit.table(1).floats(1) == pytest.approx(std)


def test_labels_lie_in_an_archive_behind_the_model(flatbuffer: Bundles) -> None:
    path = flatbuffer("v3_batch") / "model.tflite"
    (subgraph,) = metadata_of(path).tables(3)
    (outputs,) = subgraph.tables(3)
    assert outputs.text(0) == "probabilities"
    (labels,) = outputs.tables(6)
    assert (labels.text(0), labels.number(2)) == ("labels.txt", 2)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt") == (flatbuffer("v3_batch") / "labels.txt").read_bytes()
