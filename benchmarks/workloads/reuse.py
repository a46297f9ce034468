"""Artifacts that are used again for as long as nothing that made them has changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.harness.code import code_digest
from converters.targets.base import get_target, package_versions
from mobilevit_edge.errors import OutputError
from mobilevit_edge.files import sha256_of, write_atomically
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.image_files import find_images

_NOTE_SUFFIX: Final = ".made-of"


def images_digest(folder: Path) -> str:
    """SHA-256 of the images of a folder, by name and content.

    Raises:
        ImageError: there are none.
    """
    listing = "".join(f"{sha256_of(path)}  {path.name}\n" for path in find_images(folder))
    return hashlib.sha256(listing.encode()).hexdigest()


def recipe(target: TargetName, **given: object) -> str:
    """SHA-256 of all that decides what an artifact is: our code, the tools' versions, ``given``.

    Random weights are made by the code and torch, so that they need no hash of their own.
    """
    tools = package_versions(get_target(target).info)
    content = {"code": code_digest(), "tools": tools, "target": target, **given}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def make_once(path: Path, made_of: str, make: Callable[[Path], object]) -> bool:
    """Make a file or folder unless one of the same recipe is there; whether there is one now.

    A note beside it has the recipe, ``made_of``. What has no note is a user's own, and is never
    replaced.

    Raises:
        OutputError: something else is in its place.
    """
    note = path.with_name(path.name + _NOTE_SUFFIX)
    if os.path.lexists(path):
        if not note.is_file():
            raise OutputError(
                f"{path} was not made by mobilevit-bench, or by an older one: remove it, or name "
                f"another --artifacts"
            )
        if note.read_text("utf-8") == made_of:
            return True
    path.parent.mkdir(parents=True, exist_ok=True)
    # From here on it is ours, and not finished.
    write_atomically(note, lambda temporary: temporary.write_text("", encoding="utf-8"))
    try:
        make(path)
    finally:
        if not os.path.lexists(path):
            note.unlink()
    if not os.path.lexists(path):
        return False
    write_atomically(note, lambda temporary: temporary.write_text(made_of, encoding="utf-8"))
    return True
