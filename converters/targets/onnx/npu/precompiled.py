"""A model compiled ahead for single chips: contexts beside it, each checked as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from converters.job.precisions import PRECISIONS
from converters.progress import Progress
from converters.targets.loaded import Array
from converters.targets.onnx.npu.chips import CHIPS, Chip
from converters.targets.onnx.npu.compiler import DISTRIBUTION, Node, compile_for, emulate
from converters.targets.onnx.npu.contexts import read_context
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.bundle import CONTEXTS_FOLDER, ContextInfo, enlarge, golden_pixels

if TYPE_CHECKING:
    from converters.job.job import ExportJob

_MAX_NODES: Final = 5


def allowed_difference(precision: str) -> float:
    """How far the emulated unit's outputs may be from the CPU's, as a share of the largest one.

    It computes in fp16 whatever the file says, and comes to 0.07 on photos; where fp16 goes into
    integers, which it often rounds to a neighbor, to 0.14 (docs/howto/npu.md).
    """
    return 0.25 if PRECISIONS[precision].quantized else 0.1


def compile_contexts(job: ExportJob, model: Path, progress: Progress) -> tuple[ContextInfo, ...]:
    """Compile a model for the chips of an export, into files beside it.

    Each file is loaded again and answers the golden image under emulation.

    Raises:
        MissingPackageError: the compiler is not installed.
        ToolchainError: it does not exist here.
        ConversionError: it crashed or took too long.
        VerificationError: a chip does not take the whole graph, or answers otherwise.
        OutputError: the disk is full.
    """
    from converters.targets.onnx.runtime import load

    if not job.options.soc:
        return ()
    image = job.artifact_input.repeated(enlarge(golden_pixels(), job.source.image_size))
    expected = load(model).run(image)[0]
    (model.parent / CONTEXTS_FOLDER).mkdir()
    contexts = []
    for name in job.options.soc:
        chip = CHIPS[name]
        place = f"{CONTEXTS_FOLDER}/{name}.onnx"
        progress(f"compiling for {name}")
        compiled = compile_for(model, chip, model.parent / place)
        if compiled.reason is not None:
            raise VerificationError(_not_taken(chip, compiled.reason, compiled.left))
        progress(f"emulating {name}")
        difference = _difference(expected, emulate(model.parent / place, chip, [image])[0])
        allowed = allowed_difference(job.options.precision)
        if not difference <= allowed:
            raise VerificationError(
                f"compiled for {name}, the model's answer to the golden image differs by "
                f"{difference:.1e} of the largest output from the CPU's, and {allowed:g} is "
                f"allowed: export without --soc {name}"
            )
        compiler = f"{DISTRIBUTION} {compiled.version}"
        sdk = read_context(model.parent / place).sdk
        contexts.append(ContextInfo(name, place, compiler, sdk, difference))
    return tuple(contexts)


def _difference(expected: Array, found: Array) -> float:
    """The largest difference of two answers, as a share of the largest number; NaN for NaN."""
    largest = max(float(np.abs(expected).max()), 1e-6)
    return float(np.abs(found - expected).max()) / largest


def _not_taken(chip: Chip, reason: str, left: Sequence[Node]) -> str:
    nodes = ", ".join(node.name for node in left[:_MAX_NODES])
    where = f" ({nodes})" if nodes else ""
    return f"{chip.name} does not take the whole graph: {reason}{where}"
