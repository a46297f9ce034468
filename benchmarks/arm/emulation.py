"""One model on one emulated processor: its outputs, and the instructions of one inference."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.arm.machine_code import Block, count_kinds, parse_blocks
from benchmarks.arm.processors import Processor
from benchmarks.arm.toolchain import EmulatedTarget, Toolchain
from mobilevit_edge.errors import ConversionError

Array: TypeAlias = npt.NDArray[Any]
_SECONDS: Final = 1800


@dataclass(frozen=True)
class Emulated:
    """``outputs``: the first of each call, ``[calls, num_outputs]``; ``blocks``: of one more."""

    outputs: Array
    blocks: tuple[Block, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Instructions by kind."""
        return count_kinds(self.blocks)


def emulate(
    toolchain: Toolchain,
    processor: Processor,
    target: EmulatedTarget,
    model: Path,
    calls: Sequence[Sequence[Array]],
) -> Emulated:
    """Call a model several times, and count one more inference like the last.

    Args:
        toolchain: set up.
        processor: to emulate.
        target: which runtime.
        model: its file.
        calls: the input tensors of each call, as the model wants them.

    Raises:
        ConversionError: the emulated runtime fails, crashes or takes too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "inputs").write_bytes(
            b"".join(np.ascontiguousarray(x).tobytes() for call in calls for x in call)
        )
        command = toolchain.emulator(processor)
        command += ["-plugin", toolchain.counter, "-d", "plugin", "-D", "blocks"]
        # Names without the folder's, which is another each time: counts would follow its letters.
        command += [toolchain.runner(target), model.resolve(), "inputs", "outputs"]
        _run(command, work, f"{model.name} on an emulated {processor.name}")
        outputs = np.fromfile(work / "outputs", np.float32).reshape(len(calls), -1)
        return Emulated(outputs, parse_blocks((work / "blocks").read_text()))


def _run(command: Sequence[str | Path], folder: Path, what: str) -> None:
    # The same environment every time: the guest's stack holds it, and counts follow. ONNX Runtime's
    # telemetry would be another thread, and nobody asked for it.
    environment = {"PATH": "/usr/bin", "ORT_DISABLE_TELEMETRY": "1"}
    try:
        finished = subprocess.run(  # noqa: S603  a command of ours
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_SECONDS,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise ConversionError(f"{what} took longer than {_SECONDS} s") from error
    if finished.returncode != 0:
        reason = finished.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise ConversionError(f"{what} failed with {finished.returncode}: {reason[0][:300]}")
