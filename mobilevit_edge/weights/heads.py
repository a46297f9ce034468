"""The classifier of a checkpoint, whatever its head is called and wherever it lies.

Fine-tuning code replaces the head by a ``Linear``, puts a ``Dropout`` before it, or keeps it beside
a wrapped backbone. All of these are one linear layer under another name, and are read as such.
Nothing that looks like a classifier is left out without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.printable import few
from mobilevit_edge.specs import SPECS
from mobilevit_edge.weights.naming import Naming, body_names, source_keys

_ROOTS: Final = ("head", "classifier", "fc")
"""Modules that replace the original head."""
_HEAD: Final = re.compile(rf"(?:{'|'.join(_ROOTS)})(?:\.(?:fc|\d+))*")
"""Paths of a linear layer in one of them."""
_TOKENS, _MAPS = SPECS["mobilevit_xxs"], SPECS["mobilevitv2_050"]
_MAX_SHOWN: Final = 6
_MAX_NAME: Final = 100
_WAY_OUT: Final = (
    "put the one classifier under the name {name}.weight and {name}.bias, remove the others from "
    "the state dict, and save it again"
)


@dataclass(frozen=True)
class Split:
    """A checkpoint's tensors, divided: the network's under the names of its scheme, and others."""

    inside: Mapping[str, Tensor]
    outside: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Stray:
    """A tensor that is no part of the body: its name in the file, and that without prefixes."""

    key: str
    name: str
    tensor: Tensor
    is_inside: bool

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def is_linear(self) -> bool:
        """Whether it is the weight of a linear layer, or of the same as a 1x1 convolution."""
        return self.name.endswith(".weight") and (
            self.tensor.ndim == 2 or (self.tensor.ndim == 4 and self.tensor.shape[2:] == (1, 1))
        )

    @property
    def shown(self) -> str:
        return f"{self.key[:_MAX_NAME]} {list(self.tensor.shape)}"


def with_found_classifier(split: Split, *, naming: Naming, prefix: str, origin: str) -> Split:
    """``split`` with the classifier under the name that ``naming`` has for it.

    Args:
        split: the tensors under ``prefix``, without it, and those beside it under their own names.
        naming: the scheme of the names inside.
        prefix: what stands before the network's names in the file.
        origin: the checkpoint's name in messages.

    Raises:
        CheckpointError: several classifiers, one of several layers, one that does not fit the
            network's features, or one under a name that does not say what it is for.
    """
    target = _target(split.inside, naming)
    if target is None:
        return split
    canonical, features = target
    strays = [stray for stray in _strays(split, naming, prefix) if stray.tensor.ndim > 0]
    linear = [stray for stray in strays if stray.is_linear and _HEAD.fullmatch(stray.module)]
    fitting = [stray for stray in linear if _fits(stray, features)]
    known = {stray.key for stray in linear}
    unnamed = [
        stray
        for stray in strays
        if stray.tensor.ndim == 2 and stray.key not in known and _fits(stray, features)
    ]
    way_out = _WAY_OUT.format(name=prefix[:_MAX_NAME] + canonical)
    if len(fitting) + len(unnamed) > 1:
        raise CheckpointError(
            f"{origin} has several tensors that could be the classifier: "
            f"{_listed(fitting + unnamed)}; {way_out}"
        )
    if unnamed:
        raise CheckpointError(
            f"{origin}: {_listed(unnamed)} takes the network's {features} features, but its name "
            f"is none of a classifier (head, head.fc, classifier, fc, ...); if it is one, {way_out}"
        )
    if not fitting:
        lost = [s for s in linear if s.tensor.ndim == 2 and s.tensor.shape[1] != features]
        if lost:
            raise CheckpointError(
                f"{origin}: {_listed(lost)} does not take the network's {features} features; a "
                f"MobileViT ends in one linear layer on its pooled features: train such a one, or "
                f"remove these names from the state dict to export the features"
            )
        return split
    (chosen,) = fitting
    head = [stray for stray in strays if stray.name.split(".")[0] in _ROOTS]
    layer = [stray for stray in head if stray.module == chosen.module]
    if len(layer) < len(head):
        raise CheckpointError(
            f"{origin}: its classifier has several layers ({_listed(head)}); a "
            f"MobileViT ends in one linear layer: train one on {features} features, or remove "
            f"these names from the state dict to export the features"
        )
    return _moved(split, layer, canonical)


def _target(inside: Mapping[str, Tensor], naming: Naming) -> tuple[str, int] | None:
    """The scheme's name of the classifier, and the features that it takes."""
    for spec, last in ((_TOKENS, "pre_head.norm.weight"), (_MAPS, "layer5.1.projection.norm.bias")):
        (name,) = source_keys(last, spec, naming)
        if name in inside and inside[name].ndim == 1:
            (head,) = source_keys("head.weight", spec, naming)
            return head.removesuffix(".weight"), inside[name].shape[0]
    return None


def _strays(split: Split, naming: Naming, prefix: str) -> Iterable[_Stray]:
    body = body_names(naming)
    for name, tensor in split.inside.items():
        if name.split(".")[0] not in body:
            yield _Stray(prefix + name, name, tensor, is_inside=True)
    outer = [part + "." for part in prefix.split(".")[:-1]]
    for key, tensor in split.outside.items():
        name = key
        for part in outer:
            if not name.startswith(part):
                break
            name = name.removeprefix(part)
        yield _Stray(key, name, tensor, is_inside=False)


def _fits(stray: _Stray, features: int) -> bool:
    return stray.tensor.shape[0] > 0 and stray.tensor.shape[1] == features


def _moved(split: Split, layer: list[_Stray], canonical: str) -> Split:
    """``split`` with all tensors of ``layer`` inside, under the module name ``canonical``."""
    inside, outside = dict(split.inside), dict(split.outside)
    for stray in layer:
        del (inside if stray.is_inside else outside)[stray.name if stray.is_inside else stray.key]
    for stray in layer:
        leaf = stray.name.rpartition(".")[2]
        inside[f"{canonical}.{leaf}"] = stray.tensor.flatten(1) if stray.is_linear else stray.tensor
    return Split(inside, outside)


def _listed(strays: list[_Stray]) -> str:
    return few([stray.shown for stray in strays], _MAX_SHOWN)
