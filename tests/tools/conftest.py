"""What the tests of the tools share: tiny networks, a bundle, a made-up emulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import numpy as np
import pytest

from benchmarks.arm.emulation import Array, Emulated
from benchmarks.arm.machine_code import Block
from benchmarks.arm.toolchain import Toolchain
from benchmarks.workloads import artifacts
from mobilevit_edge.models.network import create_model
from tests.benchmarks.conftest import exported as exported
from tests.support.networks import tiny_spec
from tools.studies import options

NOP = 0xD503201F
Shapes: TypeAlias = list[tuple[int, ...]]


@pytest.fixture
def tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies export networks that take seconds instead of minutes."""
    monkeypatch.setattr(artifacts, "create_model", lambda name: create_model(tiny_spec("v3_maps")))


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
