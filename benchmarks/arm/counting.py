"""Instructions of bundles on emulated processors, and their answers against this machine's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import numpy as np

from benchmarks.analysis.agreement import agreement
from benchmarks.arm.emulation import emulate
from benchmarks.arm.processors import Processor
from benchmarks.arm.runtimes import EMULATED_TARGETS, EmulatedTarget
from benchmarks.arm.toolchain import Toolchain
from benchmarks.harness.machine import new_run
from benchmarks.harness.plan import FileSource
from benchmarks.workloads.bundles import answer_of, candidates_of, inputs_of
from converters.targets.bundles import load_bundle_model
from converters.targets.comparison import compare_answers
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.formats.report import Affinity, InstructionRow, Protocol, Run

EXPERIMENT: Final = "arm"
MAX_IMAGES: Final = 16
"""Most photos to compare: each takes seconds under emulation."""
_MAX_REASON: Final = 200
TOLERANCE: Final = 0.005
"""Change of a record, as a share of all instructions. A count repeats exactly; another installation
moves it by up to 0.05 %, since paths are on the guest's stack."""


@dataclass(frozen=True)
class CountingJob:
    """A bundle on a processor, and its row before it is counted."""

    row: InstructionRow
    bundle: Bundle
    processor: Processor


def counting_jobs(
    paths: Sequence[Path], processors: Sequence[Processor]
) -> tuple[CountingJob, ...]:
    """Every bundle on every processor; what cannot be emulated has its reason in the row.

    Raises:
        BundleError: one of them is not a bundle.
    """
    jobs = []
    bundles = [read_bundle(path) for path in paths]
    for bundle, candidate in zip(bundles, candidates_of(bundles, EXPERIMENT), strict=True):
        assert isinstance(candidate.source, FileSource)
        for processor in processors:
            row = InstructionRow(
                id=f"{candidate.row.id} {processor.name}",
                experiment=EXPERIMENT,
                subject=candidate.row.subject,
                runtime=candidate.row.runtime,
                not_run=_obstacle(bundle),
                source=f"ARM instruction count (emulated {processor.name})",
            )
            jobs.append(CountingJob(row, bundle, processor))
    return tuple(jobs)


def _obstacle(bundle: Bundle) -> str | None:
    """Why a bundle cannot be counted, known before minutes of work."""
    if bundle.manifest.target not in EMULATED_TARGETS:
        return f"there is no ARM runtime for {bundle.manifest.target} here"
    match answer_of(bundle):
        # The emulated runners write fp32 alone.
        case "labels":
            return "labels cannot be read from the emulated runtime: export with --mask logits"
        case "nms":
            return "boxes after suppression are no numbers to compare: export with --boxes decoded"
    return None


def count_instructions(
    job: CountingJob, toolchain: Toolchain, images: Path | None, show: Callable[[str], None]
) -> InstructionRow:
    """Emulate a job; a runtime that fails is a reason in the row.

    Args:
        job: what to count.
        toolchain: set up.
        images: a photo or a folder of them, on which both machines must agree; the bundle's golden
            image is always one of the inputs.
        show: shows the running step.
    """
    if job.row.not_run is not None:
        return job.row
    inputs = inputs_of(job.bundle, images, MAX_IMAGES)
    show(f"emulating {job.row.id}, {len(inputs)} inputs")
    loaded = load_bundle_model(job.bundle)
    target = cast("EmulatedTarget", job.bundle.manifest.target)
    try:
        found = emulate(
            toolchain, job.processor, target, job.bundle.model_path, [[x] for x in inputs]
        )
    except ConversionError as error:
        return replace(job.row, not_run=str(error)[:_MAX_REASON])
    if not np.isfinite(found.outputs).all():
        return replace(job.row, not_run="the emulated runtime outputs NaN or Inf")
    form = answer_of(job.bundle)
    compared = []
    for x, numbers in zip(inputs, found.outputs, strict=True):
        expected = loaded.run(x)
        # All images of a batch are the same one.
        compared.append(compare_answers(form, numbers.reshape(expected.shape)[0], expected[0]))
    return replace(job.row, counts=found.counts, agreement=agreement(compared))


def allowed_change(kind: str, recorded: Mapping[str, int]) -> float:
    """Relative to all instructions, not to the kind: a few more of a rare one are no regression."""
    return TOLERANCE * max(recorded.values(), default=0)


def run_of(rows: Sequence[InstructionRow]) -> Run:
    """A run that holds only counts."""
    # One inference after a first one: counts repeat.
    protocol = Protocol(
        processes=1, seconds=None, warm_up=1, seed=None, max_noise=None, digest=None
    )
    return new_run(affinity=Affinity(None, None), protocol=protocol, rows=tuple(rows))
