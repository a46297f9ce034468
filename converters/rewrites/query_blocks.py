"""Attention for some queries at a time, where the scores of all of them would leave the caches.

A row of softmax(q k) v depends on its own query alone, so the rows can be worked out block by
block. At 512x512 the first block of MobileViT-XXS has 4 phases, 4 heads and 1,024 tokens: 67 MB of
scores, which are written once, read and written by the softmax, and read again. In blocks they stay
in a cache, and never lie in memory as a whole. At 256x256 they are 4 MB, and one block.
"""

from __future__ import annotations

from typing import Final

from converters.rewrites.base import Context, Rewrite
from converters.rewrites.patch_grids import attention_units
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PHASES

SCORES: Final = 2**20
"""How many scores a block has at most, 4 MB in fp32. By measurement: ``docs/howto/heads.md``."""


def rows_of_a_block(heads: int, tokens: int) -> int:
    """The largest power of two of queries whose scores, of one image, are at most ``SCORES``."""
    rows = SCORES // (PHASES * heads * tokens)
    return 1 << max(rows.bit_length() - 1, 0)


def _apply(model: MobileViT, context: Context) -> int:
    changed = 0
    for _, unit, tokens in attention_units(model, context.image_size):
        rows = rows_of_a_block(unit.heads, tokens)
        if rows < tokens:
            unit.rows = rows
            changed += 1
    return changed


REWRITE = Rewrite(
    name="query_blocks",
    identity="softmax([q; q'] k) v = [softmax(q k) v; softmax(q' k) v]",
    requires=("explicit_attention",),
    apply=_apply,
)
