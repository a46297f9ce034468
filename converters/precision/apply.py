"""From the fp32 module to the precision that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import torch

from converters.job.job import ExportJob
from converters.job.options import AUTOMATIC
from converters.job.wrapping import ExportableModel
from converters.precision.fp16 import find_fp32_regions, to_fp16
from converters.progress import Progress
from converters.quiet import quiet

_MASK_LOGITS: Final = ("head.classifier",)
"""A thousandth of a head's work; in 256 levels, two classes would often have the same logit."""


@dataclass(frozen=True)
class PrecisionPlan:
    """What a conversion needs to know besides the module.

    ``fp32_parts`` are parts that stay in fp32; ``batches`` are inputs of the module that set the
    ranges of calibrated int8; ``widths`` are the bits of the activations of each part, 0 for float,
    where a target chooses them.
    """

    fp32_parts: tuple[str, ...] = ()
    batches: tuple[torch.Tensor, ...] = ()
    widths: Mapping[str, int] = field(default_factory=dict)


def apply_precision(
    module: ExportableModel,
    job: ExportJob,
    fp16_by: Literal["module", "converter"] | None,
    batches: Sequence[torch.Tensor],
    inputs: Iterable[torch.Tensor],
    progress: Progress,
) -> PrecisionPlan:
    """Prepare ``module``, in place, for its precision.

    Args:
        module: in fp32.
        job: the export.
        fp16_by: who makes fp16, as the target says.
        batches: calibration inputs; empty unless the precision is calibrated.
        inputs: inputs of the module that show where fp16 would overflow; read once, if at all.
        progress: called with each long step.
    """
    if job.precision.calibrated and job.options.unit == "npu":
        return _calibrated_for_npu(module, job, batches, progress)
    if job.precision.calibrated:
        return _calibrated_int8(module, job, batches, progress)
    if fp16_by is None:
        return PrecisionPlan()
    progress("looking for values beyond fp16")
    convert = to_fp16 if fp16_by == "module" else find_fp32_regions
    return PrecisionPlan(fp32_parts=convert(module, inputs))


def _calibrated_for_npu(
    module: ExportableModel,
    job: ExportJob,
    batches: Sequence[torch.Tensor],
    progress: Progress,
) -> PrecisionPlan:
    from converters.precision.parts import check_part_names
    from converters.precision.split_gates import apply_split_gates

    parts = tuple(job.options.int8_keep)
    check_part_names(parts, job.source.model)
    if job.options.precision != "w8a16":
        progress("measuring the ranges of channels")
        apply_split_gates(module, batches)
    return PrecisionPlan((*parts, *_always_in_float(job)), tuple(batches))


def _always_in_float(job: ExportJob) -> tuple[str, ...]:
    """Parts that no integers hold, whoever calibrates."""
    return _MASK_LOGITS if job.task == "segmentation" else ()


def _calibrated_int8(
    module: ExportableModel,
    job: ExportJob,
    batches: Sequence[torch.Tensor],
    progress: Progress,
) -> PrecisionPlan:
    from converters.precision.parts import check_part_names
    from converters.precision.range_groups import apply_range_groups

    parts = tuple(job.options.int8_keep)
    automatic = parts == (AUTOMATIC,)
    if not automatic:
        check_part_names(parts, job.source.model)
    progress("measuring the ranges of channels")
    # What is made of the network's numbers is neither int8 nor a measure of it.
    network = module.without_answer()
    apply_range_groups(network, batches)
    if automatic:
        with quiet():
            # torchao, which prints while it is imported.
            from converters.precision.sensitivity import choose_fp32_parts
        parts = choose_fp32_parts(network, batches, progress)
    return PrecisionPlan((*parts, *_always_in_float(job)), tuple(batches))
