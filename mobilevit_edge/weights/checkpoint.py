"""A checkpoint of any origin, unwrapped: its tensors, naming scheme, and accompanying configs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeAlias

from torch import Tensor

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.files import sha256_of
from mobilevit_edge.weights import files
from mobilevit_edge.weights.naming import NAMINGS, FoundNaming, Naming, detect_naming

HUB_PREFIX: Final = "hub:"
DEMO: Final = "demo"
"""The source that stands for the checkpoint in this package: ``docs/demo_model.md``."""
_MAX_NESTING: Final = 3

StateDict: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Weights under their source's names, without wrappers and prefixes.

    ``ignored`` lists the file's tensors outside the network (a segmentation head, an optimizer);
    ``wrapper`` is the path of the state dict inside the file, such as ``"ema"``. ``config`` and
    ``processor`` are the JSON files of a Hugging Face folder, empty elsewhere.
    """

    origin: str
    naming: Naming
    tensors: StateDict
    wrapper: str
    ignored: tuple[str, ...]
    sha256: str | None = None
    config: Mapping[str, Any] | None = None
    processor: Mapping[str, Any] | None = None


Source: TypeAlias = str | Path | Mapping[Any, Any] | Checkpoint
"""What :func:`read_checkpoint` reads; a mapping is a state dict, possibly inside wrappers."""


def read_checkpoint(source: Source, *, naming: Naming | str = "auto") -> Checkpoint:
    """Read a checkpoint without executing anything inside it.

    Args:
        source: a ``.pt``, ``.pth``, ``.bin`` or ``.safetensors`` file, a Hugging Face folder,
            ``hub:ORG/REPO``, ``demo``, or a state dict. Wrappers (``state_dict``, ``model``,
            ``ema`` ...) and prefixes (``module.``, ``encoder.`` ...) are removed; an EMA copy is
            preferred.
        naming: the scheme of the names, or ``"auto"``.

    Raises:
        CheckpointError: unreadable, or not a MobileViT under a known naming scheme.
        MissingPackageError: ``hub:`` without huggingface_hub.
    """
    if naming != "auto" and naming not in NAMINGS:
        raise ValueError(f"unknown naming {naming!r}; choose auto or one of {', '.join(NAMINGS)}")
    if isinstance(source, Checkpoint):
        return source
    if isinstance(source, Mapping):
        return _unwrap(source, origin="state dict", naming=naming)
    if str(source).startswith(HUB_PREFIX):
        from mobilevit_edge.weights.hub import download

        repository = str(source).removeprefix(HUB_PREFIX)
        return replace(_read_path(download(repository), naming), origin=str(source))
    if source == DEMO:
        with resources.as_file(resources.files("mobilevit_edge") / "data" / "demo") as folder:
            return replace(_read_path(folder, naming), origin=DEMO)
    return _read_path(Path(source), naming)


def _read_path(path: Path, naming: Naming | str) -> Checkpoint:
    weights = files.find_weights_file(path) if path.is_dir() else path
    checkpoint = _unwrap(files.read_weights_file(weights), origin=str(path), naming=naming)
    config = processor = None
    if path.is_dir():
        config, processor = (
            files.read_json(path / name) if (path / name).is_file() else None
            for name in ("config.json", "preprocessor_config.json")
        )
    return replace(checkpoint, sha256=sha256_of(weights), config=config, processor=processor)


def _mappings(
    content: Mapping[Any, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, StateDict]]:
    """Every nested mapping that holds tensors, with its path."""
    tensors = files.tensors_of(content)
    if tensors:
        yield ".".join(path), tensors
    if len(path) < _MAX_NESTING:
        for key, value in content.items():
            if isinstance(value, Mapping):
                yield from _mappings(value, (*path, str(key)))


def _is_average(path: str) -> bool:
    """Whether a path names an EMA copy: ``ema`` or ``model_ema``, but not ``non_ema``."""
    words = re.split("[^a-z]+", path.lower())
    return "ema" in words and "non" not in words


def _unwrap(content: Mapping[Any, Any], *, origin: str, naming: Naming | str) -> Checkpoint:
    candidates: list[tuple[str, StateDict, FoundNaming]] = []
    sample: list[str] = []
    for path, tensors in _mappings(content):
        sample = sample or list(tensors)[:3]
        candidates += [
            (path, tensors, found)
            for found in detect_naming(tensors)
            if naming in ("auto", found.naming)
        ]
    if not candidates:
        what = "a MobileViT" if naming == "auto" else f"a MobileViT in {naming} naming"
        names = f"its first names are {', '.join(sample)}" if sample else "it holds no tensors"
        raise CheckpointError(
            f"{origin} is not a checkpoint of {what}: none of the naming schemes "
            f"({', '.join(NAMINGS)}) fits; {names}"
        )
    # If a training checkpoint has both, its averaged weights are those to evaluate.
    path, tensors, found = next(
        (c for c in candidates if _is_average(f"{c[0]}.{c[2].prefix}")), candidates[0]
    )
    inside: dict[str, Tensor] = {}
    ignored: list[str] = []
    for key, tensor in tensors.items():
        name = found.strip(key)
        if name is None:
            ignored.append(key)
        else:
            inside[name] = tensor
    return Checkpoint(
        origin=origin,
        naming=found.naming,
        tensors=inside,
        wrapper=".".join(part for part in (path, found.prefix.rstrip(".")) if part),
        ignored=tuple(ignored),
    )
