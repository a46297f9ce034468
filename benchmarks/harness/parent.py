"""The parent's end of a measuring process: start it, read its events, find out how it died."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.harness.machine import THREAD_VARIABLES
from benchmarks.harness.plan import Source, source_to_json
from benchmarks.harness.worker import MARK_BYTES

_SILENCE_SECONDS: Final = 300.0
"""A worker that says nothing for so long hangs: a chunk of samples comes every few seconds."""
_GRACE_SECONDS: Final = 5.0
_MAX_REASON: Final = 400


@dataclass(frozen=True)
class Job:
    """What one process is to do: ``measure``, ``cold_start``, ``profile`` or ``spin``."""

    task: str
    core: int | None
    sources: tuple[Source, ...] = ()
    seconds: float = 0.0
    warm_up: int = 0


@dataclass
class Outcome:
    """What a process has told so far; lists run over the job's sources.

    ``failure`` is why it ended early, ``culprit`` the index of the source that it was busy with
    then, ``None`` where it had not come to any.
    """

    started: str
    events: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    samples: list[list[int]] = field(default_factory=list)
    switches: int | None = None
    failure: str | None = None
    crashed: bool = False
    culprit: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the process has done its job."""
        return "done" in self.events


Launch = Callable[[Job, Callable[[Outcome], None]], Outcome]
"""Runs a job; calls back after each chunk of samples, while the process waits."""


def utc_now() -> str:
    """The time as reports hold it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def run_job(
    job: Job,
    on_chunk: Callable[[Outcome], None] = lambda outcome: None,
    *,
    silence_seconds: float = _SILENCE_SECONDS,
) -> Outcome:
    """Do a job in a process of its own, with one thread a library and the job's core.

    A crash, an exception or a hang there is an outcome, not an exception here.
    """
    outcome = Outcome(started=utc_now())
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        mark = Path(folder) / "mark"
        mark.write_bytes(bytes(MARK_BYTES))
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
            _converse(process, job, mark, outcome, on_chunk, silence_seconds)
            if not outcome.complete and outcome.failure is None:
                outcome.failure, outcome.crashed = _reason(process, errors), True
        finally:
            _end(process, patience=_GRACE_SECONDS if outcome.complete else 0)
        if not outcome.complete:
            number = int.from_bytes(mark.read_bytes(), "little")
            outcome.culprit = number - 1 if number else None
    return outcome


def _environment() -> dict[str, str]:
    """One thread for every library, and our own import path: nothing from the current folder."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    threads = dict.fromkeys(THREAD_VARIABLES, "1")
    return os.environ | threads | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _converse(
    process: subprocess.Popen[bytes],
    job: Job,
    mark: Path,
    outcome: Outcome,
    on_chunk: Callable[[Outcome], None],
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
        "mark": str(mark),
    }
    try:
        _send(process.stdin, json.dumps(order))
        for line in _lines(process.stdout, silence_seconds):
            event = json.loads(line)
            kind = event.pop("event")
            if kind == "rounds":
                _add_rounds(outcome, event["samples"])
                outcome.switches = event["switches"]
                on_chunk(outcome)
                _send(process.stdin, "go on")
            elif kind == "failed":
                outcome.failure = event["reason"]
            else:
                outcome.events[kind] = event
    except BrokenPipeError:
        return
    except TimeoutError:
        outcome.failure = f"gave no answer for {silence_seconds:.0f} s"
        outcome.crashed = True


def _add_rounds(outcome: Outcome, chunk: Sequence[Sequence[int]]) -> None:
    if not outcome.samples:
        outcome.samples = [[] for _ in chunk]
    for samples, more in zip(outcome.samples, chunk, strict=True):
        samples.extend(more)


def _send(stream: IO[bytes], line: str) -> None:
    stream.write(line.encode() + b"\n")
    stream.flush()


def _lines(stream: IO[bytes], silence_seconds: float) -> Any:
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


def _reason(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    """Why the process has ended without a word."""
    try:
        code = process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return "its process closed its answers and went on"
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    last = "".join(c for c in lines[-1] if c.isprintable())[:_MAX_REASON] if lines else "no message"
    if code < 0:
        return f"its process crashed with {signal.Signals(-code).name} ({last})"
    return f"its process ended with exit code {code} ({last})"


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    """Close the streams, give a process that has finished the time to leave, end any other."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                continue
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
