"""SiLU as a product with a sigmoid."""

from __future__ import annotations

import torch
from torch import nn

from converters.rewrites.explicit_silu import ExplicitSiLU


def test_large_inputs_of_either_sign_stay_finite() -> None:
    x = torch.tensor([-1e4, -100.0, 0.0, 100.0, 1e4])
    assert torch.equal(ExplicitSiLU()(x), nn.functional.silu(x))
