"""The parent's end of a worker process: start it, read its events, find out how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.harness.machine import THREAD_VARIABLES, utc_now
from benchmarks.harness.plan import Source, source_to_json
from benchmarks.harness.worker import HEARTBEAT_BYTES
from mobilevit_edge.processes import wait_for_ending

_SILENCE_SECONDS: Final = 300.0
"""A worker that is silent for so long hangs: a chunk of samples comes every few seconds."""
_GRACE_SECONDS: Final = 5.0


@dataclass(frozen=True)
class WorkerJob:
    """What one process is to do: ``measure``, ``cold_start``, ``profile`` or ``baseline``."""

    task: str
    core: int | None
    sources: tuple[Source, ...] = ()
    seconds: float = 0.0
    warm_up: int = 0


@dataclass
class WorkerResult:
    """What a process has sent so far; lists run over the job's sources.

    Attributes:
        started: when.
        events: the content of each event but ``rounds`` and ``failed``, by name.
        samples: nanoseconds, a list for each source.
        switches: how often the system took the core away meanwhile.
        failure: why the process ended early.
        faulty_index: the source it was busy with when it failed; ``None`` if it had not come to
            any.
    """

    started: str
    events: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    samples: list[list[int]] = field(default_factory=list)
    switches: int | None = None
    failure: str | None = None
    faulty_index: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the process has done its job."""
        return "done" in self.events


Launch = Callable[[WorkerJob, Callable[[WorkerResult], None]], WorkerResult]
"""Runs a job; calls back after each chunk of samples, while the process waits."""


def run_job(
    job: WorkerJob,
    on_chunk: Callable[[WorkerResult], None] = lambda result: None,
    *,
    silence_seconds: float = _SILENCE_SECONDS,
) -> WorkerResult:
    """Do a job in a process of its own, with one thread per library, on the job's core.

    A crash, an exception or a hang there is part of the result, not an exception here.
    """
    result = WorkerResult(started=utc_now())
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        heartbeat = Path(folder) / "heartbeat"
        heartbeat.write_bytes(bytes(HEARTBEAT_BYTES))
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            # Ctrl-C is for the parent, which ends its workers itself.
            start_new_session=True,
        )
        try:
            _converse(process, job, heartbeat, result, on_chunk, silence_seconds)
            if not result.complete and result.failure is None:
                ending = wait_for_ending(process, errors)
                result.failure = ending or "its process stopped answering but went on"
        finally:
            _end(process, patience=_GRACE_SECONDS if result.complete else 0)
        if not result.complete:
            number = int.from_bytes(heartbeat.read_bytes(), "little")
            result.faulty_index = number - 1 if number else None
    return result


def _environment() -> dict[str, str]:
    """One thread for every library, and our own import path: nothing from the current folder."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    threads = dict.fromkeys(THREAD_VARIABLES, "1")
    return os.environ | threads | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _converse(
    process: subprocess.Popen[bytes],
    job: WorkerJob,
    heartbeat: Path,
    result: WorkerResult,
    on_chunk: Callable[[WorkerResult], None],
    silence_seconds: float,
) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    order = {
        "task": job.task,
        "core": job.core,
        "sources": [source_to_json(source) for source in job.sources],
        "seconds": job.seconds,
        "warm_up": job.warm_up,
        "heartbeat": str(heartbeat),
    }
    try:
        _send(process.stdin, json.dumps(order))
        for line in _lines(process.stdout, silence_seconds):
            event = json.loads(line)
            kind = event.pop("event")
            if kind == "rounds":
                _add_rounds(result, event["samples"])
                result.switches = event["switches"]
                on_chunk(result)
                _send(process.stdin, "go on")
            elif kind == "failed":
                result.failure = event["reason"]
            else:
                result.events[kind] = event
    except BrokenPipeError:
        return
    except TimeoutError:
        result.failure = f"gave no answer for {silence_seconds:.0f} s"


def _add_rounds(result: WorkerResult, chunk: Sequence[Sequence[int]]) -> None:
    if not result.samples:
        result.samples = [[] for _ in chunk]
    for samples, more in zip(result.samples, chunk, strict=True):
        samples.extend(more)


def _send(stream: IO[bytes], line: str) -> None:
    stream.write(line.encode() + b"\n")
    stream.flush()


def _lines(stream: IO[bytes], silence_seconds: float) -> Iterator[bytes]:
    """Lines as they come. Raises TimeoutError after too long a silence."""
    descriptor = stream.fileno()
    rest = b""
    while True:
        ready, _, _ = select.select([descriptor], [], [], silence_seconds)
        if not ready:
            raise TimeoutError
        content = os.read(descriptor, 2**20)
        if not content:
            return
        *lines, rest = (rest + content).split(b"\n")
        yield from lines


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    """Close the streams, give a process that has finished the time to leave, kill any other."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
