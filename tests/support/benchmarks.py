"""What the tests of the benchmarks share: plans, processes that are made up, bundles, phones."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.cli import main
from benchmarks.harness.engine import Environment, run_plan
from benchmarks.harness.parent import WorkerJob, WorkerResult
from benchmarks.harness.plan import Candidate, FactorySource, Group, MeasurementPlan
from mobilevit_edge.formats.report import LatencyRow, Run, Runtime, Subject

DEVICE_REPORT = Path(__file__).parents[1] / "data" / "devices" / "android_report.json"
SCRIPTED_ADB = Path(__file__).parent / "scripted_adb.py"
STARTED = "2026-01-31T12:00:00Z"
STATE = {
    "clock_mhz": 2000.0,
    "thermal": None,
    "battery_percent": None,
    "charging": None,
    "low_power": None,
}
Exchange = dict[str, Any]


def ignore(step: str) -> None:
    """Shows the running step to nobody."""


# Plans and runs.


def candidate(row_id: str, factory: str = "work", **arguments: Any) -> Candidate:
    """A row that is measured by a function of ``factories.py``."""
    row = LatencyRow(
        id=row_id,
        experiment="test",
        subject=Subject(model=row_id),
        runtime=Runtime("Python", None),
    )
    return Candidate(row, FactorySource(f"tests.support.factories:{factory}", arguments))


def named(*row_ids: str) -> tuple[Candidate, ...]:
    """Candidates for :class:`Launcher`, which tells them apart by an argument."""
    return tuple(candidate(row_id, name=row_id) for row_id in row_ids)


def plan(*candidates: Candidate, **changes: Any) -> MeasurementPlan:
    """A quick plan of one group."""
    built = MeasurementPlan(
        groups=(Group("group", candidates),),
        processes=3,
        seconds=0.01,
        seed=0,
        core=0,
        max_noise=None,
        cold_starts=True,
        profile=False,
    )
    return replace(built, **changes)


@dataclass
class Launcher:
    """Stands in for processes: samples by row, in chunks, and failures on demand.

    ``fail`` is asked before each job and may return ``(reason, index of the faulty source)``.
    """

    samples: Callable[[str, int], list[int]] = lambda name, process: [100, 101, 99, 100]
    fail: Callable[[WorkerJob, int], tuple[str, int | None] | None] = lambda job, count: None
    affinity: list[int] | None = field(default_factory=lambda: [0])
    threads: int | None = 1
    clock_after: float = 2000.0
    switches: int = 0
    jobs: list[WorkerJob] = field(default_factory=list)

    def __call__(self, job: WorkerJob, on_chunk: Callable[[WorkerResult], None]) -> WorkerResult:
        self.jobs.append(job)
        result = WorkerResult(STARTED)
        result.events["ready"] = {"affinity": self.affinity, "state": STATE}
        failure = self.fail(job, len(self.done(job.task)))
        if not failure or job.task == "measure":
            getattr(self, f"_{job.task}")(job, result, on_chunk)
        if failure:
            result.failure, result.faulty_index = failure
        else:
            result.events["done"] = {"state": STATE | {"clock_mhz": self.clock_after}}
        return result

    def done(self, task: str) -> list[WorkerJob]:
        """The jobs so far of one task."""
        return [job for job in self.jobs if job.task == task]

    def _baseline(self, job: WorkerJob, result: WorkerResult, on_chunk: object) -> None:
        result.events["baseline"] = {"durations_ns": [100, 101, 102]}

    def _cold_start(self, job: WorkerJob, result: WorkerResult, on_chunk: object) -> None:
        result.events["cold_start"] = {
            "load_ns": 5,
            "first_inference_ns": 6,
            "memory_before_bytes": 7,
            "peak_memory_bytes": 8,
        }

    def _profile(self, job: WorkerJob, result: WorkerResult, on_chunk: object) -> None:
        operator = {"kind": "Conv", "name": "c", "module": "stem", "calls": 1, "total_ns": 5}
        profile = {"source": "made up", "inferences": 1, "note": None, "operators": [operator]}
        result.events["profile"] = {"profile": profile}

    def _measure(
        self, job: WorkerJob, result: WorkerResult, on_chunk: Callable[[WorkerResult], None]
    ) -> None:
        names = names_in(job)
        process = len(self.done("measure")) - 1
        result.events["warm_up"] = {
            "samples": [[500]] * len(names),
            "threads": [self.threads] * len(names),
        }
        result.switches = self.switches
        series = [self.samples(name, process) for name in names]
        result.samples = [samples[:1] for samples in series]
        on_chunk(result)
        result.samples = series


def names_in(job: WorkerJob) -> list[str]:
    """What :func:`named` calls the candidates of a job."""
    return [str(s.arguments["name"]) for s in job.sources if isinstance(s, FactorySource)]


def carry_out(
    plan_: MeasurementPlan, launcher: Launcher | None = None, previous: Run | None = None
) -> Run:
    """A plan's run, by made-up processes."""
    environment = Environment(lambda run: None, ignore, launcher or Launcher())
    return run_plan(plan_, environment, previous)


def run_of_rows(rows: Sequence[LatencyRow], samples: dict[str, list[int]]) -> Run:
    """A run of rows with these samples by row id, the same in each process."""
    candidates = [Candidate(row, FactorySource("f", {"name": row.id})) for row in rows]
    launcher = Launcher(samples=lambda name, process: samples[name])
    return carry_out(plan(*candidates), launcher)


def rows_of(run: Run) -> dict[str, LatencyRow]:
    """Latency rows by id."""
    return {row.id: row for row in run.rows if isinstance(row, LatencyRow)}


# The command.


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


def bench(*arguments: object) -> Finished:
    """``mobilevit-bench`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: Any = main([str(argument) for argument in arguments])
    except SystemExit as error:
        code = error.code
    finally:
        signal.signal(signal.SIGTERM, handler)
    return Finished(code, out.getvalue(), err.getvalue())


# Bundles.


def onnx_model(channels: int) -> bytes:
    """A convolution and a pool: ``[N, 3, 256, 192] -> [N, channels]``."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper

    weight = np.ones((channels, 3, 3, 3), np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], name="stem/Conv_0", strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"], name="pool/Pool_1"),
        helper.make_node("Flatten", ["p"], ["logits"], name="head/Flatten_2"),
    ]
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 256, 192])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", channels])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    imports = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=9)
    return bytes(model.SerializeToString())


def make_bundle(exported: Path, folder: Path, model: bytes, **changes: Any) -> Path:
    """A copy of an exported bundle with another model, whose hashes fit again."""
    shutil.copytree(exported, folder)
    (folder / "model.onnx").write_bytes(model)
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    for file in content["files"]:
        if file["path"] == "model.onnx":
            file |= {"bytes": len(model), "sha256": hashlib.sha256(model).hexdigest()}
    path.write_text(json.dumps(content | changes))
    return folder


# Phones.


class Phone:
    """A folder with a scripted tool, ``adb`` or ``xcrun``."""

    def __init__(self, folder: Path, tool: str) -> None:
        self.folder = folder
        folder.mkdir()
        program = folder / tool
        program.write_text(f"#!{sys.executable}\n" + SCRIPTED_ADB.read_text())
        program.chmod(0o755)

    def plays(self, *script: Exchange) -> None:
        """Set what the tool answers."""
        (self.folder / "script.json").write_text(json.dumps(script))

    @property
    def asked(self) -> list[str]:
        """The command lines so far."""
        return (self.folder / "asked.txt").read_text().splitlines()
