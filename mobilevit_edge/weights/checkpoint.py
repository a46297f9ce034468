"""A checkpoint of any origin, unwrapped: its tensors, naming scheme, and accompanying configs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeAlias

from torch import Tensor

from mobilevit_edge.errors import CheckpointError, MissingPackageError
from mobilevit_edge.labels import LABEL_KEYS, find_labels
from mobilevit_edge.weights import files, recognition
from mobilevit_edge.weights.beside import HeadConfig, find_head_config
from mobilevit_edge.weights.folders import find_weights_file, read_weights
from mobilevit_edge.weights.head_naming import is_in_head, kind_of_head
from mobilevit_edge.weights.heads import Split, with_found_classifier
from mobilevit_edge.weights.naming import (
    NAMINGS,
    FoundNaming,
    Naming,
    belongs_to,
    detect_naming,
)
from mobilevit_edge.weights.pickles import Inert, PickleError
from mobilevit_edge.weights.sources import HUB_PREFIX, HubSource, find_source

__all__ = ["DEMOS", "HUB_PREFIX", "Checkpoint", "Source", "StateDict", "read_checkpoint"]

DEMOS: Final = ("demo", "demo-segmentation")
"""Stand for the checkpoints in this package: ``docs/measurements/demo_model.md``."""
_MAX_NESTING: Final = 3
_MAX_MAPPINGS: Final = 10_000
_MAX_ENTRIES: Final = 1_000_000
"""Of all mappings in a file, shared ones counted as often as they are walked."""
_MAX_PART: Final = 200
"""Characters of a mapping's key in the path of what it holds."""
_MAX_NETWORKS: Final = 16
_WEIGHTS: Final = (".weight", ".bias", ".running_mean", ".running_var")

StateDict: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Weights under their source's names, without wrappers and prefixes.

    The classifier has the name that the naming scheme gives it, whatever it is called in the file.
    ``ignored`` lists the file's tensors outside the network (a segmentation head, an optimizer);
    ``wrapper`` is the path of the state dict inside the file, such as ``"ema"``. ``config`` and
    ``processor`` are the JSON files of a Hugging Face folder, empty elsewhere; ``labels`` are class
    names that lie beside the weights in the file; ``head_config`` is the config beside a file whose
    network has a head for masks or boxes.
    """

    origin: str
    naming: Naming
    tensors: StateDict
    wrapper: str
    ignored: tuple[str, ...]
    sha256: str | None = None
    config: Mapping[str, Any] | None = None
    processor: Mapping[str, Any] | None = None
    labels: tuple[str, ...] | None = None
    head_config: HeadConfig | None = None


Source: TypeAlias = str | Path | Mapping[Any, Any] | Checkpoint
"""What :func:`read_checkpoint` reads; a mapping is a state dict, possibly inside wrappers."""


def read_checkpoint(source: Source, *, naming: Naming | str = "auto") -> Checkpoint:
    """Read a checkpoint without executing anything inside it.

    Args:
        source: a file written by ``torch.save`` or safetensors, a folder or an index of such files,
            a repository on the Hugging Face Hub (``ORG/REPO``, ``hub:ORG/REPO@revision``, or its
            address), one of :data:`DEMOS`, or a state dict. A path that exists comes before a
            repository of that name. Wrappers (``state_dict``, ``model``, ``ema`` ...) and prefixes
            (``module.``, ``encoder.`` ...) are removed; an EMA copy is preferred.
        naming: the scheme of the names, or ``"auto"``.

    Raises:
        CheckpointError: unreadable, not a MobileViT under a known naming scheme, or with a
            classifier that is none, or one of several.
        MissingPackageError: a repository without huggingface_hub.
    """
    if naming != "auto" and naming not in NAMINGS:
        raise ValueError(f"unknown naming {naming!r}; choose auto or one of {', '.join(NAMINGS)}")
    if isinstance(source, Checkpoint):
        return source
    if isinstance(source, Mapping):
        return _unwrap(source, origin="state dict", naming=naming)
    if isinstance(source, Path):
        return _read_path(source, naming)
    if source in DEMOS:
        place = resources.files("mobilevit_edge") / "data" / source.replace("-", "_")
        with resources.as_file(place) as folder:
            return replace(_read_path(folder, naming), origin=source)
    found = find_source(source)
    if isinstance(found, Path):
        return _read_path(found, naming)
    return replace(_read_path(_downloaded(found, source), naming), origin=str(found))


def _downloaded(found: HubSource, given: str) -> Path:
    from mobilevit_edge.weights import hub

    try:
        return hub.download(found)
    except (CheckpointError, MissingPackageError) as error:
        if f"{HUB_PREFIX}{given}" != str(found):
            raise
        raise CheckpointError(
            f"there is no file or folder {given}; as a repository on the hub: {error}"
        ) from error


def _read_path(path: Path, naming: Naming | str) -> Checkpoint:
    weights = find_weights_file(path) if path.is_dir() else path
    content, sha256 = read_weights(weights)
    checkpoint = _unwrap(content, origin=str(path), naming=naming)
    config = processor = None
    if path.is_dir():
        config, processor = (
            files.read_json(path / name) if (path / name).is_file() else None
            for name in ("config.json", "preprocessor_config.json")
        )
    has_head = kind_of_head(checkpoint.tensors) is not None
    return replace(
        checkpoint,
        sha256=sha256,
        config=config,
        processor=processor,
        head_config=find_head_config(weights) if has_head else None,
    )


def _mappings(content: Mapping[Any, Any], origin: str) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """``content`` and every mapping nested in it, each once, with its path.

    Raises:
        CheckpointError: more entries than any checkpoint has, or a whole model that cannot be read.
    """
    seen: set[int] = set()
    entries = 0
    waiting: list[tuple[tuple[str, ...], Mapping[Any, Any]]] = [((), content)]
    while waiting and len(seen) < _MAX_MAPPINGS:
        path, mapping = waiting.pop()
        if id(mapping) in seen:
            continue
        seen.add(id(mapping))
        walked = 0
        if isinstance(mapping, Inert) and mapping.is_module:
            try:
                mapping, walked = mapping.module_state()
            except PickleError as error:
                raise CheckpointError(
                    f"{origin} holds a whole model, but {error}; {recognition.RESAVE}"
                ) from error
        # A small file may refer to the same list, or to a module's parts, any number of times.
        labels = [mapping.get(key) for key in LABEL_KEYS]
        walked += sum(len(value) for value in labels if isinstance(value, Mapping | list | tuple))
        entries += 1 + walked + len(mapping)
        if entries > _MAX_ENTRIES:
            raise CheckpointError(
                f"{origin} holds more than {_MAX_ENTRIES} entries, more than any checkpoint of a "
                f"MobileViT; {recognition.RESAVE}"
            )
        yield ".".join(path), mapping
        if len(path) < _MAX_NESTING:
            inner = [(k, v) for k, v in mapping.items() if isinstance(v, Mapping)]
            waiting += [((*path, _shown(key)), value) for key, value in reversed(inner)]


def _shown(key: object) -> str:
    """A key as part of a path; a file can repeat a long one in every mapping."""
    return str(key[:_MAX_PART] if isinstance(key, str | bytes) else key)[:_MAX_PART]


def _is_average(path: str) -> bool:
    """Whether a path names an EMA copy: ``ema`` or ``model_ema``, but not ``non_ema``."""
    words = re.split("[^a-z]+", path.lower())
    return "ema" in words and "non" not in words


@dataclass(frozen=True)
class _Network:
    """A network found in a file: the mapping that holds it, and the mapping's path."""

    path: str
    content: Mapping[Any, Any]
    tensors: StateDict
    found: FoundNaming


def _unwrap(content: Mapping[Any, Any], *, origin: str, naming: Naming | str) -> Checkpoint:
    networks: list[_Network] = []
    others: dict[str, StateDict] = {}
    labels = None
    for path, mapping in _mappings(content, origin):
        labels = labels or find_labels(mapping)
        tensors = files.tensors_of(mapping)
        found = detect_naming(tensors)
        if tensors and not found:
            others[path] = tensors
        networks += [
            _Network(path, mapping, tensors, one) for one in found if naming in ("auto", one.naming)
        ]
        if len(networks) > _MAX_NETWORKS:
            raise CheckpointError(
                f"{origin} holds more than {_MAX_NETWORKS} networks: save the one you want by "
                f"itself"
            )
    if not networks:
        raise _not_recognized(content, list(others.values()), origin=origin, naming=naming)
    # If a training checkpoint has both, its averaged weights are those to evaluate.
    network = next((n for n in networks if _is_average(f"{n.path}.{n.found.prefix}")), networks[0])
    _refuse_other_kinds(network, origin)
    beside = _beside(network, others)
    split = _split(network, beside, origin)
    return Checkpoint(
        origin=origin,
        naming=network.found.naming,
        tensors=split.inside,
        wrapper=".".join(part for part in (network.path, network.found.prefix[:-1]) if part),
        ignored=tuple(key for key in {**network.tensors, **beside} if key in split.outside),
        labels=labels,
    )


def _beside(network: _Network, others: Mapping[str, StateDict]) -> StateDict:
    """Tensors in mappings next to the network's: a classifier may have a state dict of its own."""
    folder = network.path.rpartition(".")[0]
    return {
        f"{path.removeprefix(f'{folder}.').removesuffix('_state_dict')}.{name}": tensor
        for path, tensors in others.items()
        if network.path and path and path.rpartition(".")[0] == folder
        for name, tensor in tensors.items()
    }


def _refuse_other_kinds(network: _Network, origin: str) -> None:
    """Refuse adapters, quantized weights, and anything but tensors in the place of weights."""
    kind = recognition.kind_of_keys([key for key in network.content if isinstance(key, str)])
    if kind is not None:
        raise CheckpointError(f"{origin} is {kind}")
    for key, value in network.content.items():
        if isinstance(key, str) and key.endswith(_WEIGHTS) and not isinstance(value, Tensor):
            kind = value.name if isinstance(value, Inert) else type(value).__name__
            raise CheckpointError(
                f"{origin}: {key[:200]} is no plain tensor but {kind}; convert it to a "
                f"torch.Tensor of floats, and save the state dict again"
            )


def _not_recognized(
    content: Mapping[Any, Any], found: list[StateDict], *, origin: str, naming: Naming | str
) -> CheckpointError:
    # A network's names have dots; an optimizer's tensors are called "exp_avg" and the like.
    network = next((names for names in found if any("." in name for name in names)), None)
    kind = recognition.kind_of_keys(network) if network else recognition.kind_of_content(content)
    if kind is not None:
        return CheckpointError(f"{origin} is not a checkpoint of a MobileViT but {kind}")
    what = "a MobileViT" if naming == "auto" else f"a MobileViT in {naming} naming"
    sample = network or next(iter(found), {})
    names = ", ".join(name[:100] for name in list(sample)[:3])
    return CheckpointError(
        f"{origin} is not a checkpoint of {what}: none of the naming schemes "
        f"({', '.join(NAMINGS)}) fits; "
        f"{f'its first names are {names}' if names else 'it holds no tensors'}"
    )


def _split(network: _Network, beside: StateDict, origin: str) -> Split:
    """The tensors of the network and those beside it; other networks play no part."""
    found = network.found
    others = [other for other in detect_naming(network.tensors) if other != found]
    inside: dict[str, Tensor] = {}
    outside: dict[str, Tensor] = dict(beside)
    foreign: dict[str, Tensor] = {}
    for key, tensor in network.tensors.items():
        name = found.strip(key)
        if any(belongs_to(key, other) for other in others):
            foreign[key] = tensor
        elif name is None:
            outside[key] = tensor
        else:
            inside[name] = tensor
    split = _with_dense_head(Split(inside, outside), found)
    if kind_of_head(split.inside) is None:
        split = with_found_classifier(
            split, naming=found.naming, prefix=found.prefix, origin=origin
        )
    return Split(split.inside, {**split.outside, **foreign})


def _with_dense_head(split: Split, found: FoundNaming) -> Split:
    """``split`` with a known head for masks or boxes, which lies beside the backbone, inside."""
    head = {
        key.removeprefix(found.root): key
        for key in split.outside
        if key.startswith(found.root) and is_in_head(key.removeprefix(found.root), found.naming)
    }
    if kind_of_head(head) is None:
        return split
    return Split(
        {**split.inside, **{name: split.outside[key] for name, key in head.items()}},
        {key: tensor for key, tensor in split.outside.items() if key not in head.values()},
    )
