"""Latency reports: round trips, the schema, files from strangers, merging."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevit_edge.errors import InputError, OutputError, ReportError
from mobilevit_edge.formats import report
from mobilevit_edge.formats.report import (
    Affinity,
    Agreement,
    Artifact,
    Calm,
    ColdStart,
    Device,
    DeviceState,
    Flag,
    InstructionRow,
    LatencyRow,
    NotTaken,
    OperatorTime,
    Profile,
    Protocol,
    Report,
    Run,
    Runtime,
    Series,
    SimulationRow,
    Subject,
    System,
    Tool,
    Top1,
    merge_reports,
    read_report,
    report_from_json,
    report_to_json,
    write_report,
)
from tests.formats.schemas import differences, read_schema

SUBJECT = Subject(
    model="mobilevit_xxs",
    part="layer3.1",
    target="onnx",
    precision="fp32",
    image_size=(256, 192),
    batch=1,
    attributes={"tokens": "256"},
    parameters=10,
    macs=20,
    artifact=Artifact("model.onnx", 3, "0" * 64),
    top1=Top1(69.5, 50_000, "ImageNet-1k"),
)
NOTHING = Subject(None, None, None, None, None, None, {}, None, None, None, None)
PHONE = DeviceState(1800.5, "serious", 55.0, charging=True, low_power=False)


def series(process: int = 0, **changes: Any) -> Series:
    built = Series(
        process=process,
        group="blocks",
        position=1,
        started="2026-01-31T12:00:00Z",
        warm_up_ns=(9,),
        samples_ns=(5, 6, 7),
        threads=1,
        affinity=(3,),
        involuntary_switches=0,
        before=PHONE,
        after=DeviceState(),
        flags=(Flag("throttled", "serious"),),
    )
    return dataclasses.replace(built, **changes)


def latency_row(row_id: str = "a", **changes: Any) -> LatencyRow:
    built = LatencyRow(
        id=row_id,
        experiment="blocks",
        measure="latency",
        subject=SUBJECT,
        runtime=Runtime("ONNX Runtime", "1.31.1"),
        compute_unit="cpu",
        threads=1,
        limit_row=None,
        not_run=None,
        cold_starts=(ColdStart(0, 100, 50, None, 2**40),),
        series=(series(),),
        profile=Profile("profiler", 20, None, (OperatorTime("Conv", "c1", "stem", 20, 900),)),
    )
    return dataclasses.replace(built, **changes)


INSTRUCTIONS = InstructionRow(
    id="counted",
    experiment="blocks",
    measure="instruction_count",
    subject=NOTHING,
    runtime=Runtime("ExecuTorch", None),
    limit_row=None,
    not_run=None,
    source="ARM instruction count (emulated)",
    counts={"fma": 2**50, "load": 7},
    agreement=Agreement(inputs=2, same_top1=1, largest_difference=1e-6),
)


SIMULATED = SimulationRow(
    id="simulated",
    experiment="npu",
    subject=NOTHING,
    runtime=Runtime("onnxruntime-qnn", "2.7.0"),
    source="simulated by onnxruntime-qnn 2.7.0",
    chip="sa8255",
    compile_seconds=2.5,
    not_taken=(NotTaken("layer3.1/MatMul_5", "MatMul"),),
    counts={"cycles": 2**50, "context_bytes": 7},
    agreement=Agreement(inputs=2, same_top1=1, largest_difference=1e-3),
)


def run(run_id: str = "one", **changes: Any) -> Run:
    built = Run(
        id=run_id,
        tool=Tool("mobilevit-bench", "0.1"),
        created="2026-01-31T12:00:00Z",
        device=Device("phone", "Pixel", "Tensor", 8, None),
        system=System("Android", "16"),
        versions={"onnxruntime": "1.31.1"},
        affinity=Affinity((3,), None),
        protocol=Protocol(3, 10.0, 5, 0, 2.5, "0" * 64),
        calm=Calm((100, 101)),
        flags=(),
        rows=(latency_row("limit"), latency_row(limit_row="limit"), INSTRUCTIONS, SIMULATED),
    )
    return dataclasses.replace(built, **changes)


REPORT = Report(1, (run(),))


def with_value(path: str, value: Any) -> str:
    """The report's text with one value replaced; ``"runs.0.id"`` names it."""
    content: Any = json.loads(report_to_json(REPORT))
    at = content
    *parents, last = path.split(".")
    for key in parents:
        at = at[int(key) if isinstance(at, list) else key]
    at[int(last) if isinstance(at, list) else last] = value
    return json.dumps(content)


def test_a_report_survives_the_way_through_json() -> None:
    assert report_from_json(report_to_json(REPORT)) == REPORT


def test_a_report_survives_the_way_through_a_file(tmp_path: Path) -> None:
    write_report(REPORT, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == REPORT


@settings(max_examples=50, deadline=None)
@given(
    samples=st.lists(st.integers(1, 2**53), max_size=20),
    name=st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=200),
    counts=st.dictionaries(st.sampled_from("abc"), st.integers(0, 2**53)),
)
def test_any_sample_and_name_survives_exactly(
    samples: list[int], name: str, counts: dict[str, int]
) -> None:
    rows = (
        latency_row(name, series=(series(samples_ns=tuple(samples)),)),
        dataclasses.replace(INSTRUCTIONS, id=name + "x" if len(name) < 200 else "x", counts=counts),
    )
    given_ = Report(1, (run(rows=rows),))
    assert report_from_json(report_to_json(given_)) == given_


def test_the_dataclasses_mirror_the_schema_field_by_field() -> None:
    assert differences(Report, read_schema("latency_report.v1.json")) == []


def test_every_list_of_a_report_has_a_bound() -> None:
    def unbounded(node: Any) -> list[Any]:
        children = node.values() if isinstance(node, dict) else node
        found = [node] if isinstance(node, dict) and node.get("type") == "array" else []
        return [n for n in found if "maxItems" not in n] + [
            n for child in children if isinstance(child, (dict, list)) for n in unbounded(child)
        ]

    assert unbounded(read_schema("latency_report.v1.json")) == []


def test_the_comparison_with_the_schema_finds_differences() -> None:
    changed = read_schema("latency_report.v1.json")
    changed["$defs"]["state"]["required"].append("extra")
    del changed["$defs"]["flag"]["properties"]["kind"]["enum"][0]
    found = " ".join(differences(Report, changed))
    assert ".after: ['clock_mhz'" in found
    assert ".flags[].kind has other choices" in found


ROW = "runs.0.rows.0"
SERIES = f"{ROW}.series.0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("runs", []),
        ("runs.0.extra", 1),
        ("runs.0.id", ""),
        ("runs.0.created", "2026-01-31 12:00"),
        ("runs.0.created", "2026-01-31T12:00:00Z\n"),
        ("runs.0.device.kind", "toaster"),
        ("runs.0.device.name", "Pixel\x1b[2J"),
        ("runs.0.device.name", "Pixel\n"),
        ("runs.0.device.cores", 0),
        ("runs.0.versions", {"a\nb": "1"}),
        ("runs.0.protocol.digest", "0" * 64 + "\n"),
        ("runs.0.protocol.seconds", 0),
        (f"{ROW}.measure", "speed"),
        (f"{ROW}.measure", "instruction_count"),
        (f"{ROW}.median_ns", 5),
        (f"{ROW}.not_run", ""),
        (f"{ROW}.subject.image_size", [256]),
        (f"{ROW}.subject.top1.percent", 101),
        (f"{ROW}.subject.attributes.tokens", 256),
        (f"{SERIES}.samples_ns", [1.5]),
        (f"{SERIES}.samples_ns", [0]),
        (f"{SERIES}.samples_ns", [-1]),
        (f"{SERIES}.samples_ns", ["1"]),
        (f"{SERIES}.samples_ns", [2**53 + 1]),
        (f"{SERIES}.flags.0.kind", "unlucky"),
        (f"{SERIES}.before.charging", 1),
        ("runs.0.rows.2.counts.fma", -1),
        ("runs.0.rows.2.series", []),
    ],
)
def test_what_the_schema_forbids_is_refused_with_its_place(path: str, value: Any) -> None:
    with pytest.raises(ReportError, match="is not valid at"):
        report_from_json(with_value(path, value))


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("runs.0.rows.1.limit_row", "nobody", "limit_row 'nobody', which is not"),
        ("runs.0.rows.0.limit_row", "limit", "limit_row 'limit', which is not"),
        ("runs.0.rows.1.id", "limit", "row limit twice"),
        (f"{ROW}.not_run", "no such device", "was not run, yet has samples"),
    ],
)
def test_contradictions_are_refused(path: str, value: Any, match: str) -> None:
    with pytest.raises(ReportError, match=match):
        report_from_json(with_value(path, value))


def test_two_series_of_one_process_and_two_runs_of_one_id_are_refused() -> None:
    twice = latency_row(series=(series(), series()))
    with pytest.raises(ReportError, match="process of row a 0 twice"):
        report_to_json(Report(1, (run(rows=(twice,)),)))
    with pytest.raises(ReportError, match="run one twice"):
        report_to_json(Report(1, (run(), run())))


def test_files_that_are_none_or_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    with pytest.raises(ReportError, match=r"No such file.*; mobilevit-bench run BUNDLE writes"):
        read_report(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ReportError, match="not UTF-8"):
        read_report(path)
    monkeypatch.setattr(report, "MAX_REPORT_BYTES", 1000)
    path.write_bytes(b" " * 1001)
    with pytest.raises(ReportError, match="larger than 1000 bytes"):
        read_report(path)
    with pytest.raises(ReportError, match="larger than 1000 bytes"):
        write_report(REPORT, tmp_path / "new.json")
    assert not (tmp_path / "new.json").exists()


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_report(REPORT, path)
    with pytest.raises(ReportError, match="not valid"):
        write_report(Report(1, (run(""),)), path)
    assert read_report(path) == REPORT
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
    with pytest.raises(OutputError):
        write_report(REPORT, tmp_path / "missing" / "report.json")


def test_merging_joins_runs_once_each_in_their_order() -> None:
    one, two = Report(1, (run("one"),)), Report(1, (run("two"), run("one")))
    assert [r.id for r in merge_reports([one, two, one]).runs] == ["one", "two"]


def test_merging_two_states_of_one_run_is_refused() -> None:
    with pytest.raises(ReportError, match="an earlier and a later state"):
        merge_reports([Report(1, (run(),)), Report(1, (run(calm=None),))])


def test_a_broken_report_is_bad_input() -> None:
    assert issubclass(ReportError, InputError)
    assert ReportError.exit_code == 4
