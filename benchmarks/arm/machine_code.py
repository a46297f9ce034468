"""What was executed: blocks of straight AArch64 code, how often each ran, and of which kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mobilevit_edge.errors import ConversionError

_KINDS: Final = {
    # Vector multiply-add in floating point: FMLA, FMLS; by vector and by element; fp32/64 and fp16.
    "fmla": (
        *((0xBFA0FC00, 0x0E20CC00), (0xBFA0FC00, 0x0EA0CC00), (0xBF80F400, 0x0F801000)),
        *((0xBF80F400, 0x0F805000), (0xBFE0FC00, 0x0E400C00), (0xBFE0FC00, 0x0EC00C00)),
        *((0xBFC0F400, 0x0F001000), (0xBFC0F400, 0x0F005000)),
    ),
    # Products of bytes summed in 32 bits: SDOT, UDOT, USDOT, SUDOT; SMMLA, UMMLA, USMMLA.
    "dot": (
        *((0xBFE0FC00, 0x0E809400), (0xBFE0FC00, 0x2E809400), (0xBFE0FC00, 0x0E809C00)),
        *((0xBFC0F400, 0x0F80E000), (0xBFC0F400, 0x2F80E000), (0xBFC0F400, 0x0F80F000)),
        *((0xBFC0F400, 0x0F00F000), (0xFFE0FC00, 0x4E80A400), (0xFFE0FC00, 0x6E80A400)),
        (0xFFE0FC00, 0x4E80AC00),
    ),
    # The whole group in the architecture's encoding table.
    "load_store": ((0x0A000000, 0x08000000),),
}
"""Masks of an instruction's word, and what is left of it."""


@dataclass(frozen=True)
class Block:
    """``words``: its instructions, in order."""

    times: int
    words: tuple[int, ...]

    @property
    def instructions(self) -> int:
        """That were executed."""
        return self.times * len(self.words)


def parse_blocks(log: str) -> tuple[Block, ...]:
    """What was executed between a log's two marks, most instructions first.

    Raises:
        ConversionError: there are not two marks, or nothing between them.
    """
    lines = [line.split() for line in log.splitlines()]
    blocks = [
        Block(int(line[1]), tuple(int(word, 16) for word in line[2:]))
        for line in lines
        if line[:1] == ["block"]
    ]
    if lines.count(["mark"]) != 2 or not blocks:
        raise ConversionError("the emulator counted nothing: its plugin interface has changed")
    return tuple(sorted(blocks, key=lambda block: -block.instructions))


def count_kinds(blocks: Sequence[Block]) -> dict[str, int]:
    """Executed instructions: all of them, and by kind."""
    words = np.array([word for block in blocks for word in block.words], np.uint32)
    times = np.repeat([block.times for block in blocks], [len(block.words) for block in blocks])
    return {
        "all": int(times.sum()),
        **{kind: int(times[_any(words, patterns)].sum()) for kind, patterns in _KINDS.items()},
    }


def _any(
    words: npt.NDArray[np.uint32], patterns: Sequence[tuple[int, int]]
) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(words), np.bool_)
    for mask, value in patterns:
        found |= (words & np.uint32(mask)) == value
    return found
