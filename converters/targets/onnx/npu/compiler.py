"""Qualcomm's compiler for the Hexagon NPU, in a child process with a folder of its own.

The extra ``npu`` installs it: ``onnxruntime-qnn``, whose license lets one develop and benchmark
with it and forbids to pass it on. What it writes is read here; its libraries are not.
"""

from __future__ import annotations

import csv
import importlib.metadata
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from converters.targets.loaded import Array
from converters.targets.onnx.npu.chips import Chip
from converters.targets.onnx.npu.contexts import read_context
from converters.targets.onnx.npu.timeline import NodeCycles, read_timeline
from mobilevit_edge.errors import (
    ConversionError,
    MissingPackageError,
    OutputError,
    ToolchainError,
)
from mobilevit_edge.processes import describe_ending, run_to_end

PACKAGE: Final = "onnxruntime_qnn"
DISTRIBUTION: Final = "onnxruntime-qnn"
LICENSE: Final = (
    "onnxruntime-qnn contains Qualcomm's AI Engine Direct SDK under Qualcomm's own license: use "
    "for developing and benchmarking your applications, no redistribution"
)
CONTEXT: Final = "context.onnx"
PROFILE: Final = "profile.csv"
INPUTS: Final = "inputs.npy"
OUTPUTS: Final = "outputs.npy"
"""Files in the folder that the child works in."""
_WORKER: Final = "converters.targets.onnx.npu.worker"
_SECONDS: Final = 600.0
_SECONDS_AN_INPUT: Final = 120.0
_MAX_SHOWN: Final = 5
_MEGA: Final = 1024**2
_NEEDED_BYTES: Final = 128 * _MEGA
"""Contexts, traces and graphs of the largest models together: 80 MB."""
_ROWS: Final[Mapping[str, str]] = {
    "cycles": "Simulated (Accelerator exec cycles)",
    "microseconds": "Simulated (Accelerator exec time us)",
    "microseconds_low": "Simulated (Accelerator exec time us (lower estimate))",
    "microseconds_high": "Simulated (Accelerator exec time us (upper estimate))",
    "input_fill_bytes": "Input Fill",
    "fill_bytes": "Intermediate Fill",
    "spill_bytes": "Intermediate Spill",
    "output_spill_bytes": "Output Spill",
}
"""Our names for the rows of the compiler's profile."""
_NAME_COLUMN: Final = 6
_VALUE_COLUMN: Final = 2


@dataclass(frozen=True)
class Node:
    """A node of the ONNX file that the unit does not take."""

    name: str
    kind: str


@dataclass(frozen=True)
class Compilation:
    """What became of one file on one chip.

    Attributes:
        chip: its name.
        version: of the compiler's package; figures move with it.
        seconds: how long the compiler took.
        context_bytes: size of the compiled context; 0 where it was not taken.
        figures: simulated cycles, microseconds and bytes moved, as far as the chip has them.
        left: the nodes that keep the graph from being one on the unit.
        reason: why it was not taken.
        timeline: where the simulated cycles go, if that was asked for and the compiler tells.
    """

    chip: str
    version: str
    seconds: float
    context_bytes: int
    figures: Mapping[str, int]
    left: tuple[Node, ...]
    reason: str | None
    timeline: tuple[NodeCycles, ...] = ()

    @property
    def taken(self) -> bool:
        """Whether the unit runs the whole graph."""
        return self.reason is None


def require_compiler() -> str:
    """The version of the compiler's package.

    Raises:
        MissingPackageError: it is not installed.
        ToolchainError: it does not exist for this system.
    """
    if sys.platform != "linux":
        raise ToolchainError(
            f"{DISTRIBUTION} compiles for the NPU on Linux only, and this is {sys.platform}: "
            f"export here, and measure on Linux (x86-64)"
        )
    if find_spec(PACKAGE) is None:
        raise MissingPackageError(PACKAGE)
    return importlib.metadata.version(DISTRIBUTION)


def compile_for(
    model: Path, chip: Chip, context: Path | None = None, *, timeline: bool = False
) -> Compilation:
    """Compile an ONNX file for one chip.

    Args:
        model: the file.
        chip: whose NPU.
        context: a file that gets the compiled context, as an ONNX model around it.
        timeline: whether to tell where the simulated cycles go.

    Raises:
        MissingPackageError: the compiler is not installed.
        ToolchainError: it does not exist here.
        ConversionError: it crashed or took too long.
        OutputError: the disk for temporary files is full.
    """
    version = require_compiler()
    with _work_folder() as work:
        start = time.monotonic()
        answer = _ask(model, chip, "compile", work, _SECONDS)
        seconds = time.monotonic() - start
        left = tuple(Node(node["name"], node["kind"]) for node in answer["left"])
        if not answer["taken"]:
            reason = _why_left(left) or str(answer["reason"])
            return Compilation(chip.name, version, seconds, 0, {}, left, reason)
        compiled = read_context(work / CONTEXT)
        if context is not None:
            shutil.copyfile(work / CONTEXT, context)
        return Compilation(
            chip=chip.name,
            version=version,
            seconds=seconds,
            context_bytes=compiled.bytes,
            figures=read_profile(work / PROFILE),
            left=(),
            reason=None,
            timeline=read_timeline(work) if timeline else (),
        )


def emulate(model: Path, chip: Chip, inputs: Sequence[Array]) -> Array:
    """Outputs of the emulated NPU, ``[inputs, outputs]``; each input is a call's.

    Raises:
        MissingPackageError: the compiler is not installed.
        ToolchainError: it does not exist here.
        ConversionError: it crashed or took too long.
        OutputError: the disk for temporary files is full.
    """
    require_compiler()
    with _work_folder() as work:
        np.save(work / INPUTS, np.stack(inputs))
        seconds = _SECONDS + _SECONDS_AN_INPUT * len(inputs)
        _ask(model, chip, "answer", work, seconds)
        outputs = np.load(work / OUTPUTS, allow_pickle=False)
    # [inputs, batch, outputs] -> [inputs, outputs]: the images of a call are the same
    return outputs[:, 0]  # type: ignore[no-any-return]


def read_profile(path: Path) -> dict[str, int]:
    """The simulated figures of the compiler's profile, those that it has."""
    names = {row: name for name, row in _ROWS.items()}
    figures = {}
    with path.open(newline="", encoding="utf-8", errors="replace") as lines:
        for row in csv.reader(lines):
            if len(row) > _NAME_COLUMN and row[_NAME_COLUMN] in names:
                value = row[_VALUE_COLUMN]
                if value.isdecimal():
                    figures[names[row[_NAME_COLUMN]]] = int(value)
    return figures


@contextmanager
def _work_folder() -> Iterator[Path]:
    """A folder for one child.

    Raises:
        OutputError: it cannot be made, or not be written to.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    except OSError as error:
        raise OutputError(f"cannot write what the NPU's compiler needs: {error}") from error


def _ask(model: Path, chip: Chip, task: str, folder: Path, seconds: float) -> Any:
    failure = f"the compiler failed on {model.name} for {chip.name}"
    request = {"task": task, "model": str(model.resolve()), "soc_model": chip.soc_model}
    finished = run_to_end(
        [sys.executable, "-m", _WORKER],
        failure,
        folder=folder,
        given=json.dumps(request),
        seconds=seconds,
        error_type=ConversionError,
    )
    if finished.returncode != 0:
        _refuse_full_disk(folder)
        ending = describe_ending(finished.returncode, finished.stderr)
        raise ConversionError(f"{failure}: {ending}")
    try:
        answer = json.loads(finished.stdout)
    except ValueError as error:
        _refuse_full_disk(folder)
        raise ConversionError(f"{failure}: its process gave no valid answer") from error
    if answer.get("taken") is False:
        _refuse_full_disk(folder)
    return answer


def _refuse_full_disk(folder: Path) -> None:
    """Tell a failure for want of space from others: the compiler's own reasons do not.

    Raises:
        OutputError: little is left.
    """
    free = shutil.disk_usage(folder).free
    if free < _NEEDED_BYTES:
        raise OutputError(
            f"the NPU's compiler failed with {free // _MEGA} MB free for temporary files, and may "
            f"need {_NEEDED_BYTES // _MEGA}: free some, or set TMPDIR to a folder with more"
        )


def _why_left(left: Sequence[Node]) -> str | None:
    if not left:
        return None
    kinds = Counter(node.kind for node in left)
    shown = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(_MAX_SHOWN))
    return f"{len(left)} nodes are not taken: {shown}"
