"""What a ``.tflite`` file says about itself, where LiteRT's metadata readers look for it.

The schema is ``metadata_schema.fbs`` of TensorFlow Lite Support, version 1.0.0 of its parser: a
flatbuffer under the name ``TFLITE_METADATA`` among the model's buffers, and files that it names as
a zip archive behind the model's own bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, Final

from flatbuffers import Builder
from flatbuffers.number_types import Int8Flags, Uint8Flags, Uint32Flags

from converters.job.job import ExportJob
from converters.targets.base import INPUT_NAME, output_name
from converters.targets.litert.flatbuffer import schema
from mobilevit_edge.formats.manifest import LABELS_FILE
from mobilevit_edge.input_contract import InputContract

_NAME: Final = b"TFLITE_METADATA"
_IDENTIFIER: Final = b"M001"
_PARSER: Final = "1.0.0"
_RGB, _GRAYSCALE, _UNKNOWN = 1, 2, 0
"""Values of ``ColorSpaceType``."""
_IMAGE: Final = 2
"""``ImageProperties`` among what a tensor's content may be."""
_NORMALIZATION: Final = 1
"""``NormalizationOptions`` among what may be done to a tensor."""
_AXIS_LABELS: Final = 2
"""``TENSOR_AXIS_LABELS`` among the kinds of files."""
_BYTES: Final = 255.0


def describe(model: Any, job: ExportJob) -> None:
    """Add to a ``ModelT`` what its input, its output and its labels are."""
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = bytearray(_metadata(job))
    entry.name, entry.buffer = _NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]


def with_labels(content: bytes, job: ExportJob) -> bytes:
    """The file with the labels that its metadata name behind it; as it is without classes."""
    if job.task == "embedding":
        return content
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        # A date of its own would make every export another file.
        name = zipfile.ZipInfo(LABELS_FILE, (1980, 1, 1, 0, 0, 0))
        archive.writestr(name, "\n".join(job.source.labels) + "\n")
    return file.getvalue()


def _metadata(job: ExportJob) -> bytes:
    """The flatbuffer of ``ModelMetadata``."""
    b = Builder(1024)
    subgraph = _table(
        b,
        {
            0: _text(b, job.source.spec.name),
            2: _offsets(b, [_input(b, job.artifact_input)]),
            3: _offsets(b, [_output(b, job)]),
        },
    )
    root = _table(
        b,
        {
            0: _text(b, job.source.spec.name),
            1: _text(b, f"{job.source.spec.name}, {job.task}, {job.options.precision}"),
            3: _offsets(b, [subgraph]),
            7: _text(b, _PARSER),
        },
    )
    b.Finish(root, _IDENTIFIER)
    return bytes(b.Output())


def _input(b: Builder, contract: InputContract) -> int:
    """``TensorMetadata`` of the image."""
    height, width = contract.image_size
    size = _table(b, {0: _number(b, Uint32Flags, width), 1: _number(b, Uint32Flags, height)})
    color = {"RGB": _RGB, "GRAY": _GRAYSCALE}.get(contract.channel_order, _UNKNOWN)
    image = _table(b, {0: _number(b, Int8Flags, color), 1: _offset(b, size)})
    # Of bytes as they come: the manifest's mean and std are of pixels in 0..1.
    mean = [_BYTES * value for value in contract.normalization.mean]
    std = [value / contract.scale for value in contract.normalization.std]
    normalization = _table(b, {0: _floats(b, mean), 1: _floats(b, std)})
    unit = _table(b, {0: _number(b, Uint8Flags, _NORMALIZATION), 1: _offset(b, normalization)})
    content = _table(b, {0: _number(b, Uint8Flags, _IMAGE), 1: _offset(b, image)})
    text = f"{contract.dtype} {contract.layout}, {contract.channel_order}, {height}x{width}"
    return _table(
        b,
        {
            0: _text(b, INPUT_NAME),
            1: _text(b, text),
            3: _offset(b, content),
            4: _offsets(b, [unit]),
        },
    )


def _output(b: Builder, job: ExportJob) -> int:
    """``TensorMetadata`` of the outputs, with the file of their labels where they are classes."""
    name = output_name(job.task, job.activation, job.answer)
    fields = {0: _text(b, name), 1: _text(b, job.task)}
    if job.task != "embedding":
        labels = _table(b, {0: _text(b, LABELS_FILE), 2: _number(b, Int8Flags, _AXIS_LABELS)})
        fields[6] = _offsets(b, [labels])
    return _table(b, fields)


_Field = Callable[[int], None]
"""Puts a value into a slot of the table at hand."""


def _table(b: Builder, fields: dict[int, _Field]) -> int:
    b.StartObject(max(fields) + 1)
    for slot, put in fields.items():
        put(slot)
    return b.EndObject()  # type: ignore[no-any-return]


def _offset(b: Builder, at: int) -> _Field:
    return lambda slot: b.PrependUOffsetTRelativeSlot(slot, at, 0)


def _text(b: Builder, value: str) -> _Field:
    return _offset(b, b.CreateString(value))


def _number(b: Builder, flags: type, value: int) -> _Field:
    # Without a default, so that zeros stand in the file as well.
    return lambda slot: b.PrependSlot(flags, slot, value, None)


def _offsets(b: Builder, tables: Sequence[int]) -> _Field:
    b.StartVector(4, len(tables), 4)
    for at in reversed(tables):
        b.PrependUOffsetTRelative(at)
    return _offset(b, b.EndVector())


def _floats(b: Builder, values: Sequence[float]) -> _Field:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return _offset(b, b.EndVector())
