"""An export from checkpoint to verified bundle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import mobilevit_edge
from converters.bundling.manifest import Checked, make_manifest
from converters.checks.cases import Case, cases_at_other_sizes, verification_cases
from converters.checks.diagnosis import Diagnosis, check_preprocessing
from converters.checks.graph_contract import check_contract, contract_for
from converters.checks.labeled import Labeled, Measured, find_labels, labeled_images, measure
from converters.checks.numerics import Reference, verify
from converters.checks.self_test import make_golden
from converters.job.job import ExportJob
from converters.job.option_checks import check_images, check_options
from converters.job.options import ExportOptions
from converters.job.source import SourceModel, load_source
from converters.job.wrapping import wrap_for_export
from converters.precision.apply import apply_precision
from converters.progress import Progress, no_progress
from converters.targets.base import Target, package_versions, target_to_export
from converters.targets.jobs import make_job
from converters.tracing import quick_tracing
from mobilevit_edge.counting import complexity
from mobilevit_edge.errors import UsageError
from mobilevit_edge.files import folder_transaction
from mobilevit_edge.formats.bundle import holds_only_a_bundle
from mobilevit_edge.formats.consistency import MAX_INPUT_ELEMENTS
from mobilevit_edge.formats.manifest import (
    LABELS_FILE,
    MANIFEST_FILE,
    Audit,
    Calibration,
    Manifest,
    manifest_to_json,
)
from mobilevit_edge.places import check_folder_place, refuse_inputs
from mobilevit_edge.temporary import require_temporary_folder


@dataclass(frozen=True)
class Exported:
    """A finished export; labeled photos may have said something about its preprocessing."""

    path: Path
    manifest: Manifest
    diagnosis: Diagnosis | None = None


def export_bundle(options: ExportOptions, progress: Progress = no_progress) -> Exported:
    """Make a verified bundle.

    The bundle appears at its place only when everything has succeeded; an older one stays until
    then.

    Raises:
        MobileViTEdgeError: see the subclasses; nothing is left behind.
    """
    check_options(options)
    target = target_to_export(options.target)
    target.check_options(options)
    check_images(options)
    require_temporary_folder()
    if options.output is not None:
        check_output(Path(options.output), options)
    progress("reading the checkpoint")
    return export_source(load_source(options), options, target, progress)


def export_source(
    source: SourceModel, options: ExportOptions, target: Target, progress: Progress = no_progress
) -> Exported:
    """Make a verified bundle of a model that is loaded; see :func:`export_bundle`."""
    job = make_job(options, source)
    output = Path(options.output or default_folder(job))
    check_output(output, options)
    if math.prod(side or 1 for side in job.artifact_input.shape) > MAX_INPUT_ELEMENTS:
        raise UsageError(
            f"--batch {options.batch} at this image size makes an input that no bundle may have: "
            f"choose a smaller one"
        )
    labeled = find_labels(job, progress)
    diagnosis = None
    if labeled and job.task == "classification":
        diagnosis = check_preprocessing(job, labeled_images(labeled), progress)
    batches: tuple[torch.Tensor, ...] = ()
    calibration = None
    if options.calibration is not None:
        from converters.precision.calibration import calibration_set

        images = calibration_set(Path(options.calibration), job, progress)
        batches = images.batches
        calibration = Calibration(images.images, images.unreadable)
    cases = list(verification_cases(job))

    with folder_transaction(output, holds_only_a_bundle) as folder, quick_tracing():
        wrapped = wrap_for_export(job, target.rewrites(source.spec, options))
        # One at a time, and only where somebody reads them: a batch of photos is large.
        inputs = (torch.from_numpy(job.module_input.repeated(case.pixels)) for case in cases)
        fp16_by = target.fp16_by(options)
        plan = apply_precision(wrapped.module, job, fp16_by, batches, inputs, progress)
        progress(f"converting to {options.target}")
        model_path = folder / target.info.model_file
        plan = target.convert(wrapped.module, job, plan, model_path, progress)

        progress("checking the graph's contract")
        counts = complexity(source.model, source.image_size)
        contract = contract_for(
            job,
            max_rank=target.max_rank(wrapped.applied),
            operators=target.operators(options),
            macs=counts.macs,
            fp32_parts=plan.fp32_parts,
        )
        audit = check_contract(target.inspect(model_path), contract)
        checked = _check_answers(target, model_path, job, audit, cases, labeled, progress)
        contexts = target.compile_contexts(job, model_path, progress)

        labels = "\n".join(source.labels) + "\n"
        (folder / LABELS_FILE).write_text(labels, encoding="utf-8")
        manifest = make_manifest(
            job,
            plan,
            wrapped.outcomes,
            calibration,
            checked,
            target.extras(job, checked.native),
            contexts,
            counts,
            {"mobilevit-edge": mobilevit_edge.__version__, **package_versions(target.info)},
            folder,
        )
        (folder / MANIFEST_FILE).write_text(manifest_to_json(manifest), encoding="utf-8")
    return Exported(output, manifest, diagnosis)


def _check_answers(
    target: Target,
    path: Path,
    job: ExportJob,
    audit: Audit,
    cases: Sequence[Case],
    labeled: Labeled,
    progress: Progress,
) -> Checked:
    """Run the file as written, where that is possible here."""
    reference = Reference(job)
    if not target.runs_here(job.options):
        return Checked(audit, None, None, Measured(), make_golden(job, reference, None))
    progress("verifying the file as written")
    loaded, native = target.load(path), target.load_native(path)
    cases = [*cases, *cases_at_other_sizes(job)]
    return Checked(
        audit=audit,
        verification=verify(loaded, job, reference, cases),
        measured=measure(loaded, job, labeled, progress),
        golden=make_golden(job, reference, loaded),
        native=verify(native, job, reference, cases) if native else None,
    )


def default_folder(job: ExportJob) -> str:
    """A name that says what is inside, in the current folder."""
    height, width = job.source.image_size
    size = str(height) if height == width else f"{height}x{width}"
    return f"{job.source.spec.name}-{job.options.target}-{job.options.precision}-{size}"


def check_output(output: Path, options: ExportOptions) -> None:
    """Refuse to replace anything that is not a bundle, and whatever the export reads.

    Raises:
        OutputError: something else is there, or an input.
    """
    check_folder_place(output, holds_only_a_bundle)
    named = (options.weights, options.labels, options.calibration, options.verify)
    refuse_inputs(output, [Path(name) for name in named if name is not None])
