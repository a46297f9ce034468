"""In how many bits the activations of each part are: weights have 8 wherever these are integers.

Parts are those of :mod:`converters.precision.parts`; a block's transformer layers are a part of
their own, named like ``layer3.1.layers``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from converters.job.precisions import Precision
from mobilevit_edge.specs import ModelSpec

Width: TypeAlias = Literal[0, 8, 16]
"""0 is float, which the unit computes in fp16."""
Widths: TypeAlias = Mapping[str, Width]
"""Of parts by name; a part's own counts for all below it that has none."""

_LAYERS: Final = "layers"
_NORM: Final = "norm"


def transformers(spec: ModelSpec) -> tuple[str, ...]:
    """The transformer layers of each block, by name."""
    blocks = [
        f"layer{number}.{stage.repeats}"
        for number, stage in enumerate(spec.stages, 1)
        if stage.block is not None
    ]
    return tuple(f"{block}.{_LAYERS}" for block in blocks)


def widths_of(precision: Precision, spec: ModelSpec) -> dict[str, Width]:
    """What a precision begins with: the whole network, and its transformer layers.

    Scores of an attention, and the sums of a norm, do not survive 8 bits. Group norms over a whole
    map are recognized in float alone, so that layers on maps stay in float.
    """
    tokens = all(stage.block is None or stage.block.layout == "tokens" for stage in spec.stages)
    inside: Width = 16 if precision == "w8a16" and tokens else 0
    whole: Width = 16 if precision == "w8a16" else 8
    return {"": whole, **dict.fromkeys(transformers(spec), inside)}


def width_at(widths: Widths, module: str) -> Width:
    """The width of a module by its path: that of the innermost part around it.

    The norm behind a block's layers goes with them.
    """
    path = module.split(".")
    if path[-1] == _NORM and ".".join((*path[:-1], _LAYERS)) in widths:
        path[-1] = _LAYERS
    for length in range(len(path), 0, -1):
        name = ".".join(path[:length])
        if name in widths:
            return widths[name]
    return widths.get("", 0)
