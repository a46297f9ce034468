"""One model on one emulated processor: its outputs, and the instructions of one inference."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.arm.processors import Processor
from benchmarks.arm.toolchain import Toolchain
from mobilevit_edge.errors import ConversionError

Array: TypeAlias = npt.NDArray[Any]
EmulatedTarget: TypeAlias = Literal["onnx", "executorch"]
KINDS: Final = ("all", "fmla", "dot", "load_store")
"""Of instructions, as the counter prints them: every one; floating-point vector multiply-adds;
products of bytes (dot products, matrix products); loads and stores."""
_SECONDS: Final = 1800


@dataclass(frozen=True)
class Emulated:
    """``outputs``: the first of each call, ``[calls, num_outputs]``; ``counts``: by kind."""

    outputs: Array
    counts: Mapping[str, int]


def emulate(
    toolchain: Toolchain,
    processor: Processor,
    target: EmulatedTarget,
    model: Path,
    calls: Sequence[Sequence[Array]],
) -> Emulated:
    """Call a model several times, and count further inferences like the last.

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
        command += ["-plugin", toolchain.counter, "-d", "plugin", "-D", "counts"]
        # Names without the folder's, which is another each time: counts would follow its letters.
        command += [*_program(toolchain, target), model.resolve(), "inputs", "outputs"]
        _run(command, toolchain, work, f"{model.name} on an emulated {processor.name}")
        outputs = np.fromfile(work / "outputs", np.float32).reshape(len(calls), -1)
        return Emulated(outputs, parse_counts((work / "counts").read_text()))


def parse_counts(log: str) -> dict[str, int]:
    """The least of the inferences between a log's marks, by all its instructions.

    Raises:
        ConversionError: there are not two marks.
    """
    marks = [
        [int(number) for number in line.split()[1:]]
        for line in log.splitlines()
        if line.startswith("counts ")
    ]
    if len(marks) < 2 or any(len(mark) != len(KINDS) for mark in marks):
        raise ConversionError("the emulator counted nothing: its plugin interface has changed")
    inferences = [
        {kind: after - before for kind, before, after in zip(KINDS, *pair, strict=True)}
        for pair in pairwise(marks)
    ]
    return min(inferences, key=lambda counts: counts["all"])


def _program(toolchain: Toolchain, target: EmulatedTarget) -> list[str | Path]:
    if target == "executorch":
        return [toolchain.runner]
    script = Path(str(resources.files("benchmarks.arm"))) / "native" / "onnx_runner.py"
    return [toolchain.python, "-B", script]


def _run(command: Sequence[str | Path], toolchain: Toolchain, folder: Path, what: str) -> None:
    # The same environment every time, in length too: the guest's stack holds it, and counts follow.
    environment = {"PYTHONPATH": str(toolchain.site), "PYTHONHASHSEED": "0", "PATH": "/usr/bin"}
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
