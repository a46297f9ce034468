"""The manifest of a finished export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.checks.labeled import Measured
from converters.job.job import ExportJob
from converters.precision.apply import PrecisionPlan
from converters.rewrites.base import Outcome
from converters.targets.base import INPUT_NAME, ManifestExtras, output_name
from mobilevit_edge.colors import class_colors
from mobilevit_edge.counting import Complexity
from mobilevit_edge.formats.bundle import describe_files
from mobilevit_edge.formats.manifest import (
    LABELS_FILE,
    SCHEMA_VERSION,
    AppliedRewrite,
    Audit,
    BoxInfo,
    Calibration,
    ContextInfo,
    Golden,
    HeadInfo,
    LabelsInfo,
    Manifest,
    ModelInfo,
    OutputInfo,
    RefusedRewrite,
    Verification,
)
from mobilevit_edge.head_specs import DeepLabV3Spec, SSDLiteSpec


@dataclass(frozen=True)
class Checked:
    """What the artifact has shown: ``None`` where it cannot run here.

    ``native`` is the verification in the runtime that ``verification`` stands in for.
    """

    audit: Audit
    verification: Verification | None
    native: Verification | None
    measured: Measured
    golden: Golden


def make_manifest(
    job: ExportJob,
    plan: PrecisionPlan,
    outcomes: Sequence[Outcome],
    calibration: Calibration | None,
    checked: Checked,
    extras: ManifestExtras,
    contexts: tuple[ContextInfo, ...],
    counts: Complexity,
    versions: Mapping[str, str],
    folder: Path,
) -> Manifest:
    """All that a bundle says about itself; ``folder`` holds everything else of it."""
    options, source = job.options, job.source
    return Manifest(
        schema_version=SCHEMA_VERSION,
        task=job.task,
        model=ModelInfo(
            name=source.spec.name,
            outputs=source.outputs,
            image_size=source.image_size,
            parameters=counts.parameters,
            macs=counts.macs,
        ),
        target=options.target,
        unit=options.unit,
        backend=extras.backend,
        coreml=extras.coreml,
        contexts=contexts,
        precision=options.precision,
        kept_in_float=plan.fp32_parts,
        calibration=calibration,
        source=source.origin,
        input=job.artifact_input.info(INPUT_NAME),
        output=OutputInfo(
            name=output_name(job.task, job.activation, job.answer),
            dtype=job.output.dtype,
            shape=(options.batch, *job.output.sides),
            activation=job.activation,
        ),
        head=_head_info(job),
        labels=LabelsInfo(LABELS_FILE, len(source.labels), source.labels_source),
        rewrites=tuple(AppliedRewrite(o.name, o.sites) for o in outcomes if o.sites),
        rewrites_refused=tuple(RefusedRewrite(o.name, o.refused) for o in outcomes if o.refused),
        audit=checked.audit,
        verification=checked.verification,
        accuracy=checked.measured.accuracy,
        head_accuracy=checked.measured.head_accuracy,
        golden=checked.golden,
        versions=versions,
        files=describe_files(folder),
    )


def _head_info(job: ExportJob) -> HeadInfo | None:
    source, head, form = job.source, job.source.spec.head, job.answer
    if head is None or form is None:
        return None
    return HeadInfo(
        name=head.name,
        answer=form,
        output_stride=None if isinstance(head, SSDLiteSpec) else head.output_stride,
        rates=head.rates if isinstance(head, DeepLabV3Spec) else (),
        mask_resize=None if isinstance(head, SSDLiteSpec) else head.resize,
        boxes=_box_info(job, head) if isinstance(head, SSDLiteSpec) else None,
        colors=class_colors(source.labels),
        provenance=source.head_provenance,
    )


def _box_info(job: ExportJob, head: SSDLiteSpec) -> BoxInfo:
    rules = job.rules
    return BoxInfo(
        maps=tuple(job.source.model.head_maps(job.source.image_size)),
        scales=head.scales,
        ratios=head.ratios,
        center_variance=head.center_variance,
        size_variance=head.size_variance,
        score=rules.score,
        candidates=rules.candidates,
        overlap=rules.overlap,
        detections=rules.detections,
        one_class=rules.one_class,
    )
