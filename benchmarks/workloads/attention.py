"""The three attention units of the MobileViTv2 paper, alone and inside MobileViT-S.

Alone (its figure 1): d = 512, 8 heads, Linformer's p = 256, on k tokens, PyTorch on one core.
Inside MobileViT-S (its table 1): the same network with the unit exchanged, at 256x256.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchmarks.harness.plan import Candidate, FactorySource, Group
from benchmarks.harness.runners import eager, runtime_of
from mobilevit_edge.formats.report import LatencyRow, OperatorTime, Profile, Subject
from mobilevit_edge.specs import ATTENTIONS, Attention

if TYPE_CHECKING:
    from torch import nn

EXPERIMENT: Final = "attention"
DIM: Final = 512
HEADS: Final = 8
PROJECTED: Final = 256
FIRST_TOKENS: Final = 64
PROFILED_TOKENS: Final = 256
MODEL: Final = "mobilevit_s"
IMAGE_SIZE: Final = 256
PAPER_MS: Final[Mapping[Attention, float]] = {
    "multi_head": 9.9,
    "linformer": 10.2,
    "separable": 3.4,
}
"""MobileViTv2 paper, table 1: MobileViT-S with each unit, on an iPhone 12."""
_SCORES_HELD: Final = 3
"""Copies of the k x k scores that are alive at once, around softmax."""
_MACS_PER_SECOND: Final = 1e10
_MAX_SECONDS: Final = 5.0
_PROFILED_INFERENCES: Final = 5


def unit(kind: Attention, tokens: int) -> nn.Module:
    """One attention unit. ``[1, tokens, 512] -> same``."""
    import torch

    from mobilevit_edge.models.attention import (
        LinformerSelfAttention,
        MultiHeadSelfAttention,
        TokenSeparableSelfAttention,
    )

    torch.manual_seed(0)
    match kind:
        case "multi_head":
            module: nn.Module = MultiHeadSelfAttention(DIM, HEADS)
        case "linformer":
            module = LinformerSelfAttention(
                DIM, HEADS, max_tokens=tokens, projected_tokens=min(PROJECTED, tokens)
            )
        case "separable":
            module = TokenSeparableSelfAttention(DIM)
    return module.eval()


def unit_run(kind: Attention, tokens: int) -> Callable[[], object]:
    """One inference of a unit; the factory of its candidate."""
    import torch

    return eager(unit(kind, tokens), torch.rand(1, tokens, DIM))


def model_run(kind: Attention) -> Callable[[], object]:
    """One inference of MobileViT-S with a unit; the factory of its candidate."""
    import torch

    from mobilevit_edge.models.network import create_model

    torch.manual_seed(0)
    model = create_model(MODEL, attention=kind)
    return eager(model, torch.rand(1, 3, IMAGE_SIZE, IMAGE_SIZE))


def unit_macs(kind: Attention, tokens: int) -> int:
    """Multiply-adds of one unit."""
    projections = {"multi_head": 4 * DIM, "linformer": 4 * DIM, "separable": 3 * DIM + 1}
    macs = tokens * DIM * projections[kind]
    if kind == "multi_head":
        macs += 2 * tokens * tokens * DIM
    if kind == "linformer":
        # Keys and values to p tokens, then queries with p keys, and scores with p values.
        macs += 4 * tokens * min(PROJECTED, tokens) * DIM
    return macs


def reason_not_to_run(kind: Attention, tokens: int, memory_bytes: int | None) -> str | None:
    """Why a unit is not measured on this many tokens; ``None`` if it is.

    Args:
        kind: the unit.
        tokens: k.
        memory_bytes: memory of this machine; ``None`` if unknown.
    """
    if kind != "multi_head":
        return None
    scores = _SCORES_HELD * 4 * HEADS * tokens * tokens
    if memory_bytes is not None and scores > memory_bytes / 2:
        return f"its {tokens} x {tokens} scores take {scores / 1e9:.1f} GB, over half the memory"
    seconds = unit_macs(kind, tokens) / _MACS_PER_SECOND
    if seconds > _MAX_SECONDS:
        return f"one inference would take about {seconds:.0f} s"
    return None


def token_counts(most: int) -> list[int]:
    """64, 128, ... up to ``most``."""
    return [FIRST_TOKENS << i for i in range(int(math.log2(most / FIRST_TOKENS)) + 1)]


def attention_groups(most: int, memory_bytes: int | None) -> tuple[Group, ...]:
    """A group of the three units for each number of tokens, and one of the three networks."""
    alone = [
        Group(
            f"{tokens} tokens",
            tuple(_unit_candidate(kind, tokens, memory_bytes) for kind in ATTENTIONS),
        )
        for tokens in token_counts(most)
    ]
    return (*alone, Group(MODEL, tuple(_model_candidate(kind) for kind in ATTENTIONS)))


def _unit_candidate(kind: Attention, tokens: int, memory_bytes: int | None) -> Candidate:
    row = LatencyRow(
        id=f"{kind} {tokens}",
        experiment=EXPERIMENT,
        subject=Subject(
            part="attention",
            target="torch",
            precision="fp32",
            attributes={"attention": kind, "tokens": str(tokens), "dim": str(DIM)},
            macs=unit_macs(kind, tokens),
        ),
        runtime=runtime_of("torch"),
        not_run=reason_not_to_run(kind, tokens, memory_bytes),
    )
    factory = f"{__name__}:{unit_run.__name__}"
    return Candidate(row, FactorySource(factory, {"kind": kind, "tokens": tokens}))


def _model_candidate(kind: Attention) -> Candidate:
    row = LatencyRow(
        id=f"{MODEL} {kind}",
        experiment=EXPERIMENT,
        subject=Subject(
            model=MODEL,
            target="torch",
            precision="fp32",
            image_size=(IMAGE_SIZE, IMAGE_SIZE),
            attributes={"attention": kind},
        ),
        runtime=runtime_of("torch"),
    )
    return Candidate(row, FactorySource(f"{__name__}:{model_run.__name__}", {"kind": kind}))


def fitted_exponent(tokens: Sequence[int], medians: Sequence[float]) -> float | None:
    """The e of latency = c k^e, by least squares over the upper half of k; ``None`` for one point.

    What does not depend on k dominates the lower half: calls, caches.
    """
    import numpy as np

    start = len(tokens) // 2 if len(tokens) > 2 else 0
    x, y = np.log(tokens[start:]), np.log(medians[start:])
    return float(np.polyfit(x, y, 1)[0]) if x.size > 1 else None


def profile_unit(kind: Attention, tokens: int = PROFILED_TOKENS) -> Profile:
    """Time of each PyTorch operator in a unit, in this process, on one thread."""
    # Kineto, below the profiler, would print to stderr when it starts and stops.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    import torch
    from torch.profiler import ProfilerActivity, profile

    run = unit_run(kind, tokens)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run()
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(_PROFILED_INFERENCES):
                run()
    finally:
        torch.set_num_threads(threads)
    averages: Any = profiler.key_averages()
    operators = [
        OperatorTime(
            kind=event.key.removeprefix("aten::"),
            name="",
            module="",
            calls=event.count,
            total_ns=round(1000 * event.self_cpu_time_total),
        )
        for event in averages
        if event.key.startswith("aten::") and event.self_cpu_time_total > 0
    ]
    operators.sort(key=lambda operator: -operator.total_ns)
    return Profile("torch.profiler", _PROFILED_INFERENCES, None, tuple(operators))
