"""What each rewrite of a target does to a model: places changed, operators, multiply-adds."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from converters.job.option_checks import check_options
from converters.job.options import ExportOptions
from converters.job.source import load_source
from converters.job.wrapping import choose_rewrites
from converters.rewrites.base import apply_rewrites
from converters.targets.base import target_to_export
from converters.targets.jobs import make_job
from mobilevit_edge.models.network import MobileViT

_VIEWS: Final = frozenset(
    {"view", "_unsafe_view", "t", "transpose", "permute", "unsqueeze", "squeeze", "expand"}
    | {"slice", "split", "split_with_sizes", "detach", "alias", "select", "as_strided", "empty"}
)
"""Operators that compute nothing, whose number depends on how torch takes others apart."""


@dataclass(frozen=True)
class Effect:
    """One rewrite on top of those before it. ``operators``: change in number by operator."""

    name: str
    identity: str
    sites: int
    refused: str | None
    operators: Mapping[str, int]
    macs: int


@dataclass(frozen=True)
class Explanation:
    """A target's rewrites on one model; ``macs`` are the reference's multiply-adds."""

    model: str
    macs: int
    operators: int
    effects: tuple[Effect, ...]


def explain(options: ExportOptions) -> Explanation:
    """Apply the target's rewrites one after the other and count what each changes.

    Raises:
        UsageError: options contradict each other; images need not be named.
        MobileViTEdgeError: as an export's preparation does.
    """
    check_options(options)
    target = target_to_export(options.target)
    target.check_options(options)
    source = load_source(options)
    job = make_job(options, source)
    rewrites, context = choose_rewrites(job, target.rewrites(source.spec, options))

    model = copy.deepcopy(source.model)
    first = before = _operators(model, source.image_size)
    macs = first_macs = _macs(model, source.image_size)
    effects: list[Effect] = []
    for count in range(1, len(rewrites) + 1):
        # From the start each time: a rewrite sees the ones it needs as applied.
        model = copy.deepcopy(source.model)
        outcome = apply_rewrites(model, rewrites[:count], context)[-1]
        after, macs_after = before, macs
        if outcome.sites:
            after, macs_after = (
                _operators(model, context.image_size),
                _macs(model, context.image_size),
            )
        change = {
            kind: after[kind] - before[kind]
            for kind in sorted(before.keys() | after.keys())
            if after[kind] != before[kind]
        }
        rewrite = rewrites[count - 1]
        effects.append(
            Effect(
                rewrite.name,
                rewrite.identity,
                outcome.sites,
                outcome.refused,
                change,
                macs_after - macs,
            )
        )
        before, macs = after, macs_after
    return Explanation(source.spec.name, first_macs, sum(first.values()), tuple(effects))


class _OperatorCounter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name not in _VIEWS:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def _operators(model: MobileViT, image_size: tuple[int, int]) -> Counter[str]:
    counter, image = _OperatorCounter(), torch.zeros(1, model.spec.in_channels, *image_size)
    with torch.no_grad(), counter:
        model(image)
    return counter.counts


def _macs(model: MobileViT, image_size: tuple[int, int]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, model.spec.in_channels, *image_size))
    return int(counter.get_total_flops()) // 2
