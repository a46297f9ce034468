"""Uses of the operators that compute numbers one by one, with what torch makes of them."""

from __future__ import annotations

import math

import torch

from tests.converters.targets.coreml.evaluator.packages import Case, constants, floats, integers, mb

_X = floats(2, 3, 4)
_POSITIVE = floats(2, 3, 4, low=0.1, high=3.0)
_Y = floats(3, 1)
_INT = integers(2, 3, low=-5, high=6)
_SLOPES = constants(3, seed=1)


def _truth(name: str, *arguments: str) -> object:
    """A comparison, cast to int32 since no program may give truth values away."""

    def build(_: object, x: object, y: object) -> object:
        return mb.cast(x=getattr(mb, name)(x=x, y=y), dtype="int32")

    return build


def _logic(name: str) -> object:
    def build(_: object, x: object, y: object) -> object:
        result = getattr(mb, name)(x=mb.greater(x=x, y=1), y=mb.greater(x=y, y=2))
        return mb.cast(x=result, dtype="int32")

    return build


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
    Case("identity", (_X,), lambda c, x: mb.identity(x=x), lambda x: x),
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
        "mod",
        _DIVIDENDS,
        lambda c, x, y: mb.mod(x=x, y=y),
        lambda x, y: (x - _floor_quotient(x, y) * y).int(),
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
    Case("abs", (_X,), lambda c, x: mb.abs(x=x), lambda x: torch.where(x < 0, -x, x)),
    Case("sign", (_INT,), lambda c, x: mb.sign(x=x), lambda x: (x > 0).int() - (x < 0).int()),
    Case("square", (_X,), lambda c, x: mb.square(x=x), lambda x: x.pow(2)),
    Case("sqrt", (_POSITIVE,), lambda c, x: mb.sqrt(x=x), lambda x: x.pow(0.5)),
    Case(
        "rsqrt",
        (_POSITIVE,),
        lambda c, x: mb.rsqrt(x=x, epsilon=c(0.25)),
        lambda x: 1 / (x + 0.25).sqrt(),
    ),
    Case("rsqrt", (_POSITIVE,), lambda c, x: mb.rsqrt(x=x), lambda x: x.pow(-0.5)),
    Case(
        "inverse",
        (_POSITIVE,),
        lambda c, x: mb.inverse(x=x, epsilon=c(0.5)),
        lambda x: 1 / (x + 0.5),
    ),
    Case(
        "log",
        (_POSITIVE,),
        lambda c, x: mb.log(x=x, epsilon=c(0.5)),
        lambda x: torch.log1p(x - 0.5),
    ),
    Case("exp", (_X,), lambda c, x: mb.exp(x=x), lambda x: torch.tensor(math.e).pow(x)),
    Case("exp2", (_X,), lambda c, x: mb.exp2(x=x), lambda x: torch.exp(x * math.log(2))),
    Case("sin", (_X,), lambda c, x: mb.sin(x=x), lambda x: torch.cos(x - math.pi / 2)),
    Case("cos", (_X,), lambda c, x: mb.cos(x=x), lambda x: torch.sin(x + math.pi / 2)),
    Case(
        "floor", (_X,), lambda c, x: mb.floor(x=x), lambda x: torch.div(x, 1, rounding_mode="floor")
    ),
    Case("ceil", (_X,), lambda c, x: mb.ceil(x=x), lambda x: -torch.floor(-x)),
    # Halves among the numbers: ties go to even.
    Case(
        "round",
        (integers(4, 5, low=-9, high=10),),
        lambda c, x: mb.round(x=mb.mul(x=mb.cast(x=x, dtype="fp32"), y=0.5)),
        lambda x: torch.tensor([[float(round(v / 2)) for v in row] for row in x.tolist()]),
    ),
    Case(
        "clip",
        (_X,),
        lambda c, x: mb.clip(x=x, alpha=c(-0.5), beta=c(1)),
        lambda x: torch.where(x < -0.5, -0.5, torch.where(x > 1, 1.0, x)),
    ),
    Case(
        "threshold",
        (_X,),
        lambda c, x: mb.threshold(x=x, alpha=c(0.5)),
        lambda x: torch.where(x < 0.5, 0.5, x),
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
        lambda c, x: mb.cast(x=mb.cast(x=mb.cast(x=x, dtype="bool"), dtype="fp32"), dtype="fp16"),
        lambda x: (x != 0).float(),
    ),
    Case(
        "cast",
        (integers(2, 3, low=0, high=256),),
        lambda c, x: mb.cast(x=mb.cast(x=x, dtype="uint8"), dtype="int32"),
        lambda x: x,
    ),
    *(
        Case(name, _INTS, _truth(name), expected)
        for name, expected in {
            "equal": lambda x, y: ((x - y) == 0).int(),
            "not_equal": lambda x, y: ((x - y).abs() > 0).int(),
            "less": lambda x, y: ((x - y) < 0).int(),
            "less_equal": lambda x, y: ((x - y) < 1).int(),
            "greater": lambda x, y: ((y - x) < 0).int(),
            "greater_equal": lambda x, y: ((y - x) < 1).int(),
        }.items()
    ),
    *(
        Case(name, (integers(4, 5), integers(4, 5)), _logic(name), expected)
        for name, expected in {
            "logical_and": lambda x, y: (x > 1).int() * (y > 2).int(),
            "logical_or": lambda x, y: ((x > 1).int() + (y > 2).int()).clamp(max=1),
            "logical_xor": lambda x, y: ((x > 1) != (y > 2)).int(),
        }.items()
    ),
    Case(
        "logical_not",
        (integers(4, 5),),
        lambda c, x: mb.cast(x=mb.logical_not(x=mb.greater(x=x, y=1)), dtype="int32"),
        lambda x: (x <= 1).int(),
    ),
    Case(
        "select",
        (_INT, floats(2, 3), floats(2, 3)),
        lambda c, i, x, y: mb.select(cond=mb.greater(x=i, y=0), a=x, b=y),
        lambda i, x, y: x * (i > 0) + y * (i <= 0),
    ),
)

ACTIVATIONS = (
    Case("silu", (_X,), lambda c, x: mb.silu(x=x), lambda x: x / (1 + torch.exp(-x))),
    Case("sigmoid", (_X,), lambda c, x: mb.sigmoid(x=x), lambda x: 0.5 * (1 + torch.tanh(x / 2))),
    Case(
        "sigmoid_hard",
        (_X,),
        lambda c, x: mb.sigmoid_hard(x=x, alpha=c(0.5), beta=c(0.25)),
        lambda x: torch.minimum(torch.maximum(0.5 * x + 0.25, torch.zeros(())), torch.ones(())),
    ),
    Case("relu", (_X,), lambda c, x: mb.relu(x=x), lambda x: (x + x.abs()) / 2),
    Case(
        "relu6",
        (floats(2, 3, 4, low=-9, high=9),),
        lambda c, x: mb.relu6(x=x),
        lambda x: torch.where(x > 6, 6.0, torch.where(x < 0, 0.0, x)),
    ),
    Case(
        "leaky_relu",
        (_X,),
        lambda c, x: mb.leaky_relu(x=x, alpha=c(0.25)),
        lambda x: torch.where(x < 0, 0.25 * x, x),
    ),
    Case(
        "prelu",
        (floats(2, 3, 4, 5),),
        lambda c, x: mb.prelu(x=x, alpha=_SLOPES.astype(c)),
        lambda x: torch.where(x < 0, torch.from_numpy(_SLOPES)[:, None, None] * x, x),
    ),
    Case(
        "elu",
        (_X,),
        lambda c, x: mb.elu(x=x, alpha=c(0.5)),
        lambda x: torch.where(x < 0, 0.5 * (torch.exp(x) - 1), x),
    ),
    Case(
        "gelu",
        (_X,),
        lambda c, x: mb.gelu(x=x),
        lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
    ),
    Case(
        "gelu",
        (_X,),
        lambda c, x: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
        lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    Case(
        "gelu",
        (_X,),
        lambda c, x: mb.gelu(x=x, mode="SIGMOID_APPROXIMATION"),
        lambda x: x / (1 + torch.exp(-1.702 * x)),
    ),
    Case("tanh", (_X,), lambda c, x: mb.tanh(x=x), lambda x: 1 - 2 / (1 + torch.exp(2 * x))),
    Case(
        "scaled_tanh",
        (_X,),
        lambda c, x: mb.scaled_tanh(x=x, alpha=c(0.5), beta=c(2)),
        lambda x: 0.5 * torch.tanh(2 * x),
    ),
    Case(
        "erf",
        (_X,),
        lambda c, x: mb.erf(x=x),
        lambda x: torch.special.ndtr(x * math.sqrt(2)) * 2 - 1,
    ),
    Case(
        "softplus",
        (floats(2, 3, 4, low=-30, high=30),),
        lambda c, x: mb.softplus(x=x),
        lambda x: x.relu() + torch.log1p(torch.exp(-x.abs())),
    ),
    Case("softsign", (_X,), lambda c, x: mb.softsign(x=x), lambda x: x / (x.abs() + 1)),
    Case(
        "linear_activation",
        (_X,),
        lambda c, x: mb.linear_activation(x=x, alpha=c(0.5), beta=c(0.25)),
        lambda x: torch.add(torch.tensor(0.25), x, alpha=0.5),
    ),
    Case(
        "clamped_relu",
        (_X,),
        lambda c, x: mb.clamped_relu(x=x, alpha=c(0.5), beta=c(1)),
        lambda x: torch.minimum(torch.where(x < 0, x / 2, x), torch.ones(())),
    ),
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
