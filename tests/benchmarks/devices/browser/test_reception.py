"""Reports from strangers: judged before they are kept, and kept once."""

from __future__ import annotations

import copy
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.devices.browser.reception import Reception
from mobilevit_edge.errors import DeviceError, OutputError
from mobilevit_edge.formats.report import Report, report_from_json
from mobilevit_edge.printable import one_line
from tests.support.benchmarks import DEVICE_REPORT

CONTENT: Any = json.loads(DEVICE_REPORT.read_text())
SERVED = {row["subject"]["artifact"]["sha256"] for row in CONTENT["runs"][0]["rows"]}


def reception(kept: list[Report]) -> Reception:
    return Reception(SERVED, kept.append)


def test_a_report_is_kept_once_and_handed_on() -> None:
    kept: list[Report] = []
    receiver = reception(kept)
    text = json.dumps(CONTENT)
    assert [receiver.take_report(text).status for _ in range(2)] == [200, 200]
    assert kept == [report_from_json(text)]
    assert receiver.wait(1) == kept[0].runs[0]
    assert receiver.wait(0.01) is None


def test_phones_that_send_at_once_are_all_kept() -> None:
    kept: list[Report] = []

    def keep(report: Report) -> None:
        # As a file that is read, merged and written: nobody may come between.
        before = list(kept)
        time.sleep(0.01)
        kept[:] = [*before, report]

    receiver = Reception(SERVED, keep)
    texts = [json.dumps(changed("runs", 0, "id", value=str(number))) for number in range(8)]
    with ThreadPoolExecutor(len(texts)) as phones:
        answers = list(phones.map(receiver.take_report, texts * 2))
    assert {answer.status for answer in answers} == {200}
    assert sorted(report.runs[0].id for report in kept) == [str(number) for number in range(8)]


def changed(*place: Any, value: Any) -> Any:
    content = copy.deepcopy(CONTENT)
    target = content
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    return content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "has schema version None"),
        ({"schema_version": 1, "runs": []}, "not valid at runs"),
        (changed("runs", value=[*CONTENT["runs"], {**CONTENT["runs"][0], "id": "2"}]), "2 runs"),
        (
            changed("runs", 0, "rows", 0, "subject", "artifact", "sha256", value="0" * 64),
            "about other bundles",
        ),
        (changed("runs", 0, "rows", 0, "subject", "artifact", value=None), "about other bundles"),
        (changed("runs", 0, "device", "name", value="a\u001b[2Jb"), "not valid"),
        (changed("runs", 0, "device", "name", value="x" * 10_000), "not valid"),
    ],
)
def test_other_reports_are_refused_with_a_reason(content: Any, reason: str) -> None:
    kept: list[Report] = []
    answer = reception(kept).take_report(json.dumps(content))
    assert (answer.status, kept) == (422, [])
    assert reason in answer.text
    assert len(answer.text) <= 300


def test_another_report_by_the_same_id_does_not_replace_the_first() -> None:
    kept: list[Report] = []
    receiver = reception(kept)
    receiver.take_report(json.dumps(CONTENT))
    other = changed("runs", 0, "device", "name", value="another")
    assert receiver.take_report(json.dumps(other)).status == 409
    assert len(kept) == 1


def test_a_full_disk_is_told_on_both_sides() -> None:
    def keep(report: Report) -> None:
        raise OutputError("the disk is full")

    receiver = Reception(SERVED, keep)
    assert receiver.take_report(json.dumps(CONTENT)).status == 507
    with pytest.raises(DeviceError, match="the disk is full"):
        receiver.wait(1)


def test_a_failure_is_told_without_control_characters() -> None:
    receiver = reception([])
    assert (
        receiver.take_failure(json.dumps({"reason": "no\u001b[2J memory" + "x" * 999})).status
        == 200
    )
    with pytest.raises(DeviceError, match=r"cannot measure: no\\x1b\[2J memory") as caught:
        receiver.wait(1)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["", "[]", "3", "null", '{"reason": 5}', "{}", "[" * 100_000])
def test_what_is_no_failure_is_refused(text: str) -> None:
    receiver = reception([])
    assert receiver.take_failure(text).status == 422
    assert receiver.wait(0.01) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def places(content: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a value stands, everywhere in a document."""
    found = [at] if at else []
    if isinstance(content, dict):
        for key, value in content.items():
            found += places(value, (*at, key))
    elif isinstance(content, list):
        for index, value in enumerate(content[:3]):
            found += places(value, (*at, index))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(places(CONTENT)), value=JSON)
def test_any_value_anywhere_is_kept_as_valid_or_refused(place: tuple[Any, ...], value: Any) -> None:
    kept: list[Report] = []
    text = json.dumps(changed(*place, value=value))
    answer = reception(kept).take_report(text)
    assert answer.status in (200, 422)
    assert (answer.status == 200) == bool(kept)
    # Not isprintable(): a character that this Python does not know yet acts on no terminal.
    assert answer.text == one_line(answer.text)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=300) | JSON.map(json.dumps))
def test_any_text_is_refused(text: str) -> None:
    kept: list[Report] = []
    assert reception(kept).take_report(text).status == 422
    assert not kept
