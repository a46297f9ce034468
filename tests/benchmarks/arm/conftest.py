"""What the tests of emulated ARM share: an emulator that answers as this machine does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.arm import counting, toolchain
from benchmarks.arm.emulation import Array, Emulated
from benchmarks.arm.machine_code import Block
from benchmarks.arm.toolchain import Toolchain

NOP, FMLA = 0xD503201F, 0x4E21CC00


@pytest.fixture
def emulating(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], list[str]]:
    """Makes the emulator answer as this machine does, but for a shift; gives what it was asked.

    Two million instructions, half of them multiply-adds.
    """

    def install(shift: float) -> list[str]:
        asked: list[str] = []

        def emulate(
            toolchain: Toolchain,
            processor: object,
            target: str,
            model: Path,
            calls: Sequence[Sequence[Array]],
        ) -> Emulated:
            from converters.targets.onnx.runtime import load

            asked.append(target)
            loaded = load(model)
            outputs = np.stack([loaded.run(call[0]).reshape(-1) for call in calls])
            return Emulated(outputs + shift, (Block(1_000_000, (NOP, FMLA)),))

        monkeypatch.setattr(counting, "emulate", emulate)
        monkeypatch.setattr(toolchain, "set_up", lambda folder, show: Toolchain(folder))
        return asked

    return install
