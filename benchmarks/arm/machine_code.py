"""What was executed: blocks of straight AArch64 code, how often each ran, instruction kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mobilevit_edge.errors import ConversionError

_KINDS: Final = {
    # Vector multiply-add in floating point.
    "fmla": (
        (0xBFA0FC00, 0x0E20CC00),  # FMLA, fp32 and fp64
        (0xBFA0FC00, 0x0EA0CC00),  # FMLS
        (0xBF80F400, 0x0F801000),  # FMLA by element
        (0xBF80F400, 0x0F805000),  # FMLS by element
        (0xBFE0FC00, 0x0E400C00),  # FMLA, fp16
        (0xBFE0FC00, 0x0EC00C00),  # FMLS
        (0xBFC0F400, 0x0F001000),  # FMLA by element
        (0xBFC0F400, 0x0F005000),  # FMLS by element
    ),
    # Products of bytes summed in 32 bits.
    "dot": (
        (0xBFE0FC00, 0x0E809400),  # SDOT
        (0xBFE0FC00, 0x2E809400),  # UDOT
        (0xBFE0FC00, 0x0E809C00),  # USDOT
        (0xBFC0F400, 0x0F80E000),  # SDOT by element
        (0xBFC0F400, 0x2F80E000),  # UDOT by element
        (0xBFC0F400, 0x0F80F000),  # USDOT by element
        (0xBFC0F400, 0x0F00F000),  # SUDOT by element
        (0xFFE0FC00, 0x4E80A400),  # SMMLA
        (0xFFE0FC00, 0x6E80A400),  # UMMLA
        (0xFFE0FC00, 0x4E80AC00),  # USMMLA
    ),
    # The whole group in the architecture's encoding table.
    "load_store": ((0x0A000000, 0x08000000),),
}
"""(mask, value): an instruction's word is of a kind if the masked word is one of the values."""


@dataclass(frozen=True)
class Block:
    """A block of straight code: how often it ran, and its instructions in order."""

    times: int
    words: tuple[int, ...]

    @property
    def instructions(self) -> int:
        """How many instructions were executed."""
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
    """Executed instructions, all together and by kind."""
    words = np.array([word for block in blocks for word in block.words], np.uint32)
    times = np.repeat([block.times for block in blocks], [len(block.words) for block in blocks])
    return {
        "all": int(times.sum()),
        **{
            kind: int(times[_match_any(words, patterns)].sum()) for kind, patterns in _KINDS.items()
        },
    }


def _match_any(
    words: npt.NDArray[np.uint32], patterns: Sequence[tuple[int, int]]
) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(words), np.bool_)
    for mask, value in patterns:
        found |= (words & np.uint32(mask)) == value
    return found
