"""The manifest of a finished export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.job.job import ExportJob
from converters.precision.apply import PrecisionPlan
from converters.rewrites.base import Outcome
from converters.targets.base import INPUT_NAME, ManifestExtras, output_name
from mobilevit_edge.counting import Complexity
from mobilevit_edge.formats.bundle import (
    LABELS_FILE,
    SCHEMA_VERSION,
    Accuracy,
    AppliedRewrite,
    Audit,
    Calibration,
    Golden,
    LabelsInfo,
    Manifest,
    ModelInfo,
    OutputInfo,
    RefusedRewrite,
    Verification,
    describe_files,
)


@dataclass(frozen=True)
class Checked:
    """What the artifact has shown: ``None`` where it cannot run here.

    ``native`` is the verification in the runtime that ``verification`` stands in for.
    """

    audit: Audit
    verification: Verification | None
    native: Verification | None
    accuracy: Accuracy | None
    golden: Golden


def make_manifest(
    job: ExportJob,
    plan: PrecisionPlan,
    outcomes: Sequence[Outcome],
    calibration: Calibration | None,
    checked: Checked,
    extras: ManifestExtras,
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
        precision=options.precision,
        kept_in_float=plan.fp32_parts,
        calibration=calibration,
        source=source.origin,
        input=job.artifact_input.info(INPUT_NAME),
        output=OutputInfo(
            name=output_name(job.task, job.activation),
            dtype="float32",
            shape=(options.batch, source.outputs),
            activation=job.activation,
        ),
        labels=LabelsInfo(LABELS_FILE, len(source.labels), source.labels_source),
        rewrites=tuple(AppliedRewrite(o.name, o.sites) for o in outcomes if o.sites),
        rewrites_refused=tuple(RefusedRewrite(o.name, o.refused) for o in outcomes if o.refused),
        audit=checked.audit,
        verification=checked.verification,
        accuracy=checked.accuracy,
        golden=checked.golden,
        versions=versions,
        files=describe_files(folder),
    )
