"""Manifests, property by property: every field with other types and beyond every limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.cli import predict_main
from mobilevit_edge.formats.manifest import manifest_to_json
from tests.bad_inputs.conftest import Refuses
from tests.formats.schemas import read_schema
from tests.formats.test_bundle import manifest
from tests.support.bad_inputs import BadField, bad_fields, fields_without_limit

SCHEMA = read_schema("bundle.v2.json")
FIELDS = [
    field
    for field in bad_fields(SCHEMA, json.loads(manifest_to_json(manifest())))
    # As in 'verification'.
    if "core_ml_verification" not in field.path[:-1]
]

VALUES: dict[str, tuple[str, Any]] = {
    "another scale": ("input.scale", 1.0),
    "a scale that is nearly right": ("input.scale", 1.001 / 255),
    "bytes without their scale": ("input.dtype", "uint8"),
    "another layout": ("input.layout", "NHWC"),
    "another batch": ("input.shape", [2, 3, 64, 64]),
    "a dynamic batch": ("input.shape", [None, 3, 64, 64]),
    "a huge batch": ("input.shape", [65536, 3, 64, 64]),
    "dynamic sides": ("input.shape", [1, 3, None, None]),
    "four channels": ("input.shape", [1, 4, 64, 64]),
    "an image size beyond the model's": ("model.image_size", [2048, 2048]),
    "a cover below the image size": ("input.resize.cover", [63, 72]),
    "a cover above four times that": ("input.resize.cover", [72, 257]),
    "a std of zero": ("input.std", [1, 0, 1]),
    "a std beyond use": ("input.std", [1, 1e-9, 1]),
    "a mean beyond use": ("input.mean", [0, 0, 300]),
    "outputs that are not there": ("model.outputs", 4),
    "an output shape of its own": ("output.shape", [1, 4]),
    "an output of another batch": ("output.shape", [2, 3]),
    "a golden class that is not there": ("golden.expected.0.index", 3),
    "golden pixels that are no base64": ("golden.pixels_base64", "!" * 1024),
    "golden pixels of another size": ("golden.rows", 15),
    "labels that are not there": ("labels.count", 4),
    "400,000 wrong files": ("files", [{"path": 1}] * 400_000),
    "another target's model": ("target", "coreml"),
    "a path out of the bundle": ("files.0.path", "../labels.txt"),
    "an absolute path": ("files.0.path", "/etc/passwd"),
    "a path with a null character": ("files.0.path", "labels\0.txt"),
    "a path with an escape": ("files.0.path", "\x1b[2Jlabels.txt"),
    "a path of 300 characters": ("files.0.path", "x" * 300),
    "a path of long parts": ("files.0.path", "/".join(["x" * 100] * 5)),
    "another size of a file": ("files.0.bytes", 1),
    "another hash of a file": ("files.0.sha256", "0" * 64),
    "an escape in a choice": ("target", "\x1b]0;title\x07\x9b31m\u202e"),
}

TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "a text": b'"x"',
    "binary": bytes(range(256)),
    "UTF-16": '{"schema_version": 2}'.encode("utf-16"),
    "nested lists": b"[" * 10**6,
    "nested objects": b'{"a":' * 10**6,
    "many lists": b"[" + b"[]," * 10**5 + b"[]]",
    "many objects": b"[" + b"{}," * 10**5 + b"{}]",
    "a version of many digits": b'{"schema_version": ' + b"1" * 10**6 + b"}",
    "a version of infinite size": b'{"schema_version": 1e999}',
    "a version that is no number": b'{"schema_version": NaN}',
    "a version that is true": b'{"schema_version": true}',
    "a version that is a list": b'{"schema_version": [2]}',
    "a later version": b'{"schema_version": 999}',
    "many unknown entries": json.dumps(
        {"schema_version": 2} | {f"key {i}": i for i in range(100_000)}
    ).encode(),
    "an unknown entry of a long name": json.dumps(
        {"schema_version": 2} | {"\x1b[2J" + "x" * 10**6: 1}
    ).encode(),
    "too large": b" " * (8 * 1024**2 + 1),
}


def test_every_text_list_and_whole_number_has_a_limit() -> None:
    assert fields_without_limit(SCHEMA) == []


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_a_field_that_the_schema_forbids(bundle: Path, refuses: Refuses, field: BadField) -> None:
    path = bundle / "manifest.json"
    good = json.loads(path.read_text("utf-8")) | {
        name: value
        for name, value in json.loads(manifest_to_json(manifest())).items()
        if name not in ("model", "input", "output", "labels", "golden", "files")
    }
    path.write_text(field.text(good), encoding="utf-8")
    refuses(predict_main, bundle, "photo.png")


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_contradicts_the_rest(bundle: Path, refuses: Refuses, name: str) -> None:
    where, value = VALUES[name]
    path = bundle / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    at: Any = content
    *parents, last = where.split(".")
    for key in parents:
        at = at[int(key) if isinstance(at, list) else key]
    at[last] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    refuses(predict_main, bundle, "photo.png")


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_no_manifest(bundle: Path, refuses: Refuses, name: str) -> None:
    (bundle / "manifest.json").write_bytes(TEXTS[name])
    refuses(predict_main, bundle, "photo.png")
