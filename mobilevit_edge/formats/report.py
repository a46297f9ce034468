"""The latency report: raw samples with everything that is needed to judge them.

``schemas/latency_report.v1.json`` defines it; the dataclasses here mirror it and are checked
against it on the way out and in. Nothing in a report is derived from anything else in it: its
readers compute medians, intervals and ratios.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mobilevit_edge.errors import ReportError
from mobilevit_edge.files import write_atomically
from mobilevit_edge.formats.json_format import JsonFormat
from mobilevit_edge.reading import read_text

SCHEMA_VERSION: Final = 1
MAX_REPORT_BYTES: Final = 64 * 1024**2

DeviceKind: TypeAlias = Literal["computer", "phone", "emulator"]
ComputeUnit: TypeAlias = Literal["cpu", "gpu", "npu", "cpu_and_gpu", "cpu_and_npu", "all"]
FlagKind: TypeAlias = Literal[
    "throttled",
    "noisy",
    "clock_changed",
    "busy_machine",
    "affinity_not_in_effect",
    "threads_not_in_effect",
    "low_power",
    "interrupted",
    "crashed",
    "other",
]


@dataclass(frozen=True)
class Flag:
    kind: FlagKind
    reason: str


@dataclass(frozen=True)
class Tool:
    name: str
    version: str


@dataclass(frozen=True)
class Device:
    kind: DeviceKind
    name: str
    processor: str
    cores: int
    memory_bytes: int | None


@dataclass(frozen=True)
class System:
    name: str
    version: str


@dataclass(frozen=True)
class Affinity:
    asked: tuple[int, ...] | None
    in_effect: tuple[int, ...] | None


@dataclass(frozen=True)
class Protocol:
    processes: int
    seconds: float | None
    warm_up: int
    seed: int | None
    max_noise: float | None
    digest: str | None


@dataclass(frozen=True)
class Calm:
    spins_ns: tuple[int, ...]


@dataclass(frozen=True)
class Artifact:
    name: str
    bytes: int
    sha256: str | None


@dataclass(frozen=True)
class Top1:
    percent: float
    images: int | None
    source: str


@dataclass(frozen=True)
class Subject:
    model: str | None = None
    part: str | None = None
    target: str | None = None
    precision: str | None = None
    image_size: tuple[int, int] | None = None
    batch: int | None = 1
    attributes: Mapping[str, str] = field(default_factory=dict)
    parameters: int | None = None
    macs: int | None = None
    artifact: Artifact | None = None
    top1: Top1 | None = None


@dataclass(frozen=True)
class Runtime:
    name: str
    version: str | None


@dataclass(frozen=True)
class ColdStart:
    process: int
    load_ns: int
    first_inference_ns: int
    memory_before_bytes: int | None
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class DeviceState:
    clock_mhz: float | None = None
    thermal: str | None = None
    battery_percent: float | None = None
    charging: bool | None = None
    low_power: bool | None = None


@dataclass(frozen=True)
class Series:
    process: int
    group: str | None
    position: int
    started: str
    warm_up_ns: tuple[int, ...]
    samples_ns: tuple[int, ...]
    threads: int | None
    affinity: tuple[int, ...] | None
    involuntary_switches: int | None
    before: DeviceState
    after: DeviceState
    flags: tuple[Flag, ...]
    inferences_per_sample: int = 1


@dataclass(frozen=True)
class OperatorTime:
    kind: str
    name: str
    module: str
    calls: int
    total_ns: int


@dataclass(frozen=True)
class Profile:
    source: str
    inferences: int
    note: str | None
    operators: tuple[OperatorTime, ...]


@dataclass(frozen=True, kw_only=True)
class LatencyRow:
    id: str
    experiment: str
    measure: Literal["latency"] = "latency"
    subject: Subject
    runtime: Runtime
    compute_unit: ComputeUnit = "cpu"
    threads: int | None = 1
    limit_row: str | None = None
    not_run: str | None = None
    cold_starts: tuple[ColdStart, ...] = ()
    series: tuple[Series, ...] = ()
    profile: Profile | None = None


@dataclass(frozen=True)
class Agreement:
    """``inputs`` and ``same_top1`` count best classes: of images, or of pixels or anchors."""

    inputs: int
    same_top1: int
    largest_difference: float


@dataclass(frozen=True, kw_only=True)
class InstructionRow:
    id: str
    experiment: str
    measure: Literal["instruction_count"] = "instruction_count"
    subject: Subject
    runtime: Runtime
    limit_row: str | None = None
    not_run: str | None = None
    source: str
    counts: Mapping[str, int] = field(default_factory=dict)
    agreement: Agreement | None = None


@dataclass(frozen=True)
class NotTaken:
    name: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class SimulationRow:
    id: str
    experiment: str
    measure: Literal["simulation"] = "simulation"
    subject: Subject
    runtime: Runtime
    limit_row: str | None = None
    not_run: str | None = None
    source: str
    chip: str
    compile_seconds: float | None = None
    not_taken: tuple[NotTaken, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    agreement: Agreement | None = None
    profile: Profile | None = None


Row: TypeAlias = LatencyRow | InstructionRow | SimulationRow


@dataclass(frozen=True)
class Run:
    id: str
    tool: Tool
    created: str
    device: Device
    system: System
    versions: Mapping[str, str]
    affinity: Affinity
    protocol: Protocol
    calm: Calm | None
    flags: tuple[Flag, ...]
    rows: tuple[Row, ...]
    clock_step_ns: int | None = None


@dataclass(frozen=True)
class Report:
    schema_version: int
    runs: tuple[Run, ...]


_FORMAT: Final = JsonFormat(
    content=Report,
    schema="latency_report.v1.json",
    version=SCHEMA_VERSION,
    error=ReportError,
    remedy="measure again",
)


def report_to_json(report: Report) -> str:
    """The report as JSON text that the schema accepts.

    Raises:
        ReportError: the schema does not allow the report, or it contradicts itself.
    """
    text = _FORMAT.to_json(report, "the report")
    _check_consistency(report, "the report")
    return text


def report_from_json(text: str, origin: str = "the report") -> Report:
    """A report from JSON text.

    Raises:
        ReportError: not JSON, of another schema version, not allowed by the schema, or
            contradicting itself.
    """
    report = _FORMAT.from_json(text, origin)
    _check_consistency(report, origin)
    return report


def read_report(path: str | Path) -> Report:
    """A report from a file of at most ``MAX_REPORT_BYTES``.

    Raises:
        ReportError: it cannot be read, is too large, or is not a valid report.
    """

    def unreadable(reason: str) -> ReportError:
        return ReportError(f"{reason}; mobilevit-bench run BUNDLE writes reports")

    return report_from_json(read_text(path, MAX_REPORT_BYTES, unreadable), str(path))


def write_report(report: Report, path: Path) -> None:
    """Write a report in one step; an older file stays if that fails.

    Raises:
        ReportError: the report is not valid, or too large to be read back.
        OutputError: the file cannot be written.
    """
    content = report_to_json(report).encode()
    if len(content) > MAX_REPORT_BYTES:
        raise ReportError(
            f"{path} would be larger than {MAX_REPORT_BYTES} bytes: measure for a shorter time"
        )
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def merge_reports(reports: Sequence[Report]) -> Report:
    """All runs of several reports in their order, each once.

    Raises:
        ReportError: two different runs have the same id.
    """
    runs: dict[str, Run] = {}
    for run in (run for report in reports for run in report.runs):
        if runs.setdefault(run.id, run) != run:
            raise ReportError(
                f"two reports hold different runs with the id {run.id}: an earlier and a later "
                f"state of one run; leave out the earlier file"
            )
    return Report(SCHEMA_VERSION, tuple(runs.values()))


def _check_consistency(report: Report, origin: str) -> None:
    """Check what a schema cannot express: parts of the report that must agree."""
    _refuse_duplicates([run.id for run in report.runs], "run", origin)
    for run in report.runs:
        ids = [row.id for row in run.rows]
        _refuse_duplicates(ids, "row", origin)
        for row in run.rows:
            if row.limit_row is not None and (row.limit_row not in ids or row.limit_row == row.id):
                raise ReportError(
                    f"{origin}: row {row.id} has the limit_row {row.limit_row!r}, "
                    f"which is not another row of its run"
                )
            if isinstance(row, LatencyRow):
                processes = [str(series.process) for series in row.series]
                _refuse_duplicates(processes, f"process of row {row.id}", origin)
                if row.not_run is not None and row.series:
                    raise ReportError(f"{origin}: row {row.id} was not run, yet has samples")


def _refuse_duplicates(names: Sequence[str], what: str, origin: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ReportError(f"{origin} holds the {what} {name} twice")
        seen.add(name)
