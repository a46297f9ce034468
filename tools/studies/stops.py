"""Exports and trainings that are stopped at random moments: what is there afterwards.

    python -m tools.studies.stops --exports 60 --trainings 30

Each is sent SIGTERM, SIGINT or SIGKILL while it writes. After every stop the older output must be
whole, or the newer one; nothing may lie beside it, and after SIGKILL nothing once the next run has
ended. A stopped training must go on with ``--resume``.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image
from rich.progress import track
from rich.table import Table

from mobilevit_edge import entry
from mobilevit_edge.arguments import whole_number
from mobilevit_edge.console import INTERRUPTED, TERMINATED, run_command
from mobilevit_edge.errors import BundleError, VerificationError
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.processes import describe_ending
from mobilevit_edge.terminal import PlainConsole
from mobilevit_edge.training.run import STATE
from tools.command import tool_parser

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
_CODES: Final = {
    signal.SIGTERM: TERMINATED,
    signal.SIGINT: INTERRUPTED,
    signal.SIGKILL: -signal.SIGKILL,
}
_POLL_SECONDS: Final = 0.002
_PATIENCE_SECONDS: Final = 600.0
_IMPORT_SECONDS: Final = 1.0
_IMPORTED: Final = (
    "converters.cli",
    "converters.bundling.pipeline",
    "converters.targets.onnx.conversion",
    "converters.targets.onnx.runtime",
    "mobilevit_edge.entry",
    "mobilevit_edge.training.run",
    "onnxscript",
)
"""Runs are stopped while they write, long after that: they start from a process that has it."""
_MODEL: Final = ("--model", "mobilevit_xxs", "--image-size", "32")
_EXPORT: Final = ("--target", "onnx", "--weights", "random", *_MODEL, "--json", "--output")
_TRAIN: Final = (*_MODEL, "--scales", "32", "--batch-size", "4", "--epochs", "3", "--threads", "1")


Ending: TypeAlias = Literal["stopped", "ended before", "crashed"]
ENDINGS: Final[tuple[Ending, ...]] = get_args(Ending)


@dataclass(frozen=True)
class Stop:
    """One run that was sent a signal; ``problem`` is what was wrong afterwards.

    A native library may crash where Python's interrupt meets it, which leaves what SIGKILL does.
    """

    kind: str
    signal: signal.Signals
    ending: Ending
    problem: str | None


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    for kind in ("exports", "trainings"):
        parser.add_argument(
            f"--{kind}",
            type=whole_number(0, 9999),
            default=30,
            metavar="N",
            help=f"number of {kind} to stop (default 30)",
        )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="of the moments")
    return parser


def command(arguments: Namespace) -> None:
    """Print a table of what happened.

    Raises:
        VerificationError: an output was lost, or something was left.
    """
    moments = random.Random(arguments.seed)  # noqa: S311  no secret
    with tempfile.TemporaryDirectory() as folder:
        stops = [
            *stopped_exports(Path(folder) / "exports", arguments.exports, moments),
            *stopped_trainings(Path(folder) / "trainings", arguments.trainings, moments),
        ]
    PlainConsole(width=100).print(stops_table(stops))
    problems = [f"{s.kind}, {s.signal.name}: {s.problem}" for s in stops if s.problem]
    if problems:
        raise VerificationError("\n".join(problems))


def stopped_exports(folder: Path, count: int, moments: random.Random) -> list[Stop]:
    """Stop exports to one place, which holds an older bundle from the start."""
    if count == 0:
        return []
    folder.mkdir()
    output = folder / "bundle"
    arguments = (*_EXPORT, str(output))
    seconds = _finish("export", arguments, lambda: _besides(output))

    def problem(killed: bool) -> str | None:
        left = _besides(output)
        if killed and not output.exists() and left:
            # Stopped between two renames: the next run brings the older one back.
            return None
        try:
            read_bundle(output)
        except BundleError as error:
            return str(error)
        return f"left {', '.join(left)}" if len(left) > int(killed) else None

    stops = [
        _stopped("export", arguments, lambda: _besides(output), seconds, moments, problem)
        for _ in track(range(count), "exports", transient=True)
    ]
    _finish("export", arguments, lambda: _besides(output))
    read_bundle(output)
    return [*stops, *_last("export", _besides(output))]


def stopped_trainings(folder: Path, count: int, moments: random.Random) -> list[Stop]:
    """Stop trainings, each in a folder of its own, and continue them."""
    if count == 0:
        return []
    images = folder / "images"
    _write_images(images)
    arguments = (str(images), *_TRAIN, "--output")
    first = folder / "undisturbed"
    seconds = _finish("train", (*arguments, str(first)), (first / STATE).exists)
    stops = []
    for number in track(range(count), "trainings", transient=True):
        run = folder / f"run {number}"

        def problem(killed: bool, run: Path = run) -> str | None:
            left = [path.name for path in run.iterdir() if path.name.startswith(".")]
            if left and not killed:
                return f"left {', '.join(left)}"
            _finish("train", ("--resume", str(run)), lambda: True)
            left = [path.name for path in run.iterdir() if path.name.startswith(".")]
            return f"left {', '.join(left)} after it was continued" if left else None

        begun = (run / STATE).exists
        whole = (*arguments, str(run))
        stops.append(_stopped("train", whole, begun, seconds, moments, problem))
    return stops


def stops_table(stops: Sequence[Stop]) -> Table:
    """A line for each kind of run and signal."""
    table = Table(title="runs stopped at random moments")
    for heading in ("run", "signal", *ENDINGS, "problems"):
        table.add_column(heading)
    for kind, name in dict.fromkeys((stop.kind, stop.signal.name) for stop in stops):
        alike = [stop for stop in stops if (stop.kind, stop.signal.name) == (kind, name)]
        endings = Counter(stop.ending for stop in alike)
        problems = sum(stop.problem is not None for stop in alike)
        table.add_row(kind, name, *(str(endings[ending]) for ending in ENDINGS), str(problems))
    return table


def _stopped(
    kind: str,
    arguments: Sequence[str],
    begun: Callable[[], object],
    seconds: float,
    moments: random.Random,
    problem: Callable[[bool], str | None],
) -> Stop:
    """Start a run, stop it at a moment while it writes, and look at what is there."""
    number = moments.choice(_SIGNALS)
    earlier = begun()
    run = _Run(kind, arguments)
    _wait_until(lambda: begun() != earlier or run.ended)
    time.sleep(moments.uniform(0, seconds))
    run.send(number)
    code, printed = run.wait()
    if number == signal.SIGKILL:
        # Runs that import everything themselves begin no sooner after one that was killed, and a
        # folder younger than that is not taken for a leftover.
        time.sleep(_IMPORT_SECONDS)
    if code == _CODES[number]:
        return Stop(kind, number, "stopped", problem(number == signal.SIGKILL))
    if code == -signal.SIGABRT:
        return Stop(kind, number, "crashed", problem(True))
    # Python gives signals their own way back as it ends: the command itself was over.
    if code in (0, -number):
        return Stop(kind, number, "ended before", problem(False))
    return Stop(kind, number, "stopped", describe_ending(code, printed))


def _finish(kind: str, arguments: Sequence[str], begun: Callable[[], object]) -> float:
    """Let a run end; for how long it has written.

    Raises:
        VerificationError: it fails.
    """
    run = _Run(kind, arguments)
    _wait_until(lambda: begun() or run.ended)
    start = time.monotonic()
    code, printed = run.wait()
    if code != 0:
        raise VerificationError(f"{kind}: {describe_ending(code, printed)}")
    return time.monotonic() - start


def _last(kind: str, left: Sequence[str]) -> list[Stop]:
    """What is left when the last run has ended undisturbed, as a stop with a problem."""
    if not left:
        return []
    return [Stop(kind, signal.SIGKILL, "ended before", f"left {', '.join(left)}")]


class _Run:
    """A command in a process of its own, whose standard error goes to a file."""

    def __init__(self, kind: str, arguments: Sequence[str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*_IMPORTED])
        self._errors = tempfile.NamedTemporaryFile()  # noqa: SIM115  closed by wait
        self._process = context.Process(target=_command, args=(kind, arguments, self._errors.name))
        self._process.start()

    @property
    def ended(self) -> bool:
        return not self._process.is_alive()

    def send(self, number: signal.Signals) -> None:
        if self._process.pid is not None and not self.ended:
            os.kill(self._process.pid, number)

    def wait(self) -> tuple[int, str]:
        """Exit code, negative for a signal, and what it printed on standard error.

        Raises:
            VerificationError: it goes on and on.
        """
        self._process.join(_PATIENCE_SECONDS)
        code = self._process.exitcode
        if code is None and self._process.pid is not None:
            # Its fault handler writes where every thread stands.
            os.kill(self._process.pid, signal.SIGABRT)
            self._process.join()
        with self._errors:
            printed = self._errors.read().decode(errors="replace")
        if code is None:
            raise VerificationError(f"still running after {_PATIENCE_SECONDS:g} s: {printed}")
        return code, printed


def _command(kind: str, arguments: Sequence[str], errors: str) -> None:
    """What the child does: one of the commands."""
    # A shell lets what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for path, mode, number in ((os.devnull, os.O_WRONLY, 1), (errors, os.O_WRONLY, 2)):
        opened = os.open(path, mode)
        os.dup2(opened, number)
        os.close(opened)
    faulthandler.enable()
    sys.argv = [f"mobilevit-{kind}", *arguments]
    sys.exit(getattr(entry, kind)())


def _wait_until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not happened() and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)


def _besides(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir() if path != output)


def _write_images(folder: Path) -> None:
    """Two classes of noise."""
    noise = np.random.default_rng(0)
    for number in range(12):
        path = folder / ("a", "b")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
