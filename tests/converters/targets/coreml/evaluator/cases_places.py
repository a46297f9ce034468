"""Uses of operators that move values, look them up or quantize them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tests.converters.targets.coreml.evaluator.packages import Case, floats, integers, mb

_X = floats(2, 3, 4)


SHAPES = (
    Case(
        "reshape", (_X,), lambda c, x: mb.reshape(x=x, shape=[0, -1, 2]), lambda x: x.view(2, 6, 2)
    ),
    Case("reshape", (_X,), lambda c, x: mb.reshape(x=x, shape=[4, 6]), lambda x: x.view(4, 6)),
    # A shape that the program computes.
    Case(
        "reshape",
        (_X,),
        lambda c, x: mb.reshape(x=x, shape=mb.gather(x=mb.shape(x=x), indices=[2, 1, 0], axis=0)),
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
    Case(
        "concat",
        (_X, floats(2, 1, 4)),
        lambda c, x, y: mb.concat(values=(x, y), axis=-2),
        lambda x, y: torch.hstack((x, y)),
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
        "slice_by_index",
        (floats(5, 6, 7),),
        lambda c, x: mb.slice_by_index(
            x=x,
            begin=[1, -4, 99],
            end=[-1, -99, 2],
            stride=[2, 3, 1],
            begin_mask=[False, False, True],
            end_mask=[False, True, False],
        ),
        lambda x: torch.from_numpy(x.numpy()[1:-1:2, 2::3, :2].copy()),
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
        "pixel_shuffle",
        (floats(2, 8, 3, 5),),
        lambda c, x: mb.pixel_shuffle(x=x, upscale_factor=2),
        lambda x: x.view(2, 2, 2, 2, 3, 5).permute(0, 1, 4, 2, 5, 3).reshape(2, 2, 6, 10),
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
        (_X, _ROWS),
        lambda c, x, i: mb.gather(x=x, indices=i, axis=1, validate_indices=True),
        lambda x, i: torch.from_numpy(np.take(x.numpy(), i.numpy(), 1)),
    ),
    Case(
        "shape",
        (_X,),
        lambda c, x: mb.shape(x=x),
        lambda x: torch.tensor([2, 3, 4]).int(),
        half=False,
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
