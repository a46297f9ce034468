"""One model on one emulated processor: its outputs, and the instructions of one inference."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.arm.machine_code import Block, count_kinds, parse_blocks
from benchmarks.arm.processors import Processor
from benchmarks.arm.runtimes import EmulatedTarget
from benchmarks.arm.toolchain import Toolchain
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.processes import describe_ending, run_to_end

Array: TypeAlias = npt.NDArray[Any]
_SECONDS: Final = 1800.0
# The same environment every time: the guest's stack holds it, and counts depend on that. ONNX
# Runtime's telemetry would be another thread, and nobody asked for it.
_ENVIRONMENT: Final = {"PATH": "/usr/bin", "ORT_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class Emulated:
    """What a model did on an emulated processor.

    Attributes:
        outputs: the first output of each call, ``[calls, num_outputs]``.
        blocks: the machine code that one more call executed.
    """

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
        calls: the input tensors of each call, in the form that the model takes.

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
        # Names without the folder's, which differs each time: counts would depend on its letters.
        command += [toolchain.runner(target), model.resolve(), "inputs", "outputs"]
        failure = f"{model.name} on an emulated {processor.name} failed"
        finished = run_to_end(
            command,
            failure,
            folder=work,
            environment=_ENVIRONMENT,
            seconds=_SECONDS,
            error_type=ConversionError,
        )
        if finished.returncode != 0:
            ending = describe_ending(finished.returncode, finished.stderr)
            raise ConversionError(f"{failure}: {ending}")
        outputs = np.fromfile(work / "outputs", np.float32).reshape(len(calls), -1)
        return Emulated(outputs, parse_blocks((work / "blocks").read_text()))
