"""Attention for some queries at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.job.options import ExportOptions
from converters.rewrites import query_blocks
from converters.rewrites.base import Context, Outcome, parts_of
from converters.rewrites.bounded_softmax import BoundedAttention
from converters.rewrites.explicit_attention import ExplicitAttention
from converters.rewrites.query_blocks import SCORES, rows_of_a_block
from converters.targets.base import get_target
from mobilevit_edge.models.attention import MultiHeadSelfAttention
from mobilevit_edge.models.network import create_meta_model
from mobilevit_edge.specs import PHASES, SPECS
from tests.support.networks import TOKENS, Family
from tests.support.rewrites import (
    EXACT,
    difference,
    few,
    noise,
    randomize,
    rewritten,
    small_model,
)

NAME = "query_blocks"
SIZE = (48, 40)
"""Of images: maps of 12x10 and 6x5 pixels, 30 and 9 tokens."""


@few
@given(
    heads=st.sampled_from([1, 2, 4]),
    tokens=st.integers(1, 30),
    rows=st.integers(1, 31),
    bounded=st.booleans(),
)
@torch.no_grad()
def test_any_number_of_queries_at_a_time_gives_the_same(
    heads: int, tokens: int, rows: int, bounded: bool
) -> None:
    unit = MultiHeadSelfAttention(heads * 3, heads).double()
    randomize(unit)
    attention = ExplicitAttention.from_reference(unit)
    if bounded:
        attention = BoundedAttention(attention, tokens)
    x = noise(2, tokens, heads * 3)
    expected = attention(x)
    attention.rows = rows
    assert difference(attention(x), expected) < EXACT


@given(heads=st.integers(1, 16), tokens=st.integers(1, 10_000))
def test_a_block_is_as_large_as_it_may_be(heads: int, tokens: int) -> None:
    rows = rows_of_a_block(heads, tokens)
    assert rows.bit_count() == 1
    scores = PHASES * heads * tokens
    assert rows == 1 or rows * scores <= SCORES
    assert 2 * rows * scores > SCORES


@pytest.mark.parametrize("family", TOKENS)
@torch.no_grad()
def test_the_network_stays_the_same_in_blocks(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = small_model(family), noise(2, 3, *SIZE)
    heads = next(unit.heads for _, unit in parts_of(model, MultiHeadSelfAttention))
    monkeypatch.setattr(query_blocks, "SCORES", 16 * PHASES * heads * 30)
    changed, outcome = rewritten(model, NAME, context=Context(SIZE))
    assert outcome == Outcome(NAME, 1)
    assert [unit.rows for _, unit in parts_of(changed, ExplicitAttention)] == [16, None]
    assert difference(changed(x), model(x)) < EXACT


@pytest.mark.parametrize(("size", "blocks"), [(256, 0), (512, 2)])
def test_only_large_images_have_blocks(size: int, blocks: int) -> None:
    """At 512x512 the first of the three stages with attention, of two layers."""
    model = create_meta_model(SPECS["mobilevit_xxs"], 5)
    _, outcome = rewritten(model, NAME, context=Context((size, size)))
    assert outcome == Outcome(NAME, blocks)


def test_numbers_in_eight_bits_and_open_sizes_have_none() -> None:
    fixed = ExportOptions(weights="random", target="onnx")
    for options, has in (
        (fixed, True),
        (replace(fixed, precision="int8"), False),
        (replace(fixed, image_size="dynamic"), False),
    ):
        assert (NAME in get_target("onnx").rewrites(SPECS["mobilevit_xxs"], options)) is has
