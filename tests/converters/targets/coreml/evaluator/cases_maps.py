"""Uses of convolutions, poolings, norms, products, reductions and resizing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.converters.targets.coreml.evaluator.packages import Case, constants, floats, mb

_MAP = floats(2, 4, 9, 8)
_SMALL = floats(2, 4, 5, 6)


def _t(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> Tensor:
    return torch.from_numpy(constants(*shape, seed=seed, low=low, high=high))


def _unfolded(
    x: Tensor, weight: Tensor, stride: Sequence[int], dilation: Sequence[int], groups: int
) -> Tensor:
    """A convolution without padding, as sums over the kernel's places."""
    n, _, h, w = x.shape
    out, per_group, kh, kw = weight.shape
    rows = (h - (kh - 1) * dilation[0] - 1) // stride[0] + 1
    columns = (w - (kw - 1) * dilation[1] - 1) // stride[1] + 1
    total = torch.zeros(n, groups, out // groups, rows, columns)
    grouped = x.reshape(n, groups, per_group, h, w)
    kernels = weight.reshape(groups, out // groups, per_group, kh, kw)
    for i in range(kh):
        for j in range(kw):
            y, z = i * dilation[0], j * dilation[1]
            part = grouped[..., y:, z:][..., :: stride[0], :: stride[1]][..., :rows, :columns]
            total += torch.einsum("ngchw,goc->ngohw", part, kernels[..., i, j])
    return total.reshape(n, out, rows, columns)


def _conv(
    kernel: tuple[int, int],
    pads: tuple[int, int, int, int],
    *,
    groups: int = 1,
    strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1),
    bias: bool = False,
    **given: Any,
) -> Case:
    """A convolution; ``pads`` are what the padding amounts to: left, right, top, bottom."""
    weight = constants(6, 4 // groups, *kernel, seed=3)
    offset = constants(6, seed=4)

    def build(c: Any, x: Any) -> Any:
        extra = {"bias": offset.astype(c)} if bias else {}
        return mb.conv(
            x=x,
            weight=weight.astype(c),
            strides=strides,
            dilations=dilations,
            groups=groups,
            **extra,
            **given,
        )

    def expected(x: Tensor) -> Tensor:
        y = _unfolded(F.pad(x, pads), torch.from_numpy(weight), strides, dilations, groups)
        return y + torch.from_numpy(offset)[:, None, None] if bias else y

    return Case("conv", (_MAP,), build, expected)


CONVOLUTIONS = (
    _conv((3, 3), (0, 0, 0, 0), pad_type="valid"),
    _conv((1, 1), (0, 0, 0, 0), bias=True, pad_type="valid"),
    _conv((3, 2), (3, 0, 1, 2), groups=2, pad_type="custom", pad=[1, 2, 3, 0]),
    _conv((3, 3), (2, 2, 2, 2), dilations=(2, 2), pad_type="custom", pad=[2, 2, 2, 2]),
    _conv((2, 2), (0, 0, 0, 0), dilations=(3, 2), strides=(1, 2), groups=2, pad_type="valid"),
    Case(
        "conv_transpose",
        (_SMALL,),
        lambda c, x: mb.conv_transpose(
            x=x, weight=constants(4, 3, 2, 2, seed=6).astype(c), strides=[2, 2]
        ),
        # Windows that do not overlap: each pixel becomes a block.
        lambda x: torch.einsum("nchw,cokl->nohkwl", x, _t(4, 3, 2, 2, seed=6)).reshape(
            2, 3, 10, 12
        ),
    ),
    Case(
        "conv_transpose",
        (_SMALL,),
        lambda c, x: mb.conv_transpose(
            x=x,
            weight=constants(4, 3, 3, 3, seed=6).astype(c),
            bias=constants(3, seed=7).astype(c),
            strides=[2, 2],
            pad_type="custom",
            pad=[1, 1, 1, 1],
            output_shape=[2, 3, 10, 12],
        ),
        lambda x: F.conv_transpose2d(
            x, _t(4, 3, 3, 3, seed=6), _t(3, seed=7), stride=2, padding=1, output_padding=1
        ),
    ),
)


def _windows(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Every window of a padded map: ``[N, C, H', W', kh, kw]``."""
    return x.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1])


def _counted_mean(x: Tensor, pads: tuple[int, int, int, int]) -> Tensor:
    """Means over what lies inside the map."""
    inside = _windows(F.pad(torch.ones_like(x), pads), (3, 3), (2, 2)).sum((-2, -1))
    return _windows(F.pad(x, pads), (3, 3), (2, 2)).sum((-2, -1)) / inside


_POOL: dict[str, Any] = {"kernel_sizes": [3, 3], "strides": [2, 2]}
POOLINGS = (
    Case(
        "avg_pool",
        (_MAP,),
        lambda c, x: mb.avg_pool(x=x, kernel_sizes=[2, 3], pad_type="valid"),
        lambda x: _windows(x, (2, 3), (1, 1)).mean((-2, -1)),
    ),
    Case(
        "avg_pool",
        (_MAP,),
        lambda c, x: mb.avg_pool(x=x, pad_type="custom", pad=[1, 1, 0, 0], **_POOL),
        lambda x: _windows(F.pad(x, (0, 0, 1, 1)), (3, 3), (2, 2)).mean((-2, -1)),
    ),
    Case(
        "avg_pool",
        (_MAP,),
        lambda c, x: mb.avg_pool(
            x=x, pad_type="custom", pad=[0, 0, 1, 1], exclude_padding_from_average=True, **_POOL
        ),
        lambda x: _counted_mean(x, (1, 1, 0, 0)),
    ),
    Case(
        "avg_pool",
        (floats(1, 2, 8, 8),),
        lambda c, x: mb.avg_pool(x=x, pad_type="valid", ceil_mode=True, **_POOL),
        # The last window holds two rows and columns alone.
        lambda x: _counted_mean(x, (0, 1, 0, 1)),
    ),
    Case(
        "max_pool",
        (floats(1, 2, 8, 8, low=-2, high=-1),),
        lambda c, x: mb.max_pool(x=x, pad_type="custom", pad=[1, 1, 1, 1], **_POOL),
        lambda x: _windows(F.pad(x, (1, 1, 1, 1), value=-99.0), (3, 3), (2, 2)).amax((-2, -1)),
    ),
    Case(
        "max_pool",
        (floats(1, 2, 8, 8),),
        lambda c, x: mb.max_pool(x=x, pad_type="valid", ceil_mode=True, **_POOL),
        lambda x: _windows(F.pad(x, (0, 1, 0, 1), value=-99.0), (3, 3), (2, 2)).amax((-2, -1)),
    ),
)


def _standardized(x: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    variance = x.var(axes, correction=0, keepdim=True)
    return (x - x.mean(axes, keepdim=True)) / (variance + epsilon).sqrt()


NORMS = (
    Case(
        "batch_norm",
        (_SMALL,),
        lambda c, x: mb.batch_norm(
            x=x,
            mean=constants(4, seed=1).astype(c),
            variance=constants(4, seed=2, low=0.5, high=2).astype(c),
            gamma=constants(4, seed=3).astype(c),
            beta=constants(4, seed=4).astype(c),
            epsilon=c(0.125),
        ),
        lambda x: F.batch_norm(
            x,
            _t(4, seed=1),
            _t(4, seed=2, low=0.5, high=2),
            _t(4, seed=3),
            _t(4, seed=4),
            eps=0.125,
        ),
    ),
    Case(
        "batch_norm",
        (floats(2, 4, 5),),
        lambda c, x: mb.batch_norm(
            x=x,
            mean=constants(4, seed=1).astype(c),
            variance=constants(4, seed=2, low=0.5, high=2).astype(c),
        ),
        lambda x: F.batch_norm(x, _t(4, seed=1), _t(4, seed=2, low=0.5, high=2), eps=1e-5),
    ),
    Case(
        "instance_norm",
        (_SMALL,),
        lambda c, x: mb.instance_norm(
            x=x,
            gamma=constants(4, seed=3).astype(c),
            beta=constants(4, seed=4).astype(c),
            epsilon=c(0.125),
        ),
        lambda x: (
            _standardized(x, (2, 3), 0.125) * _t(4, seed=3)[:, None, None]
            + _t(4, seed=4)[:, None, None]
        ),
    ),
    Case(
        "layer_norm",
        (_SMALL,),
        lambda c, x: mb.layer_norm(
            x=x,
            axes=[-1],
            gamma=constants(6, seed=3).astype(c),
            beta=constants(6, seed=4).astype(c),
            epsilon=c(0.125),
        ),
        lambda x: F.layer_norm(x, (6,), _t(6, seed=3), _t(6, seed=4), eps=0.125),
    ),
    Case(
        "layer_norm",
        (_SMALL,),
        lambda c, x: mb.layer_norm(x=x, axes=[1, 3], gamma=constants(4, 6, seed=3).astype(c)),
        lambda x: _standardized(x, (1, 3), 1e-5) * _t(4, 6, seed=3)[:, None],
    ),
)

PRODUCTS = (
    Case(
        "linear",
        (floats(2, 5, 4),),
        lambda c, x: mb.linear(
            x=x, weight=constants(3, 4, seed=1).astype(c), bias=constants(3, seed=2).astype(c)
        ),
        lambda x: torch.einsum("bnk,ok->bno", x, _t(3, 4, seed=1)) + _t(3, seed=2),
    ),
    Case(
        "linear",
        (floats(5, 4),),
        lambda c, x: mb.linear(x=x, weight=constants(3, 4, seed=1).astype(c)),
        lambda x: x @ _t(3, 4, seed=1).T,
    ),
    Case(
        "matmul",
        (floats(2, 1, 3, 4), floats(5, 4, 2)),
        lambda c, x, y: mb.matmul(x=x, y=y),
        lambda x, y: torch.einsum("baik,okj->boij", x, y),
    ),
    Case(
        "matmul",
        (floats(2, 4, 3), floats(2, 5, 4)),
        lambda c, x, y: mb.matmul(x=x, y=y, transpose_x=True, transpose_y=True),
        lambda x, y: torch.einsum("bki,bjk->bij", x, y),
    ),
    Case(
        "matmul",
        (floats(4), floats(4, 3)),
        lambda c, x, y: mb.matmul(x=x, y=y),
        lambda x, y: (x[:, None] * y).sum(0),
    ),
)

_REDUCED: dict[str, Callable[[Tensor, tuple[int, ...]], Tensor]] = {
    "reduce_sum": lambda x, a: x.mean(a, True) * math.prod(x.shape[i] for i in a),
    "reduce_mean": lambda x, a: x.sum(a, True) / math.prod(x.shape[i] for i in a),
    "reduce_max": lambda x, a: -(-x).amin(a, True),
}


def _reduction(name: str, axes: list[int] | None, *, keep: bool) -> Case:
    reduce = _REDUCED[name]
    positive = floats(2, 3, 4, low=0.5, high=1.5)

    def build(_: Any, x: Any) -> Any:
        given = {} if axes is None else {"axes": axes}
        result = getattr(mb, name)(x=x, keep_dims=keep, **given)
        # No program may give a scalar away.
        return mb.expand_dims(x=result, axes=[0]) if axes is None and not keep else result

    def expected(x: Tensor) -> Tensor:
        over = tuple(range(3)) if axes is None else tuple(sorted(a % 3 for a in axes))
        result = reduce(x, over)
        if keep:
            return result
        return result.reshape(1) if axes is None else result.squeeze(over)

    return Case(name, (positive,), build, expected)


REDUCTIONS = (
    *(_reduction(name, [1], keep=True) for name in _REDUCED),
    *(_reduction(name, [-1, 0], keep=False) for name in _REDUCED),
    *(_reduction(name, None, keep=False) for name in _REDUCED),
    Case(
        "reduce_argmax",
        (floats(3, 5),),
        lambda c, x: mb.reduce_argmax(x=x, axis=1, keep_dims=True),
        lambda x: torch.tensor([[row.index(max(row))] for row in x.tolist()]).int(),
        half=False,
    ),
)


def _sampled(x: Tensor, rows: Sequence[float], columns: Sequence[float]) -> Tensor:
    """A map read at fractional coordinates, by matrices of interpolation weights."""

    def weights(points: Sequence[float], size: int) -> Tensor:
        distance = (torch.tensor(points, dtype=torch.float32)[:, None] - torch.arange(size)).abs()
        return (1 - distance).clamp_min(0)

    return weights(rows, x.shape[-2]) @ x @ weights(columns, x.shape[-1]).T


def _resized(rows: Sequence[float], columns: Sequence[float], **given: bool) -> Case:
    """From 3 x 4 to as many points as given."""
    factors = {
        "scale_factor_height": np.float32(len(rows) / 3 + 1e-3),
        "scale_factor_width": np.float32(len(columns) / 4 + 1e-3),
    }
    return Case(
        "upsample_bilinear",
        (floats(1, 2, 3, 4),),
        lambda c, x: mb.upsample_bilinear(x=x, **factors, **given),
        lambda x: _sampled(x, rows, columns),
    )


RESIZING = (
    _resized([0, 0.5, 1, 1.5, 2], [0, 1.5, 3]),
    _resized([0, 1, 2], [0, 1, 2, 3]),
    _resized([0], [0], align_corners=True),
    _resized([0, 0.25, 0.75, 1.25, 1.75, 2], [0.5, 2.5], align_corners=False),
    _resized([1], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3], align_corners=False),
    *(
        Case(
            "upsample_bilinear",
            (floats(1, 2, 3, 4),),
            lambda c, x, align=align: mb.upsample_bilinear(
                x=x,
                scale_factor_height=np.float32(1.5),
                scale_factor_width=np.float32(2.25),
                align_corners=align,
            ),
            lambda x, align=align: F.interpolate(
                x, size=(4, 9), mode="bilinear", align_corners=align
            ),
        )
        for align in (False, True)
    ),
    Case(
        "upsample_nearest_neighbor",
        (floats(1, 2, 3, 4),),
        lambda c, x: mb.upsample_nearest_neighbor(x=x, scale_factor_height=2, scale_factor_width=3),
        lambda x: x[:, :, [0, 0, 1, 1, 2, 2]][..., sorted([0, 1, 2, 3] * 3)],
    ),
    Case(
        "crop",
        (_SMALL,),
        lambda c, x: mb.crop(x=x, crop_height=[1, 2], crop_width=[0, 3]),
        lambda x: x[:, :, 1:3, 0:3],
    ),
)

MAP_CASES = (*CONVOLUTIONS, *POOLINGS, *NORMS, *PRODUCTS, *REDUCTIONS, *RESIZING)
