"""Bundles of ``mobilevit-export`` as candidates."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.harness.plan import Candidate, FileSource, Group, latency_row, subject
from benchmarks.harness.runners import runtime_of
from mobilevit_edge.formats.bundle import MODEL_PREFIX, Bundle, read_bundle
from mobilevit_edge.formats.report import Artifact, Subject, Top1

_MAX_ID = 150


def bundle_group(paths: Sequence[Path], experiment: str) -> Group:
    """Every bundle, named after its folder; folders of one name are numbered.

    Raises:
        BundleError: one of them is no bundle, or not whole.
    """
    candidates = []
    seen: Counter[str] = Counter()
    for path in paths:
        bundle = read_bundle(path)
        target = bundle.manifest.target
        name = _printable(path.resolve().name)
        seen[name] += 1
        row_id = name if seen[name] == 1 else f"{name} ({seen[name]})"
        row = latency_row(row_id, experiment, subject_of(bundle), runtime_of(target))
        candidates.append(Candidate(row, FileSource(target, str(bundle.model_path.resolve()))))
    return Group(experiment, tuple(candidates))


def subject_of(bundle: Bundle) -> Subject:
    """What a bundle's manifest says about its model."""
    manifest = bundle.manifest
    made = subject(
        model=manifest.model.name,
        target=manifest.target,
        precision=manifest.precision,
        image_size=manifest.model.image_size,
        batch=manifest.input.shape[0] or 1,
        attributes={"backend": manifest.backend} if manifest.backend else {},
        parameters=manifest.model.parameters,
        macs=manifest.model.macs,
        artifact=_artifact(bundle),
    )
    accuracy = manifest.accuracy
    if accuracy is None:
        return made
    percent = 100 * accuracy.artifact_correct / accuracy.images
    source = "labeled images at the export, by the artifact itself"
    return replace(made, top1=Top1(percent, accuracy.images, source))


def _artifact(bundle: Bundle) -> Artifact:
    files = [f for f in bundle.manifest.files if f.path.startswith(MODEL_PREFIX)]
    digest = files[0].sha256
    if bundle.model_path.is_dir():
        listing = "".join(f"{file.sha256}  {file.path}\n" for file in files)
        digest = hashlib.sha256(listing.encode()).hexdigest()
    return Artifact(bundle.model_path.name, sum(file.bytes for file in files), digest)


def _printable(name: str) -> str:
    """A folder's name as a report may hold it."""
    return "".join(c if c.isprintable() else "?" for c in name)[:_MAX_ID] or "bundle"
