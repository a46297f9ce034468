"""What a checkpoint's name means: a path, a repository on the Hugging Face Hub, or an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.weights.names import WEIGHT_SUFFIXES

HUB_PREFIX: Final = "hub:"
_PREFIXES: Final = (HUB_PREFIX, "hf-hub:", "hf_hub:", "hf://")
_HUB_SITES: Final = ("huggingface.co", "www.huggingface.co", "hf.co")
_MAX_NAME: Final = 300
_REPOSITORY: Final = re.compile(r"\w[\w.-]*/\w[\w.-]*(?:@[\w./-]+)?", re.ASCII)


@dataclass(frozen=True)
class HubSource:
    """A repository on the Hugging Face Hub; ``file`` is one of its files, if one was named."""

    repository: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        file = f"/{self.file}" if self.file else ""
        return f"{HUB_PREFIX}{self.repository}{revision}{file}"


def find_source(text: str) -> Path | HubSource:
    """What ``text`` stands for.

    A prefix (``hub:ORG/REPO@revision``, ``hf-hub:``) or an address says so; else a path that exists
    comes first, and what looks like ``ORG/REPO`` is a repository.

    Raises:
        CheckpointError: neither a path that exists nor the name of a repository.
    """
    for prefix in _PREFIXES:
        if text.startswith(prefix):
            return _repository(text.removeprefix(prefix))
    if re.match(r"https?://", text):
        return _address(text)
    path = Path(text)
    if _exists(path) or not set(WEIGHT_SUFFIXES).isdisjoint(path.suffixes):
        return path
    if _REPOSITORY.fullmatch(text):
        return _repository(text)
    raise CheckpointError(
        f"cannot read the checkpoint {text[:_MAX_NAME]}: No such file or directory, and it is not "
        f"the name of a repository on the Hugging Face Hub (ORG/REPO or hub:ORG/REPO@revision)"
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False


def _repository(text: str) -> HubSource:
    name, _, revision = text.partition("@")
    return HubSource(name, revision or None)


def _address(text: str) -> HubSource:
    """A page of the hub: a repository, its files at a revision, or one file."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError as error:  # brackets that hold no address of IPv6
        raise CheckpointError(f"{text[:_MAX_NAME]} is not an address: {error}") from error
    words = [unquote(word) for word in parts.path.split("/") if word]
    is_model = len(words) >= 2 and words[0] not in ("datasets", "spaces") and ".." not in words
    if host not in _HUB_SITES or not is_model:
        raise CheckpointError(
            f"{text} is not a model's page on huggingface.co; download the file and pass its path"
        )
    repository = "/".join(words[:2])
    match words[2:]:
        case []:
            return HubSource(repository)
        case ["tree", revision]:
            return HubSource(repository, revision)
        case ["blob" | "resolve", revision, *file] if file:
            return HubSource(repository, revision, "/".join(file))
    raise CheckpointError(
        f"{text} is neither a model's page nor one of its files; pass hub:{repository}"
    )
