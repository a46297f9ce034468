"""Uses of the operators that compute numbers one by one, with what torch makes of them."""

from __future__ import annotations

import math

import torch

from tests.converters.targets.coreml.evaluator.packages import Case, floats, integers, mb

_X = floats(2, 3, 4)
_POSITIVE = floats(2, 3, 4, low=0.1, high=3.0)
_Y = floats(3, 1)


def _floor_quotient(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.tensor(
        [
            [a // b for a, b in zip(r, s, strict=True)]
            for r, s in zip(x.tolist(), y.tolist(), strict=True)
        ]
    ).int()


_PAIR = (_X, _Y)
_INTS = (integers(2, 3, low=-3, high=4), integers(2, 3, low=-3, high=4))
_DIVIDENDS = (integers(2, 3, low=-9, high=10), integers(2, 3, low=1, high=4))

ARITHMETIC = (
    Case("add", _PAIR, lambda c, x, y: mb.add(x=x, y=y), lambda x, y: torch.sub(x, -y)),
    Case("add", _INTS, lambda c, x, y: mb.add(x=x, y=y), lambda x, y: x - (-y)),
    Case("sub", _PAIR, lambda c, x, y: mb.sub(x=x, y=y), lambda x, y: x + (-y)),
    Case(
        "mul",
        _PAIR,
        lambda c, x, y: mb.mul(x=x, y=y),
        lambda x, y: torch.einsum("bij,ik->bij", x, y),
    ),
    Case(
        "real_div",
        (_X, floats(3, 1, low=0.5, high=2)),
        lambda c, x, y: mb.real_div(x=x, y=y),
        lambda x, y: x * y.reciprocal(),
    ),
    Case("floor_div", _DIVIDENDS, lambda c, x, y: mb.floor_div(x=x, y=y), _floor_quotient),
    Case(
        "floor_div",
        (_X, floats(3, 1, low=0.5, high=2)),
        lambda c, x, y: mb.floor_div(x=x, y=y),
        lambda x, y: (x / y).floor(),
    ),
    Case(
        "pow",
        (_POSITIVE, _Y),
        lambda c, x, y: mb.pow(x=x, y=y),
        lambda x, y: torch.exp(y * torch.log(x)),
    ),
    Case(
        "maximum",
        _PAIR,
        lambda c, x, y: mb.maximum(x=x, y=y),
        lambda x, y: (x + y + (x - y).abs()) / 2,
    ),
    Case(
        "minimum",
        _PAIR,
        lambda c, x, y: mb.minimum(x=x, y=y),
        lambda x, y: (x + y - (x - y).abs()) / 2,
    ),
    Case("square", (_X,), lambda c, x: mb.square(x=x), lambda x: x.pow(2)),
    Case("sqrt", (_POSITIVE,), lambda c, x: mb.sqrt(x=x), lambda x: x.pow(0.5)),
    Case(
        "rsqrt",
        (_POSITIVE,),
        lambda c, x: mb.rsqrt(x=x, epsilon=c(0.25)),
        lambda x: 1 / (x + 0.25).sqrt(),
    ),
    Case("rsqrt", (_POSITIVE,), lambda c, x: mb.rsqrt(x=x), lambda x: x.pow(-0.5)),
    Case("exp", (_X,), lambda c, x: mb.exp(x=x), lambda x: torch.tensor(math.e).pow(x)),
    Case(
        "clip",
        (_X,),
        lambda c, x: mb.clip(x=x, alpha=c(-0.5), beta=c(1)),
        lambda x: torch.where(x < -0.5, -0.5, torch.where(x > 1, 1.0, x)),
    ),
    Case(
        "cast",
        (_X,),
        lambda c, x: mb.cast(x=x, dtype="int32"),
        lambda x: (x.sign() * x.abs().floor()).int(),
    ),
    Case(
        "cast",
        (integers(2, 3, low=-1, high=2),),
        lambda c, x: mb.cast(x=mb.cast(x=x, dtype="fp32"), dtype="fp16"),
        lambda x: x.float(),
    ),
    Case(
        "cast",
        (integers(2, 3, low=0, high=256),),
        lambda c, x: mb.cast(x=mb.cast(x=x, dtype="uint8"), dtype="int32"),
        lambda x: x,
    ),
)

ACTIVATIONS = (
    Case("silu", (_X,), lambda c, x: mb.silu(x=x), lambda x: x / (1 + torch.exp(-x))),
    Case("sigmoid", (_X,), lambda c, x: mb.sigmoid(x=x), lambda x: 0.5 * (1 + torch.tanh(x / 2))),
    Case("relu", (_X,), lambda c, x: mb.relu(x=x), lambda x: (x + x.abs()) / 2),
    Case(
        "relu6",
        (floats(2, 3, 4, low=-9, high=9),),
        lambda c, x: mb.relu6(x=x),
        lambda x: torch.where(x > 6, 6.0, torch.where(x < 0, 0.0, x)),
    ),
    Case("tanh", (_X,), lambda c, x: mb.tanh(x=x), lambda x: 1 - 2 / (1 + torch.exp(2 * x))),
    Case(
        "softmax",
        (_X,),
        lambda c, x: mb.softmax(x=x, axis=1),
        lambda x: x.exp() / x.exp().sum(1, keepdim=True),
    ),
    Case(
        "softmax", (_X,), lambda c, x: mb.softmax(x=x), lambda x: (x - x.logsumexp(-1, True)).exp()
    ),
)

VALUE_CASES = (*ARITHMETIC, *ACTIVATIONS)
