"""From the fp32 module to the precision that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from converters.checks.numerics import Case, module_input
from converters.export.options import KEEP_AUTO, ExportOptions
from converters.export.source import SourceModel
from converters.export.wrapping import ExportableModel
from converters.precision.fp16 import find_fp32_regions, to_fp16
from converters.quiet import quiet


@dataclass(frozen=True)
class PrecisionPlan:
    """What a backend needs besides the module.

    ``kept`` are parts that stay in fp32; ``batches`` are inputs of the artifact that set the ranges
    of static int8.
    """

    kept: tuple[str, ...] = ()
    batches: tuple[torch.Tensor, ...] = ()


def apply_precision(
    module: ExportableModel,
    prepared: SourceModel,
    options: ExportOptions,
    batches: Sequence[torch.Tensor],
    cases: Sequence[Case],
    progress: Callable[[str], None],
) -> PrecisionPlan:
    """Prepare ``module``, in place, for its precision.

    Args:
        module: in fp32.
        prepared: the reference it was made of.
        options: the export.
        batches: calibration inputs; empty but for ``int8``.
        cases: images that show where fp16 would overflow.
        progress: told of long steps.
    """
    match options.precision:
        case "int8":
            return _static_int8(module, prepared, options, batches, progress)
        case "fp32":
            return PrecisionPlan()
        case _ if options.target == "coreml":
            # Core ML computes in fp16 whatever the weights are stored in; its converter casts.
            progress("looking for values beyond fp16")
            return PrecisionPlan(kept=find_fp32_regions(module, _inputs(prepared, options, cases)))
        case "fp16" if options.backend == "xnnpack":
            progress("looking for values beyond fp16")
            return PrecisionPlan(kept=to_fp16(module, _inputs(prepared, options, cases)))
        case _:
            return PrecisionPlan()


def _inputs(
    prepared: SourceModel, options: ExportOptions, cases: Sequence[Case]
) -> list[torch.Tensor]:
    """The cases as inputs of the deployed module, one image a batch."""
    size = options.batch or 1
    return [
        torch.from_numpy(module_input(prepared, options, [case.pixels] * size)) for case in cases
    ]


def _static_int8(
    module: ExportableModel,
    prepared: SourceModel,
    options: ExportOptions,
    batches: Sequence[torch.Tensor],
    progress: Callable[[str], None],
) -> PrecisionPlan:
    from converters.precision.parts import check_part_names
    from converters.precision.range_groups import apply_range_groups

    automatic = options.int8_keep == (KEEP_AUTO,)
    if not automatic:
        check_part_names(options.int8_keep, prepared.model)
    progress("measuring the ranges of channels")
    apply_range_groups(module, batches)
    keep = _sensitive_parts(module, batches, progress) if automatic else options.int8_keep
    return PrecisionPlan(keep, tuple(batches))


def _sensitive_parts(
    module: ExportableModel, batches: Sequence[torch.Tensor], progress: Callable[[str], None]
) -> tuple[str, ...]:
    with quiet():
        # torchao, which talks while it is imported.
        from converters.precision.sensitivity import choose_fp32_parts
    return choose_fp32_parts(module, batches, progress)
