"""SiLU as a product with a sigmoid."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from torch import Tensor, nn

from converters.rewrites.explicit_silu import ExplicitSiLU
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    LINES,
    assert_exact,
    batches_of_images,
    chain,
    count,
    few,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "explicit_silu"


@few
@given(small_specs(*LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


@pytest.mark.parametrize("line", LINES)
def test_no_fused_activation_is_left(line: str) -> None:
    model = small_model(small_spec(line))
    changed, outcome = rewritten(model, chain(NAME))
    assert outcome.sites == count(model, nn.SiLU) > 0
    assert count(changed, nn.SiLU) == 0


def test_large_inputs_of_either_sign_stay_finite() -> None:
    x = torch.tensor([-1e4, -100.0, 0.0, 100.0, 1e4])
    assert torch.equal(ExplicitSiLU()(x), nn.functional.silu(x))
