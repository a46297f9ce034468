"""What a converter needs to quantise a module statically."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Int8Plan:
    """``batches`` are inputs of the artifact that set ranges; parts in ``keep`` stay in fp32."""

    batches: tuple[Tensor, ...]
    keep: tuple[str, ...] = ()
