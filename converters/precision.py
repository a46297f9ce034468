"""From the fp32 module to the precision that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from converters.deploy import DeployedModel
from converters.half import to_fp16
from converters.lowering import quiet
from converters.options import KEEP_AUTO, ExportOptions
from converters.prepare import Prepared
from converters.quantisation.plan import Int8Plan
from converters.verify import Case, artifact_input


@dataclass(frozen=True)
class Reduced:
    """Parts that stay in fp32, and what static int8 needs besides the module."""

    kept: tuple[str, ...] = ()
    plan: Int8Plan | None = None


def reduce_precision(
    module: DeployedModel,
    prepared: Prepared,
    options: ExportOptions,
    batches: Sequence[torch.Tensor],
    cases: Sequence[Case],
    progress: Callable[[str], None],
) -> Reduced:
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
        case "fp16" if options.backend == "xnnpack":
            progress("looking for values beyond fp16")
            size = options.batch or 1
            inputs = [
                torch.from_numpy(artifact_input(prepared, options, [case.pixels] * size))
                for case in cases
            ]
            return Reduced(kept=to_fp16(module, inputs))
        case "int8":
            return _static_int8(module, prepared, options, batches, progress)
        case _:
            return Reduced()


def _static_int8(
    module: DeployedModel,
    prepared: Prepared,
    options: ExportOptions,
    batches: Sequence[torch.Tensor],
    progress: Callable[[str], None],
) -> Reduced:
    from converters.quantisation.keep import check_keep
    from converters.quantisation.range_groups import apply_range_groups

    automatic = options.int8_keep == (KEEP_AUTO,)
    if not automatic:
        check_keep(options.int8_keep, prepared.model)
    progress("measuring the ranges of channels")
    apply_range_groups(module, batches)
    keep = _sensitive_parts(module, batches, progress) if automatic else options.int8_keep
    return Reduced(keep, Int8Plan(tuple(batches), keep))


def _sensitive_parts(
    module: DeployedModel, batches: Sequence[torch.Tensor], progress: Callable[[str], None]
) -> tuple[str, ...]:
    with quiet():
        # torchao, which talks while it is imported.
        from converters.quantisation.sensitivity import choose_keep
    return choose_keep(module, batches, progress)
