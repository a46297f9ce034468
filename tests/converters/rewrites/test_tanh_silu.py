"""SiLU by a hyperbolic tangent of half its input."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from converters.rewrites.tanh_silu import TanhSiLU
from tests.support.networks import FAMILIES, TOKENS, Family
from tests.support.rewrites import count, prepared_for, rewritten, small_model

NAME = "tanh_silu"


@pytest.mark.parametrize("family", FAMILIES)
def test_activations_that_another_layout_moved_are_rewritten_too(family: Family) -> None:
    model = small_model(family)
    layout = "token_layout" if family in TOKENS else "phase_layout"
    changed, outcome = rewritten(model, layout, NAME)
    assert outcome.sites == count(model, nn.SiLU) == count(changed, TanhSiLU) > 0
    assert count(changed, nn.SiLU) == 0


@pytest.mark.parametrize("rank", [3, 4])
def test_large_inputs_of_either_sign_stay_finite(rank: int) -> None:
    x = torch.tensor([-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4]).reshape([1] * (rank - 1) + [7])
    y = TanhSiLU(rank, x.dtype)(x / 2)
    assert y.shape == x.shape
    # 1 + tanh ends where fp32 does: nothing is left of -20 sigmoid(-20) = -4e-8.
    assert torch.allclose(y, nn.functional.silu(x), rtol=1e-7, atol=1e-7)


def test_halving_weights_loses_no_digit() -> None:
    model = small_model("v2").float()
    before = prepared_for(model, NAME).state_dict()
    after = rewritten(model, NAME)[0].state_dict()
    for halved in ("stem.conv", "layer1.0.expand.conv", "layer2.2.layers.0.ffn_in"):
        assert torch.equal(2 * after[f"{halved}.weight"], before[f"{halved}.weight"])
        assert torch.equal(2 * after[f"{halved}.bias"], before[f"{halved}.bias"])
    # The projection of an inverted residual has no activation.
    whole = "layer1.0.project.conv.weight"
    assert torch.equal(after[whole], before[whole])
