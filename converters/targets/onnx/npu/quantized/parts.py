"""An export's graph with the widths that its precision and its options lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import onnx

from converters.job.job import ExportJob
from converters.precision.apply import PrecisionPlan
from converters.precision.parts import block_parts, part_filter, part_names
from converters.progress import Progress
from converters.targets.onnx.npu.quantized.mixing import choose_widths
from converters.targets.onnx.npu.quantized.quantize import Calibrated, possible_widths
from converters.targets.onnx.npu.quantized.widths import Width, Widths, width_at, widths_of
from mobilevit_edge.models.network import MobileViT


def quantize_parts(
    model: onnx.ModelProto,
    network: MobileViT,
    job: ExportJob,
    plan: PrecisionPlan,
    progress: Progress,
) -> tuple[onnx.ModelProto, PrecisionPlan]:
    """The quantized graph, and the plan with the widths of all parts.

    Args:
        model: in float, its nodes named after modules.
        network: the rewritten one that it came from.
        job: the export.
        plan: parts that the user keeps in float, and inputs of the graph.
        progress: called with each step.
    """
    precision, spec = job.options.precision, job.source.spec
    calibrated = Calibrated(model, tuple(batch.numpy() for batch in plan.batches))
    widths = _kept(possible_widths(model.graph, widths_of(precision, spec)), plan.fp32_parts)
    if precision == "mixed":
        free = [part for part in block_parts(network) if part not in plan.fp32_parts]
        widths = choose_widths(calibrated, widths, free, progress, kept=plan.fp32_parts)
    quantized = calibrated.quantized(widths, progress)
    in_float = _in_float((*part_names(network), *plan.fp32_parts), widths)
    return quantized, replace(plan, fp32_parts=in_float, widths=widths)


def _in_float(names: Sequence[str], widths: Widths) -> tuple[str, ...]:
    """Those of a network's parts that compute in float; not what lies in one of them."""
    found: list[str] = []
    for name in names:
        if width_at(widths, name) == 0 and not part_filter(found)(name):
            found.append(name)
    return tuple(found)


def _kept(widths: Widths, kept: tuple[str, ...]) -> dict[str, Width]:
    """``widths`` with the parts in float that the user keeps so, and all below them."""
    inside = part_filter(kept)
    outside = {name: width for name, width in widths.items() if not inside(name)}
    return {**outside, **dict.fromkeys(kept, 0)}
