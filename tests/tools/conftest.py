"""What the tests of the tools share: a way to run them, small networks, a made-up emulator."""

from __future__ import annotations

import contextlib
import io
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pytest

from benchmarks.arm.emulation import Array, Emulated
from benchmarks.arm.machine_code import Block
from benchmarks.arm.toolchain import Toolchain
from benchmarks.workloads import artifacts
from mobilevit_edge.console import run_command
from mobilevit_edge.models.network import create_model
from mobilevit_edge.specs import SPECS, ModelSpec
from tests.benchmarks.conftest import exported as exported
from tools.studies import options

SMALL = "mobilevitv3_050"
"""The model that ``small_networks`` makes small: the one of the studies' tests."""
NOP = 0xD503201F
Shapes: TypeAlias = list[tuple[int, ...]]


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


def run_tool(tool: Any, *arguments: object) -> Finished:
    """A tool in this process, as from the command line."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: Any = run_command(tool.parser(), tool.command, [str(a) for a in arguments])
    except SystemExit as error:
        code = error.code
    finally:
        signal.signal(signal.SIGTERM, handler)
    return Finished(code, out.getvalue(), err.getvalue())


def table_rows(text: str) -> list[list[str]]:
    """The cells of printed tables, row by row, below their headings."""
    return [
        [cell.strip() for cell in line.strip("│ ").split("│")]
        for line in text.splitlines()
        if "│" in line
    ]


def table_row(text: str, name: str) -> list[str]:
    """The cells of the one row that begins with ``name``, without it."""
    (cells,) = (others for first, *others in table_rows(text) if first == name)
    return cells


def _small_spec() -> ModelSpec:
    """One MobileViT block with one layer, in the last stage."""
    spec = SPECS[SMALL]
    first, second, *middle, last = spec.stages
    assert last.block is not None
    stages: Any = (
        *(first, second),
        *(replace(stage, block=None) for stage in middle),
        replace(last, block=replace(last.block, depth=1)),
    )
    return replace(spec, stages=stages)


@pytest.fixture
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies export networks that take a second instead of a minute."""
    monkeypatch.setattr(artifacts, "create_model", lambda name: create_model(_small_spec()))


@pytest.fixture
def emulator(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[ModuleType, Callable[[Path], int]], dict[str, Shapes]]:
    """Replaces a study's emulator by one that counts what it is told to.

    Takes the study and the instructions of each model file; gives the shapes of the inputs that
    each file was called with.
    """

    def install(study: ModuleType, count: Callable[[Path], int]) -> dict[str, Shapes]:
        called: dict[str, Shapes] = {}

        def emulate(
            toolchain: Toolchain,
            processor: object,
            target: str,
            model: Path,
            calls: Sequence[Sequence[Array]],
        ) -> Emulated:
            called[model.name] = [array.shape for call in calls for array in call]
            return Emulated(np.zeros((len(calls), 1)), (Block(count(model), (NOP,)),))

        monkeypatch.setattr(study, "emulate", emulate)
        monkeypatch.setattr(options, "set_up", lambda folder, show: Toolchain(folder))
        return called

    return install
