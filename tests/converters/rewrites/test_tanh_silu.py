"""SiLU by a hyperbolic tangent of half its input."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from torch import Tensor, nn

from converters.rewrites.tanh_silu import TanhSiLU
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    LINES,
    TOKEN_LINES,
    assert_exact,
    assert_same_after,
    batches_of_images,
    chain,
    count,
    few,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "tanh_silu"


@few
@given(small_specs(*LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


@few
@given(small_specs(*LINES), batches_of_images)
def test_so_it_does_after_the_rewrites_that_move_activations(spec: ModelSpec, x: Tensor) -> None:
    layout = "token_layout" if spec.stages[-1].block.layout == "tokens" else "phase_layout"  # type: ignore[union-attr]
    assert_same_after(small_model(spec), [*chain(layout), NAME], x)


@pytest.mark.parametrize("line", LINES)
def test_every_activation_is_rewritten(line: str) -> None:
    model = small_model(small_spec(line))
    layout = "token_layout" if line in TOKEN_LINES else "phase_layout"
    for names in (chain(NAME), [*chain(layout), NAME]):
        changed, outcome = rewritten(model, names)
        assert outcome.sites == count(model, nn.SiLU) == count(changed, TanhSiLU) > 0
        assert count(changed, nn.SiLU) == 0


@pytest.mark.parametrize("rank", [3, 4])
def test_large_inputs_of_either_sign_stay_finite(rank: int) -> None:
    x = torch.tensor([-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4]).reshape([1] * (rank - 1) + [7])
    y = TanhSiLU(rank)(x / 2)
    assert y.shape == x.shape
    # 1 + tanh ends where fp32 does: nothing is left of -20 sigmoid(-20) = -4e-8.
    assert torch.allclose(y, nn.functional.silu(x), rtol=1e-7, atol=1e-7)


def test_halving_weights_loses_no_digit() -> None:
    model = small_model(small_spec("mobilevitv2_050")).float()
    changed, _ = rewritten(model, chain(NAME))
    before, _ = rewritten(model, chain("batch_norm_fold"))
    assert torch.equal(2 * changed.stem.conv.weight, before.stem.conv.weight)
    # The projection of an inverted residual has no activation.
    for half in ("layer1.0.expand.conv", "layer3.1.layers.0.ffn_in"):
        old, new = before.get_submodule(half).weight, changed.get_submodule(half).weight
        assert torch.equal(2 * new, old)  # type: ignore[arg-type,operator]
    whole = "layer1.0.project.conv"
    assert torch.equal(
        before.get_submodule(whole).weight,  # type: ignore[arg-type]
        changed.get_submodule(whole).weight,  # type: ignore[arg-type]
    )
