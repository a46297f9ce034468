"""Latency reports and records, property by property and as files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.cli import main
from mobilevit_edge.formats.report import report_to_json
from tests.bad_inputs.conftest import Refuses
from tests.formats.schemas import read_schema
from tests.formats.test_report import REPORT
from tests.support.bad_inputs import BadField, bad_fields, fields_without_limit
from tests.test_places import NO_FILES

SCHEMA = read_schema("latency_report.v1.json")
GOOD = json.loads(report_to_json(REPORT))
FIELDS = [field for field in bad_fields(SCHEMA, GOOD) if len(field.path) < 5]

TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "binary": bytes(range(256)),
    "nested lists": b"[" * 10**6,
    "a later version": b'{"schema_version": 999}',
    "no runs": b'{"schema_version": 1, "runs": []}',
    "many runs of nothing": b'{"schema_version": 1, "runs": [' + b"1," * 10**5 + b"1]}",
    "many rows of nothing": json.dumps(
        GOOD | {"runs": [GOOD["runs"][0] | {"rows": [{}] * 9000}]}
    ).encode(),
    "a run twice": json.dumps(GOOD | {"runs": GOOD["runs"][:1] * 2}).encode(),
}


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_a_field_that_the_schema_forbids(tmp_path: Path, refuses: Refuses, field: BadField) -> None:
    (tmp_path / "report.json").write_text(field.text(GOOD), encoding="utf-8")
    refuses(main, "report", "report.json")


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("command", ["report", "compare"])
def test_a_text_that_is_no_report(
    tmp_path: Path, refuses: Refuses, command: str, name: str
) -> None:
    (tmp_path / "report.json").write_bytes(TEXTS[name])
    refuses(main, command, "report.json", *["report.json"][: command == "compare"])


@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
@pytest.mark.parametrize("option", ["report", "--check"])
def test_something_else_than_a_file(
    tmp_path: Path, refuses: Refuses, make: Callable[[Path], object], option: str
) -> None:
    make(tmp_path / "report.json")
    if option == "report":
        refuses(main, "report", "report.json")
    else:
        refuses(main, "arm", "bundle", option, "report.json")


def test_a_report_has_limits() -> None:
    assert fields_without_limit(SCHEMA) == []
