"""What a rewrite is, and how a list of them is applied.

A rewrite edits a copy of the reference model in place: it swaps parts (a norm, an attention unit,
a whole block) for parts that compute the same in another way. The skeleton of the reference
(residuals, layers, stages) stays, so that rewrites compose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.normalization import Channels

Module = TypeVar("Module", bound=nn.Module)


class RefusedError(Exception):
    """A rewrite's condition does not hold; the message says which. The model is unchanged."""


@dataclass(frozen=True)
class InputScaling:
    """What turns the inputs that a network is given into those that its weights expect.

    ``factors`` multiply the channels, in the order that the weights expect them; ``flip`` says
    that they come in the opposite order.
    """

    factors: Channels
    flip: bool


@dataclass(frozen=True)
class Context:
    """What a rewrite may rely on.

    ``image_size`` (height, width) is the size of the images that the network will get;
    ``input_scaling`` what remains to be done to them, ``None`` for nothing.
    """

    image_size: tuple[int, int]
    input_scaling: InputScaling | None = None


@dataclass(frozen=True)
class Rewrite:
    """One exact rewrite.

    ``identity`` is its algebra in one line; ``requires`` names rewrites that must come before it.
    ``apply`` edits the model in place and returns how many places it changed (0: there are none).
    """

    name: str
    identity: str
    requires: tuple[str, ...]
    apply: Callable[[MobileViT, Context], int]


@dataclass(frozen=True)
class Outcome:
    """What became of one rewrite: the places it changed, or why it was refused."""

    name: str
    sites: int
    refused: str | None = None


def apply_rewrites(
    model: MobileViT, rewrites: Sequence[Rewrite], context: Context
) -> list[Outcome]:
    """Apply ``rewrites`` in order, in place; a refused one is skipped with its reason."""
    outcomes: list[Outcome] = []
    done: set[str] = set()
    for rewrite in rewrites:
        lacking = [name for name in rewrite.requires if name not in done]
        try:
            if lacking:
                raise RefusedError(f"needs {', '.join(lacking)}, which was not applied")
            with torch.no_grad():
                outcomes.append(Outcome(rewrite.name, rewrite.apply(model, context)))
            done.add(rewrite.name)
        except RefusedError as refusal:
            outcomes.append(Outcome(rewrite.name, 0, str(refusal)))
    return outcomes


def parts_of(model: nn.Module, kind: type[Module]) -> list[tuple[str, Module]]:
    """Every submodule of a class with its dotted name; a list, so that swapping parts is safe."""
    return [(name, part) for name, part in model.named_modules() if isinstance(part, kind)]


def joint_norms(model: nn.Module) -> list[tuple[str, nn.GroupNorm]]:
    """The group norms, as :func:`parts_of`, each of which is over all channels together.

    Raises:
        RefusedError: one has several groups.
    """
    norms = parts_of(model, nn.GroupNorm)
    for name, norm in norms:
        if norm.num_groups != 1:
            raise RefusedError(f"{name} has {norm.num_groups} groups instead of one")
    return norms


def swap(model: nn.Module, name: str, part: nn.Module) -> None:
    """Put ``part`` at a dotted name."""
    model.set_submodule(name, part.eval())
