"""Executed blocks: reading them, and which kinds their instructions are of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.arm.machine_code import Block, count_kinds, parse_blocks
from mobilevit_edge.errors import ConversionError

NOP, FMLA, SDOT, LDR = 0xD503201F, 0x4E21CC00, 0x4E829400, 0x3DC00000


def test_blocks_between_two_marks_come_most_executed_first() -> None:
    log = "mark\nblock 3 d503201f 4e21cc00\nsomething else\nblock 5 3dc00000 4e829400\nmark\n"
    assert parse_blocks(log) == (Block(5, (LDR, SDOT)), Block(3, (NOP, FMLA)))


@pytest.mark.parametrize(
    "log",
    [
        "",
        "mark\nmark\n",
        "mark\nblock 3 d503201f\n",
        "block 3 d503201f\n",
        "mark\nblock 3 d503201f\nmark\nblock 3 d503201f\nmark\n",
    ],
)
def test_a_log_without_two_marks_and_blocks_is_refused(log: str) -> None:
    with pytest.raises(ConversionError, match="counted nothing"):
        parse_blocks(log)


@given(
    st.lists(
        st.builds(
            Block,
            st.integers(1, 2**40),
            st.lists(st.sampled_from([NOP, FMLA, SDOT, LDR]), min_size=1, max_size=9).map(tuple),
        ),
        min_size=1,
    )
)
def test_counts_are_sums_over_blocks(blocks: list[Block]) -> None:
    def executed(word: int) -> int:
        return sum(block.times * block.words.count(word) for block in blocks)

    assert count_kinds(blocks) == {
        "all": sum(block.instructions for block in blocks),
        "fmla": executed(FMLA),
        "dot": executed(SDOT),
        "load_store": executed(LDR),
    }
