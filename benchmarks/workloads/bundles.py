"""Bundles of ``mobilevit-export`` as candidates."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.harness.plan import Candidate, FileSource, Group
from benchmarks.harness.runners import runtime_of
from converters.checks.cases import spread
from converters.targets.loaded import Array
from mobilevit_edge.files import sha256_of
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.formats.golden import golden_image
from mobilevit_edge.formats.manifest import MODEL_PREFIX, Accuracy, AnswerForm, Manifest
from mobilevit_edge.formats.report import Artifact, LatencyRow, Subject, Top1
from mobilevit_edge.image_files import find_images
from mobilevit_edge.input_contract import contract_of

_MAX_ID: Final = 150


def bundle_group(paths: Sequence[Path], experiment: str) -> Group:
    """The bundles in folders, to be measured in turn.

    Raises:
        BundleError: one of them is not a bundle, or not complete.
    """
    return Group(experiment, candidates_of([read_bundle(path) for path in paths], experiment))


def candidates_of(bundles: Sequence[Bundle], experiment: str) -> tuple[Candidate, ...]:
    """Every bundle, named after its folder; folders of the same name are numbered."""
    candidates = []
    seen: Counter[str] = Counter()
    for bundle in bundles:
        target = bundle.manifest.target
        name = printable(bundle.path.resolve().name)
        seen[name] += 1
        row = LatencyRow(
            id=name if seen[name] == 1 else f"{name} ({seen[name]})",
            experiment=experiment,
            subject=subject_of(bundle),
            runtime=runtime_of(target),
        )
        candidates.append(Candidate(row, FileSource(target, str(bundle.model_path.resolve()))))
    return tuple(candidates)


def inputs_of(bundle: Bundle, images: Path | None, most: int) -> list[Array]:
    """The golden image and up to ``most`` photos, of all of a folder, as the bundle takes them."""
    size = bundle.manifest.model.image_size
    contract = contract_of(bundle.manifest.input, size)
    pixels = [golden_image(bundle.manifest.golden, size)]
    if images is not None:
        pixels += map(contract.load, spread(find_images(images), most))
    return [contract.repeated(image) for image in pixels]


def answer_of(bundle: Bundle) -> AnswerForm | None:
    """What a bundle answers of its head; ``None`` where it classifies."""
    head = bundle.manifest.head
    return None if head is None else head.answer


def subject_of(bundle: Bundle) -> Subject:
    """What a bundle's manifest says about its model."""
    manifest = bundle.manifest
    return Subject(
        model=manifest.model.name,
        target=manifest.target,
        precision=manifest.precision,
        image_size=manifest.model.image_size,
        batch=manifest.input.shape[0] or 1,
        attributes=_attributes(manifest),
        parameters=manifest.model.parameters,
        macs=manifest.model.macs,
        artifact=_artifact(bundle),
        top1=_top1(manifest.accuracy) if manifest.accuracy else None,
    )


def _attributes(manifest: Manifest) -> dict[str, str]:
    found: dict[str, object] = {
        "backend": manifest.backend,
        "unit": manifest.unit if manifest.unit != "cpu" else None,
    }
    if (head := manifest.head) is not None:
        found["output stride"] = head.output_stride
        found["boxes" if head.boxes else "mask"] = head.answer
    return {name: str(value) for name, value in found.items() if value is not None}


def _top1(accuracy: Accuracy) -> Top1:
    percent = 100 * accuracy.artifact_correct / accuracy.images
    return Top1(percent, accuracy.images, "labeled images at the export, by the artifact itself")


def _artifact(bundle: Bundle) -> Artifact:
    files = [f for f in bundle.manifest.files if f.path.startswith(MODEL_PREFIX)]
    digest = files[0].sha256
    if bundle.model_path.is_dir():
        listing = "".join(f"{file.sha256}  {file.path}\n" for file in files)
        digest = hashlib.sha256(listing.encode()).hexdigest()
    return Artifact(bundle.model_path.name, sum(file.bytes for file in files), digest)


def artifact_of(path: Path) -> Artifact:
    """A file as a report describes what it measured."""
    return Artifact(path.name, path.stat().st_size, sha256_of(path))


def printable(name: str) -> str:
    """A name in the form that a report may hold."""
    return "".join(c if c.isprintable() else "?" for c in name)[:_MAX_ID] or "bundle"
