"""An export from checkpoint to verified bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import mobilevit_edge
from converters.checks.accuracy import LabeledImage, check_gate, find_labeled, measure_accuracy
from converters.checks.graph_contract import check_contract
from converters.checks.numerics import Case, Reference, make_golden, verification_cases, verify
from converters.export.options import ExportOptions, check_options, deployment_target, runs_here
from converters.export.source import SourceModel, load_source
from converters.export.wrapping import wrap_for_export
from converters.precision.apply import apply_precision
from converters.rewrites.base import Outcome
from converters.targets.base import INPUT_NAME, Backend, get_backend, output_name
from mobilevit_edge.counting import complexity
from mobilevit_edge.errors import OutputError
from mobilevit_edge.files import folder_transaction
from mobilevit_edge.formats.bundle import (
    LABELS_FILE,
    MANIFEST_FILE,
    SCHEMA_VERSION,
    Accuracy,
    AppliedRewrite,
    Calibration,
    CoreMLInfo,
    Golden,
    InputInfo,
    LabelsInfo,
    Manifest,
    ModelInfo,
    OutputInfo,
    RefusedRewrite,
    Resize,
    SizeInfo,
    Verification,
    describe_files,
    holds_only_a_bundle,
    manifest_to_json,
)

Progress = Callable[[str], None]
"""Told the name of each step as it begins."""

_SOFTMAX: Final = "softmax"


@dataclass(frozen=True)
class Exported:
    """A finished export."""

    path: Path
    manifest: Manifest


def export_bundle(options: ExportOptions, progress: Progress) -> Exported:
    """Make a verified bundle.

    The bundle appears at its place only when everything has succeeded; an older one stays until
    then.

    Raises:
        MobileViTEdgeError: see the subclasses; nothing is left behind.
    """
    backend = get_backend(options.target)
    check_options(options, backend.PRECISIONS)
    if options.output is not None:
        check_output(options.output)

    progress("reading the checkpoint")
    prepared = load_source(options)
    target_folder = options.output or Path(default_folder(prepared, options))
    check_output(target_folder)
    labeled = find_labeled(options.verify, prepared.labels) if options.verify else ()
    check_gate(options, labeled)
    calibration = None
    if options.calibration is not None:
        from converters.precision.calibration import calibration_batches

        calibration = calibration_batches(options.calibration, prepared, options, progress)
    cases = list(verification_cases(prepared, options))

    with folder_transaction(target_folder) as folder:
        deployed = wrap_for_export(
            prepared, options, backend.rewrites(prepared.model.spec, options)
        )
        reduced = apply_precision(
            deployed.module,
            prepared,
            options,
            calibration.batches if calibration else (),
            cases,
            progress,
        )
        progress(f"converting to {options.target}")
        model_path = folder / backend.MODEL_FILE
        backend.convert(deployed.module, prepared, options, model_path, reduced)

        progress("checking the graph's contract")
        rewrites = applied_rewrites(deployed.outcomes)
        counts = complexity(prepared.model, prepared.image_size)
        audit = check_contract(
            backend.inspect(model_path),
            prepared.model.spec,
            (prepared.image_size, *options.coreml.other_sizes),
            options,
            {rewrite.name for rewrite in rewrites},
            counts.macs * (options.batch or 1),
            reduced.kept,
        )

        proof = _prove(backend, model_path, prepared, options, cases, labeled, progress)

        (folder / LABELS_FILE).write_text("\n".join(prepared.labels) + "\n", encoding="utf-8")
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            model=ModelInfo(
                name=prepared.model.spec.name,
                outputs=prepared.outputs,
                image_size=prepared.image_size,
                parameters=counts.parameters,
                macs=counts.macs,
            ),
            target=options.target,
            backend=options.backend if options.target == "executorch" else None,
            coreml=_coreml_info(prepared, options, proof) if options.target == "coreml" else None,
            precision=options.precision,
            kept_in_float=reduced.kept,
            calibration=Calibration(calibration.images, len(calibration.unreadable))
            if calibration
            else None,
            source=prepared.source,
            input=_input_info(prepared, options),
            output=OutputInfo(
                name=output_name(softmax=options.softmax),
                dtype="float32",
                shape=(options.batch, prepared.outputs),
                activation=_SOFTMAX if options.softmax else "none",
            ),
            labels=LabelsInfo(LABELS_FILE, len(prepared.labels), prepared.labels_source),
            rewrites=rewrites,
            rewrites_refused=refused_rewrites(deployed.outcomes),
            audit=audit,
            verification=proof.verification,
            accuracy=proof.accuracy,
            golden=proof.golden,
            versions={"mobilevit-edge": mobilevit_edge.__version__, **backend.versions()},
            files=describe_files(folder),
        )
        (folder / MANIFEST_FILE).write_text(manifest_to_json(manifest), encoding="utf-8")
    return Exported(target_folder, manifest)


@dataclass(frozen=True)
class _Proof:
    """What the artifact showed when it ran; ``None`` where it cannot run here."""

    verification: Verification | None
    accuracy: Accuracy | None
    golden: Golden
    core_ml: Verification | None = None


def _prove(
    backend: Backend,
    path: Path,
    prepared: SourceModel,
    options: ExportOptions,
    cases: Sequence[Case],
    labeled: Sequence[LabeledImage],
    progress: Progress,
) -> _Proof:
    reference = Reference(prepared, softmax=options.softmax)
    if not runs_here(options):
        return _Proof(None, None, make_golden(prepared, options, reference, None))
    progress("verifying the file as written")
    loaded = backend.load(path)
    cases = [*cases, *_cases_at_other_sizes(prepared, options)]
    core_ml = None
    if options.target == "coreml":
        from converters.targets.coreml.conversion import load_core_ml

        core_ml = load_core_ml(path)
    return _Proof(
        verify(loaded, prepared, options, reference, cases),
        measure_accuracy(loaded, prepared, options, labeled, progress) if labeled else None,
        make_golden(prepared, options, reference, loaded),
        verify(core_ml, prepared, options, reference, cases) if core_ml else None,
    )


def _cases_at_other_sizes(prepared: SourceModel, options: ExportOptions) -> list[Case]:
    """The same inputs at every further size that a Core ML package takes."""
    return [
        replace(case, name=f"{case.name} at {size[0]}x{size[1]}")
        for size in options.coreml.other_sizes
        for case in verification_cases(replace(prepared, image_size=size), options)
    ]


def _coreml_info(prepared: SourceModel, options: ExportOptions, proof: _Proof) -> CoreMLInfo:
    from converters.targets.coreml.conversion import function_name
    from converters.targets.coreml.mlprogram import compute_advice

    advice = compute_advice(options)
    functions = options.coreml.function_sizes
    sizes = (prepared.image_size, *options.coreml.other_sizes)
    return CoreMLInfo(
        deployment_target=deployment_target(options),
        compute_units=advice.units,
        compute_reason=advice.reason,
        sizes=tuple(SizeInfo(size, function_name(size) if functions else None) for size in sizes),
        core_ml_verification=proof.core_ml,
    )


def default_folder(prepared: SourceModel, options: ExportOptions) -> str:
    """A name that says what is inside, in the current folder."""
    height, width = prepared.image_size
    size = str(height) if height == width else f"{height}x{width}"
    return f"{prepared.model.spec.name}-{options.target}-{options.precision}-{size}"


def check_output(target: Path) -> None:
    """Refuse to replace anything that is not a bundle.

    Raises:
        OutputError: a file is there, or a folder that holds something else.
    """
    try:
        if target.is_file() or target.is_symlink():
            raise OutputError(f"{target} is a file; --output names the bundle's folder")
        if target.is_dir() and any(target.iterdir()) and not holds_only_a_bundle(target):
            raise OutputError(
                f"{target} holds something that is no bundle and is not touched; "
                f"choose another --output or empty it"
            )
    except OSError as error:
        raise OutputError(f"cannot use {target} as output: {error.strerror}") from error


def applied_rewrites(outcomes: Sequence[Outcome]) -> tuple[AppliedRewrite, ...]:
    """Rewrites that changed something."""
    return tuple(AppliedRewrite(o.name, o.sites) for o in outcomes if o.sites)


def refused_rewrites(outcomes: Sequence[Outcome]) -> tuple[RefusedRewrite, ...]:
    """Rewrites whose condition does not hold for this model."""
    return tuple(RefusedRewrite(o.name, o.refused) for o in outcomes if o.refused)


def _input_info(prepared: SourceModel, options: ExportOptions) -> InputInfo:
    preprocessing = prepared.preprocessing
    height, width = prepared.image_size
    return InputInfo(
        name=INPUT_NAME,
        dtype="uint8" if options.takes_pixels else "float32",
        layout="NHWC" if options.takes_pixels else "NCHW",
        shape=(
            options.batch,
            *((height, width, 3) if options.takes_pixels else (3, height, width)),
        ),
        channel_order="RGB" if options.takes_pixels else preprocessing.channel_order,
        scale=1.0 if options.takes_pixels else 1 / 255,
        resize=Resize(
            rule=preprocessing.resize,
            interpolation=preprocessing.interpolation,
            antialias=True,
            cover=preprocessing.cover(prepared.image_size)
            if preprocessing.resize == "crop"
            else prepared.image_size,
        ),
        provenance=preprocessing.provenance,
    )
