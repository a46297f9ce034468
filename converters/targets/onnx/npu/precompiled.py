"""A model compiled ahead for single chips: contexts beside it, each checked as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from converters.progress import Progress
from converters.targets.comparison import compare_answers
from converters.targets.onnx.npu.chips import CHIPS, Chip
from converters.targets.onnx.npu.compiler import DISTRIBUTION, Node, compile_for, emulate
from converters.targets.onnx.npu.contexts import read_context
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.golden import enlarge, golden_pixels
from mobilevit_edge.formats.manifest import CONTEXTS_FOLDER, ContextInfo

if TYPE_CHECKING:
    from converters.job.job import ExportJob

_MAX_NODES: Final = 5


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
    from converters.targets.onnx.npu.label_logits import load_logits
    from converters.targets.onnx.runtime import load

    if not job.options.soc:
        return ()
    image = job.artifact_input.repeated(enlarge(golden_pixels(), job.source.image_size))
    loaded = load_logits(model) if job.answer == "labels" else load(model)
    expected = loaded.run(image)[0]
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
        answer = emulate(model.parent / place, chip, [image])[0]
        difference = compare_answers(job.answer, answer, expected).difference
        allowed = job.precision.npu_tolerance
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


def _not_taken(chip: Chip, reason: str, left: Sequence[Node]) -> str:
    nodes = ", ".join(node.name for node in left[:_MAX_NODES])
    where = f" ({nodes})" if nodes else ""
    return f"{chip.name} does not take the whole graph: {reason}{where}"
