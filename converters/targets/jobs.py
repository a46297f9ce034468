"""The export of a loaded model to a target: what its artifact takes and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converters.job.options import ExportOptions
from converters.job.precisions import PRECISIONS
from converters.targets.base import TargetInfo, get_target
from mobilevit_edge.boxes import DetectionRules
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.manifest import AnswerForm

if TYPE_CHECKING:
    from converters.job.job import ExportJob
    from converters.job.source import SourceModel


def make_job(options: ExportOptions, source: SourceModel) -> ExportJob:
    """The export of a loaded model.

    Raises:
        UsageError: the target's format has no images of the model's channels.
    """
    from converters.job.job import ExportJob

    info = get_target(options.target).info
    channels = source.spec.in_channels
    if channels not in info.image_channels:
        possible = " or ".join(map(str, info.image_channels))
        raise UsageError(
            f"{options.weights} takes images of {channels} channels, and those of {info.name} have "
            f"{possible}: choose another target"
        )
    answer = _answer_form(options, source, info)
    return ExportJob(
        options,
        source,
        takes_pixels=options.raw_input or info.takes_pixels,
        activation="none" if info.gives_probabilities else options.activation,
        float_layout=options.layout or info.float_layout,
        answer=answer,
        rules=(info.suppression if answer == "nms" else None) or DetectionRules(),
    )


def _answer_form(
    options: ExportOptions, source: SourceModel, info: TargetInfo
) -> AnswerForm | None:
    """What the artifact makes of the head. Raises UsageError for what the head does not have."""
    for name, task in (("mask", "segmentation"), ("boxes", "detection")):
        if getattr(options, name) is not None and source.task != task:
            raise UsageError(f"{options.weights} is made for {source.task}: leave out --{name}")
    if source.spec.head is None:
        return None
    refused = {
        "--image-size dynamic": options.dynamic_size,
        "--flexible-sizes and --function-sizes": bool(options.other_sizes),
    }
    for what, asked in refused.items():
        if asked:
            raise UsageError(f"{source.spec.name} cannot be exported with {what}")
    if options.precision not in info.head_precisions:
        possible = [p for p in info.head_precisions if options.unit in PRECISIONS[p].units]
        raise UsageError(
            f"{source.spec.name} cannot be exported with --precision {options.precision} for "
            f"{info.name}; its head takes {', '.join(possible)}"
        )
    on_npu = options.unit == "npu"
    if options.boxes == "nms" and (on_npu or info.suppression is None):
        raise UsageError(
            f"{'the NPU' if on_npu else info.name} has no operator that suppresses boxes as the "
            f"checkpoint's code does: export with --boxes decoded, and apply head.boxes of the "
            f"manifest in the app, as the sample apps do"
        )
    return (options.boxes or "decoded") if source.task == "detection" else options.mask or info.mask
