"""What the tests of the tools share: tiny networks, a bundle, a made-up emulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import numpy as np
import pytest
from filelock import FileLock

from benchmarks.arm.emulation import Array, Emulated
from benchmarks.arm.machine_code import Block
from benchmarks.arm.toolchain import Toolchain
from benchmarks.workloads import artifacts
from mobilevit_edge.models.network import create_model
from tests.benchmarks.conftest import exported as exported
from tests.support.networks import lean_spec
from tests.support.tools import run_tool
from tools import make_vectors
from tools.studies import options

NOP = 0xD503201F
Shapes: TypeAlias = list[tuple[int, ...]]


@pytest.fixture(scope="session")
def vectors(run_folder: Path) -> Path:
    """What ``tools.make_vectors`` writes; the processes of a run share it."""
    folder = run_folder / "vectors"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            finished = run_tool(make_vectors, folder)
            assert finished.code == 0, finished.err
    return folder


@pytest.fixture
def tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies export networks that take seconds instead of minutes."""
    monkeypatch.setattr(artifacts, "create_model", lambda name: create_model(lean_spec("v3_maps")))


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
