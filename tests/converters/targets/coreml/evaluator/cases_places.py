"""Uses of operators that move values, look them up, make them, or quantize them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.converters.targets.coreml.evaluator.packages import Case, floats, integers, mb

_X = floats(2, 3, 4)
_MAP = floats(2, 4, 4, 6)


def _at(x: Tensor, places: np.ndarray[Any, Any]) -> Tensor:
    """Look-up by numpy."""
    return torch.from_numpy(x.numpy()[tuple(places)])


SHAPES = (
    Case(
        "reshape", (_X,), lambda c, x: mb.reshape(x=x, shape=[0, -1, 2]), lambda x: x.view(2, 6, 2)
    ),
    Case("reshape", (_X,), lambda c, x: mb.reshape(x=x, shape=[4, 6]), lambda x: x.view(4, 6)),
    # A shape that the program computes.
    Case(
        "reshape",
        (_X,),
        lambda c, x: mb.reshape(x=x, shape=mb.reverse(x=mb.shape(x=x), axes=[0])),
        lambda x: x.flatten().view(4, 3, 2),
    ),
    Case(
        "transpose",
        (_X,),
        lambda c, x: mb.transpose(x=x, perm=[2, 0, -2]),
        lambda x: torch.einsum("abc->cab", x),
    ),
    Case(
        "expand_dims",
        (_X,),
        lambda c, x: mb.expand_dims(x=x, axes=[-1, 1]),
        lambda x: x.view(2, 1, 3, 4, 1),
    ),
    Case(
        "squeeze",
        (floats(1, 3, 1, 4, 1),),
        lambda c, x: mb.squeeze(x=x, axes=[0, -3]),
        lambda x: x.view(3, 4, 1),
    ),
    Case("squeeze", (floats(1, 3, 1, 4),), lambda c, x: mb.squeeze(x=x), lambda x: x[0, :, 0]),
    Case("flatten2d", (_X,), lambda c, x: mb.flatten2d(x=x, axis=2), lambda x: x.view(6, 4)),
    Case("flatten2d", (_X,), lambda c, x: mb.flatten2d(x=x, axis=-2), lambda x: x.view(2, 12)),
    Case(
        "concat",
        (_X, floats(2, 1, 4)),
        lambda c, x, y: mb.concat(values=(x, y), axis=-2),
        lambda x, y: torch.hstack((x, y)),
    ),
    Case(
        "concat",
        (_X, _X, _X),
        lambda c, x, y, z: mb.concat(values=(x, y, z), axis=1, interleave=True),
        lambda x, y, z: torch.stack([v[:, i] for i in range(3) for v in (x, y, z)], 1),
    ),
    Case(
        "stack",
        (_X, _X),
        lambda c, x, y: mb.stack(values=(x, y), axis=-1),
        lambda x, y: torch.cat((x[..., None], y[..., None]), 3),
    ),
    Case(
        "split",
        (_X,),
        lambda c, x: mb.split(x=x, num_splits=2, axis=-1),
        lambda x: (x[..., :2], x[..., 2:]),
    ),
    Case(
        "split",
        (_X,),
        lambda c, x: mb.split(x=x, split_sizes=[1, 0, 2], axis=1)[::2],
        lambda x: (x[:, :1], x[:, 1:]),
    ),
    Case(
        "tile",
        (_X,),
        lambda c, x: mb.tile(x=x, reps=[1, 2, 3]),
        lambda x: torch.cat([torch.cat([x] * 3, 2)] * 2, 1),
    ),
    Case(
        "reverse", (_X,), lambda c, x: mb.reverse(x=x), lambda x: x.flatten().flip(0).view(2, 3, 4)
    ),
    Case("reverse", (_X,), lambda c, x: mb.reverse(x=x, axes=[-1]), lambda x: x[..., [3, 2, 1, 0]]),
    Case(
        "pad",
        (_X,),
        lambda c, x: mb.pad(x=x, pad=[1, 0, 2, 3], constant_val=c(0.5)),
        lambda x: torch.from_numpy(
            np.pad(x.numpy(), ((0, 0), (1, 0), (2, 3)), constant_values=0.5)
        ),
    ),
    Case(
        "pad",
        (_X,),
        lambda c, x: mb.pad(x=x, pad=[0, 1, 2, 0, 3, 2], mode="reflect"),
        lambda x: torch.from_numpy(np.pad(x.numpy(), ((0, 1), (2, 0), (3, 2)), mode="reflect")),
    ),
    Case(
        "pad",
        (_X,),
        lambda c, x: mb.pad(x=x, pad=[3, 1], mode="replicate"),
        lambda x: torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (3, 1)), mode="edge")),
    ),
    Case(
        "slice_by_index",
        (floats(5, 6, 7),),
        lambda c, x: mb.slice_by_index(
            x=x,
            begin=[1, 5, 99],
            end=[-1, -99, 2],
            stride=[2, -2, 1],
            begin_mask=[False, False, True],
            end_mask=[False, True, False],
        ),
        lambda x: torch.from_numpy(x.numpy()[1:-1:2, 5::-2, :2].copy()),
    ),
    Case(
        "slice_by_index",
        (floats(5, 6, 7),),
        lambda c, x: mb.slice_by_index(
            x=x, begin=[-2, 1, -3], end=[0, 3, 100], squeeze_mask=[True, False, False]
        ),
        lambda x: x[-2, 1:3, -3:],
    ),
    Case(
        "slice_by_size",
        (floats(5, 6, 7),),
        lambda c, x: mb.slice_by_size(x=x, begin=[1, -3, 0], size=[2, 2, -1]),
        lambda x: x[1:3, 3:5],
    ),
    Case(
        "slice_update",
        (floats(5, 6), floats(2, 2)),
        lambda c, x, y: mb.slice_update(
            x=x,
            update=y,
            begin=[0, 1],
            end=[0, 5],
            stride=[3, 2],
            end_mask=[True, False],
        ),
        lambda x, y: x.clone().index_put((torch.tensor([[0], [3]]), torch.tensor([[1, 3]])), y),
        target="iOS18",
    ),
    Case(
        "pixel_shuffle",
        (floats(2, 8, 3, 5),),
        lambda c, x: mb.pixel_shuffle(x=x, upscale_factor=2),
        lambda x: x.view(2, 2, 2, 2, 3, 5).permute(0, 1, 4, 2, 5, 3).reshape(2, 2, 6, 10),
    ),
    Case(
        "pixel_unshuffle",
        (_MAP,),
        lambda c, x: mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(2)),
        lambda x: torch.stack(
            [x[:, k, i::2, j::2] for k in range(4) for i in (0, 1) for j in (0, 1)], 1
        ),
    ),
    Case(
        "space_to_depth",
        (_MAP,),
        lambda c, x: mb.space_to_depth(x=x, block_size=2),
        lambda x: torch.cat([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1),
    ),
    Case(
        "depth_to_space",
        (floats(2, 8, 3, 5),),
        lambda c, x: mb.depth_to_space(x=x, block_size=2),
        lambda x: torch.stack(
            (
                torch.stack((x[:, 0:2], x[:, 2:4]), -1).flatten(-2),
                torch.stack((x[:, 4:6], x[:, 6:8]), -1).flatten(-2),
            ),
            3,
        ).flatten(2, 3),
    ),
)

_ROWS = integers(2, 5, low=0, high=3)
INDEXING = (
    Case(
        "gather",
        (_X, _ROWS),
        lambda c, x, i: mb.gather(x=x, indices=i, axis=1),
        lambda x, i: torch.from_numpy(np.take(x.numpy(), i.numpy(), 1)),
    ),
    Case(
        "gather",
        (_X, integers(5, low=-3, high=3)),
        lambda c, x, i: mb.gather(x=x, indices=i, axis=-2),
        lambda x, i: torch.from_numpy(np.take(x.numpy(), i.numpy(), 1)),
        target="iOS16",
    ),
    Case(
        "gather",
        (floats(5),),
        # One place of a vector is a scalar.
        lambda c, x: mb.expand_dims(x=mb.gather(x=x, indices=np.int32(3), axis=0), axes=[0]),
        lambda x: x[3:4],
    ),
    Case(
        "gather",
        (floats(2, 4, 3, 5), integers(2, 6, low=0, high=3)),
        lambda c, x, i: mb.gather(x=x, indices=i, axis=2, batch_dims=1, validate_indices=True),
        lambda x, i: torch.stack([x[b][:, i[b].long()] for b in range(2)]),
    ),
    Case(
        "gather_along_axis",
        (_X, integers(2, 5, 4, low=0, high=3)),
        lambda c, x, i: mb.gather_along_axis(x=x, indices=i, axis=1),
        lambda x, i: torch.from_numpy(np.take_along_axis(x.numpy(), i.numpy().astype(int), 1)),
    ),
    Case(
        "gather_nd",
        (_X, integers(5, 2, low=0, high=2)),
        lambda c, x, i: mb.gather_nd(x=x, indices=i),
        lambda x, i: _at(x, i.numpy().T),
    ),
    Case(
        "gather_nd",
        (floats(4, 5),),
        lambda c, x: mb.expand_dims(
            x=mb.gather_nd(x=x, indices=np.array([3, 2], np.int32)), axes=[0]
        ),
        lambda x: x[3, 2:3],
    ),
    Case(
        "gather_nd",
        (_X, integers(2, 5, 1, low=0, high=3)),
        lambda c, x, i: mb.gather_nd(x=x, indices=i, batch_dims=1),
        lambda x, i: torch.stack([_at(x[b], i[b].numpy().T) for b in range(2)]),
    ),
    Case(
        "topk",
        (floats(3, 5),),
        lambda c, x: mb.topk(x=x, k=2, axis=1),
        lambda x: (x.sort(1, True)[0][:, :2], x.sort(1, True)[1][:, :2].int()),
        half=False,
    ),
    Case(
        "topk",
        (floats(3, 5),),
        lambda c, x: mb.topk(x=x, k=1, axis=0, ascending=True, return_indices=False),
        lambda x: x.amin(0, True),
    ),
    Case(
        "argsort",
        (floats(3, 5),),
        lambda c, x: mb.argsort(x=x),
        lambda x: torch.from_numpy(np.argsort(-x.numpy(), 1)).int(),
        half=False,
    ),
    Case(
        "argsort",
        (floats(3, 5),),
        lambda c, x: mb.argsort(x=x, axis=0, ascending=True),
        lambda x: torch.from_numpy(np.argsort(x.numpy(), 0)).int(),
        half=False,
    ),
    Case(
        "one_hot",
        (integers(2, 3, low=0, high=4),),
        lambda c, i: mb.one_hot(indices=i, one_hot_vector_size=4),
        lambda i: F.one_hot(i.long(), 4).int(),
    ),
    Case(
        "one_hot",
        (integers(2, 3, low=0, high=4),),
        lambda c, i: mb.one_hot(
            indices=i,
            one_hot_vector_size=4,
            axis=1,
            on_value=np.float32(0.5),
            off_value=np.float32(-1),
        ),
        lambda i: F.one_hot(i.long(), 4).movedim(-1, 1) * 1.5 - 1,
    ),
    Case(
        "shape",
        (_X,),
        lambda c, x: mb.shape(x=x),
        lambda x: torch.tensor([2, 3, 4]).int(),
        half=False,
    ),
    Case(
        "fill",
        (_X,),
        lambda c, x: mb.fill(shape=mb.shape(x=x), value=np.float32(0.5)),
        lambda x: x * 0 + 0.5,
        half=False,
    ),
    Case(
        "fill", (), lambda c: mb.fill(shape=[2, 1], value=7), lambda: torch.tensor([[7], [7]]).int()
    ),
    Case(
        "fill_like",
        (_X,),
        lambda c, x: mb.fill_like(ref_tensor=x, value=3),
        lambda x: (x * 0 + 3).int(),
        half=False,
    ),
    Case(
        "range_1d",
        (integers(1, low=4, high=9),),
        lambda c, i: mb.range_1d(end=mb.squeeze(x=i), start=1, step=3),
        lambda i: torch.tensor(range(1, int(i), 3)).int(),
    ),
    Case(
        "range_1d",
        (),
        lambda c: mb.range_1d(end=np.float32(2), start=np.float32(0.5), step=np.float32(0.5)),
        lambda: torch.tensor([0.5, 1, 1.5]),
    ),
    Case(
        "band_part",
        (floats(2, 5, 6),),
        lambda c, x: mb.band_part(x=x, lower=1, upper=2),
        lambda x: torch.where(
            (torch.arange(5)[:, None] - torch.arange(6)).clamp(-3, 2).abs_().lt(9)
            & (torch.arange(5)[:, None] - torch.arange(6) <= 1)
            & (torch.arange(6) - torch.arange(5)[:, None] <= 2),
            x,
            0.0,
        ),
    ),
    Case(
        "band_part",
        (floats(2, 5, 6),),
        lambda c, x: mb.band_part(x=x, lower=-1, upper=0),
        lambda x: x * torch.ones(5, 6).tril(),
    ),
)


def _nearest(x: Tensor) -> Tensor:
    """Python's rounding, ties to even."""
    return torch.tensor([[float(round(v)) for v in row] for row in x.tolist()])


_SCALES = np.array([0.25, 0.5, 2], np.float32)
_ZEROS = np.array([3, 0, 250], np.uint8)
QUANTIZATION = (
    # Multiples of half a step, ties among them, and numbers beyond both ends.
    Case(
        "quantize",
        (integers(3, 40, low=-300, high=300),),
        lambda c, i: mb.cast(
            x=mb.quantize(
                input=mb.mul(x=mb.cast(x=i, dtype="fp32"), y=np.float32(0.5)),
                zero_point=np.int8(-7),
                scale=np.float32(1),
                output_dtype="int8",
            ),
            dtype="int32",
        ),
        lambda i: (_nearest(i / 2) - 7).clamp(-128, 127).int(),
    ),
    Case(
        "quantize",
        (floats(4, 3, low=-9, high=9),),
        lambda c, x: mb.cast(
            x=mb.quantize(
                input=x,
                zero_point=_ZEROS,
                scale=_SCALES.astype(c),
                output_dtype="uint8",
                axis=1,
            ),
            dtype="int32",
        ),
        lambda x: (
            (_nearest(x / torch.from_numpy(_SCALES)) + torch.from_numpy(_ZEROS)).clamp(0, 255).int()
        ),
    ),
    Case(
        "dequantize",
        (integers(4, 3, low=0, high=256),),
        lambda c, i: mb.dequantize(
            input=mb.cast(x=i, dtype="uint8"), zero_point=_ZEROS, scale=_SCALES, axis=-1
        ),
        lambda i: torch.from_numpy(_SCALES) * i - torch.from_numpy(_SCALES * _ZEROS),
    ),
    Case(
        "dequantize",
        (integers(4, 3, low=-128, high=128),),
        lambda c, i: mb.dequantize(input=mb.cast(x=i, dtype="int8"), scale=np.float32(0.125)),
        lambda i: i / 8,
    ),
)

PLACE_CASES = (*SHAPES, *INDEXING, *QUANTIZATION)
