"""The bundle: a folder with a model, its labels and a manifest that describes both."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import BundleError
from mobilevit_edge.files import sha256_of, sha256_of_open
from mobilevit_edge.formats.consistency import contradictions
from mobilevit_edge.formats.manifest import (
    LABELS_FILE,
    MANIFEST_FILE,
    MODEL_PREFIX,
    FileInfo,
    Manifest,
    manifest_from_json,
)
from mobilevit_edge.labels import read_labels
from mobilevit_edge.reading import open_regular, read_text

_MAX_MANIFEST_BYTES: Final = 8 * 1024**2


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose manifest is valid and whose files are those that it lists.

    What else lies in its folder is no part of it, and never opened.
    """

    path: Path
    manifest: Manifest
    labels: tuple[str, ...]

    @property
    def model_path(self) -> Path:
        """The model file, or the folder of a Core ML package."""
        paths = [file.path for file in self.manifest.files]
        models = {path.split("/", maxsplit=1)[0] for path in paths if path.startswith(MODEL_PREFIX)}
        if len(models) != 1 or paths.count(LABELS_FILE) != 1 or len(set(paths)) != len(paths):
            raise BundleError(f"{self.path} does not list {LABELS_FILE} and its model once")
        return self.path / models.pop()

    def context_path(self, soc: str) -> Path | None:
        """The model as compiled for a chip, if the bundle has it."""
        files = {context.soc: self.path / context.file for context in self.manifest.contexts}
        return files.get(soc)


def describe_files(folder: Path) -> tuple[FileInfo, ...]:
    """Every file below ``folder`` except the manifest, with size and hash, in a fixed order."""
    return tuple(
        FileInfo(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST_FILE
    )


def holds_only_a_bundle(folder: Path) -> bool:
    """Whether ``folder`` has a bundle's manifest and no files but those that it lists.

    The files need not be intact: a damaged bundle may be replaced, a user's other files may not.
    """
    try:
        text = read_text(folder / MANIFEST_FILE, _MAX_MANIFEST_BYTES, BundleError)
        files = json.loads(text)["files"]
        listed = {folder / file["path"] for file in files} | {folder / MANIFEST_FILE}
    except (BundleError, ValueError, RecursionError, KeyError, TypeError):
        return False
    return all(path in listed for path in folder.rglob("*") if not path.is_dir())


def read_bundle(path: str | Path) -> Bundle:
    """Open a bundle and check that its files are those that the manifest lists.

    Raises:
        BundleError: not a bundle, an invalid manifest, or a missing or changed file.
    """
    path = Path(path)

    def no_bundle(reason: object) -> BundleError:
        return BundleError(f"{path} is not a bundle: {reason}; mobilevit-export writes bundles")

    try:
        root = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links; a null character
        raise no_bundle(error) from error
    # os.path: a name that no system takes is no file either, and no error.
    if os.path.isfile(path) and os.path.isfile(path.parent / MANIFEST_FILE):
        raise BundleError(f"{path} is a file of a bundle: pass its folder, {path.parent}")
    manifest_path = path / MANIFEST_FILE
    _resolved(root, path, MANIFEST_FILE)
    text = read_text(manifest_path, _MAX_MANIFEST_BYTES, no_bundle)
    manifest = manifest_from_json(text, str(manifest_path))
    for file in manifest.files:
        _check_file(root, path, file)
    bundle = Bundle(path, manifest, read_labels(path / LABELS_FILE))
    _refuse_unlisted(bundle)
    wrong = contradictions(manifest, len(bundle.labels))
    if wrong:
        raise BundleError(
            f"{path}: its manifest contradicts itself ({', '.join(wrong)}); export it again"
        )
    return bundle


def _check_file(root: Path, shown: Path, file: FileInfo) -> None:
    def damaged(reason: str) -> BundleError:
        return BundleError(
            f"{shown}: {file.path} is missing or incomplete ({reason}); export the bundle again"
        )

    with open_regular(_resolved(root, shown, file.path), file.bytes, damaged) as opened:
        if os.fstat(opened.fileno()).st_size != file.bytes:
            raise damaged(f"less than {file.bytes} bytes")
        if sha256_of_open(opened) != file.sha256:
            raise BundleError(f"{shown}: {file.path} was changed after the export; export it again")


def _resolved(root: Path, shown: Path, name: str) -> Path:
    """Where a file of a bundle is, with links followed, which may not lead out of it."""
    try:
        location = (root / name).resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise BundleError(f"{shown}: {name} cannot be followed: {error}") from error
    if not location.is_relative_to(root):
        raise BundleError(f"{shown}: {name} leads out of the bundle")
    return location


def _refuse_unlisted(bundle: Bundle) -> None:
    """A runtime opens what it finds in a model's folder."""
    listed = {bundle.path / file.path for file in bundle.manifest.files}
    for found in bundle.model_path.rglob("*"):
        if found not in listed and (found.is_symlink() or not found.is_dir()):
            name = found.relative_to(bundle.path).as_posix()
            raise BundleError(
                f"{bundle.path}: {name} is not among the files that its manifest lists: remove it, "
                f"or export the bundle again"
            )
