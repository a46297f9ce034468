"""Uses of compressed constants; coremltools' own decompression says what they stand for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from coremltools.converters.mil.mil.ops.defs.iOS16 import constexpr_ops as ios16
from coremltools.converters.mil.mil.ops.defs.iOS18 import compression as ios18

from tests.converters.targets.coreml.evaluator.packages import Array, Case, floats, mb, types

_LEVELS: dict[str, tuple[int, int]] = {
    "int4": (-8, 8),
    "uint4": (0, 16),
    "int8": (-128, 128),
    "uint8": (0, 256),
    **{f"uint{bits}": (0, 2**bits) for bits in (1, 2, 3, 6)},
}
_SHAPE = (6, 4, 2)


def _draw(kind: str, *shape: int, seed: int = 0) -> Array:
    """Random integers over the whole range of a type."""
    drawn = np.random.default_rng(seed).integers(*_LEVELS[kind], shape)
    return drawn.astype(types.nptype_from_builtin(getattr(types, kind)))


def _floats(c: Any, *shape: int, seed: int = 1) -> Array:
    """Random numbers that fp16 can represent."""
    return np.random.default_rng(seed).uniform(0.25, 1, shape).astype(np.float16).astype(c)


def _mask(*shape: int) -> Array:
    return np.random.default_rng(2).random(shape) < 0.4


def _bits(mask: Array) -> Array:
    return mask.astype(types.nptype_from_builtin(types.uint1))


def _case(
    operator: str,
    shape: tuple[int, ...],
    given: Callable[[Any], dict[str, Any]],
    decompress: Callable[..., Any],
    target: str = "iOS17",
) -> Case:
    """A compressed constant, added to an input.

    ``given`` makes its arguments for a numpy float type; ``decompress`` takes them in fp32.
    """

    def build(c: Any, x: Any) -> Any:
        made = getattr(mb, operator)(**given(c))
        if isinstance(made, (list, tuple)):  # a sparse one: its mask, and values
            mask, values = made
            made = mb.constexpr_sparse_to_dense(nonzero_data=values, mask=mask)
        return mb.add(x=made, y=x)

    def expected(x: torch.Tensor) -> torch.Tensor:
        made = decompress(**given(np.float32))
        if isinstance(made, tuple):
            mask, values = made
            made = np.zeros(mask.shape, np.float32)
            made[mask != 0] = values
        return torch.from_numpy(np.asarray(made, np.float32)) + x

    return Case(operator, (floats(*shape),), build, expected, target=target)


def _affine(kind: str, *, axis: int, offsets: Any = None, vector: bool = True) -> Case:
    """A scale for each element along an axis, or one; an offset for each, or one."""

    def given(c: Any) -> dict[str, Any]:
        data = _draw(kind, *_SHAPE)
        size = data.shape[axis]
        return {
            "quantized_data": data,
            "zero_point": _draw(kind, size, seed=5) if offsets is None else offsets,
            "scale": _floats(c, size) if vector else c(0.5),
            "axis": np.int32(axis),
        }

    decompress = ios16.constexpr_affine_dequantize.decompress
    return _case("constexpr_affine_dequantize", _SHAPE, given, decompress)


def _palette_of_bytes(bits: int, shape: tuple[int, ...]) -> Case:
    """The form until iOS 17: packed indices, any of which are valid, and their shape."""

    def given(c: Any) -> dict[str, Any]:
        return {
            "indices": _draw("uint8", math.ceil(bits * math.prod(shape) / 8)),
            "lut": _floats(c, 2**bits),
            "shape": np.array(shape, np.uint32),
        }

    decompress = ios16.constexpr_lut_to_dense.decompress
    return _case("constexpr_lut_to_dense", shape, given, decompress)


def _palettes(
    bits: int, groups: tuple[int, ...], vector: int = 1, axis: int | None = None
) -> tuple[Case, Case]:
    """The form since iOS 18, of a dense constant and of a sparse one."""
    shape = list(_SHAPE)
    if axis is not None:
        shape[axis] *= vector
    along = {} if axis is None else {"vector_axis": np.int32(axis)}
    mask = _mask(*_SHAPE)

    def lut(c: Any) -> Array:
        return _floats(c, *groups, 2**bits, vector)

    def dense(c: Any) -> dict[str, Any]:
        return {"indices": _draw(f"uint{bits}", *_SHAPE), "lut": lut(c), **along}

    def sparse(c: Any) -> dict[str, Any]:
        data = _draw(f"uint{bits}", int(mask.sum()))
        return {"indices_mask": _bits(mask), "indices_nonzero_data": data, "lut": lut(c), **along}

    return (
        _case(
            "constexpr_lut_to_dense",
            tuple(shape),
            dense,
            _without_optional(ios18.constexpr_lut_to_dense.decompress, "vector_axis"),
            "iOS18",
        ),
        _case(
            "constexpr_lut_to_sparse",
            tuple(shape),
            sparse,
            _without_optional(ios18.constexpr_lut_to_sparse.decompress, "vector_axis"),
            "iOS18",
        ),
    )


def _blocks(kind: str, blocks: tuple[int, ...], offset: str | None) -> tuple[Case, Case]:
    """A scale for each block, of a dense constant and of a sparse one."""
    mask = _mask(*_SHAPE)

    def scales(c: Any) -> dict[str, Any]:
        made: dict[str, Any] = {"scale": _floats(c, *blocks)}
        if offset == "float":
            made["offset"] = _floats(c, *blocks, seed=4)
        elif offset == "integer":
            made["offset"] = _draw(kind, *blocks, seed=4)
        return made

    def dense(c: Any) -> dict[str, Any]:
        return {"data": _draw(kind, *_SHAPE), **scales(c)}

    def sparse(c: Any) -> dict[str, Any]:
        data = _draw(kind, int(mask.sum()))
        return {"data_mask": _bits(mask), "nonzero_data": data, **scales(c)}

    names = ("constexpr_blockwise_shift_scale", "constexpr_sparse_blockwise_shift_scale")
    return (
        _case(
            names[0],
            _SHAPE,
            dense,
            _without_optional(ios18.constexpr_blockwise_shift_scale.decompress, "offset"),
            "iOS18",
        ),
        _case(
            names[1],
            _SHAPE,
            sparse,
            _without_optional(ios18.constexpr_sparse_blockwise_shift_scale.decompress, "offset"),
            "iOS18",
        ),
    )


def _without_optional(decompress: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Its optional parameter has no default."""
    return lambda **given: decompress(**{name: None, **given})


def _packed_sparse(c: Any) -> dict[str, Any]:
    mask = _mask(5, 3)
    return {
        "nonzero_data": _floats(c, int(mask.sum())),
        "mask": np.packbits(mask, bitorder="little"),
        "shape": np.array([5, 3], np.uint32),
    }


def _sparse(c: Any) -> dict[str, Any]:
    return {"nonzero_data": _floats(c, int(_mask(5, 3).sum())), "mask": _bits(_mask(5, 3))}


CONSTANT_CASES = (
    _affine("int8", axis=0),
    _affine("uint8", axis=1),
    _affine("uint8", axis=-1, offsets=np.uint8(128)),
    _affine("int8", axis=0, offsets=np.float32(0.5), vector=False),
    Case(
        "constexpr_cast",
        (floats(3, 5),),
        lambda c, x: mb.add(
            x=mb.constexpr_cast(source_val=_floats(np.float16, 3, 5), output_dtype="fp32"),
            y=mb.cast(x=x, dtype="fp32"),
        ),
        lambda x: torch.from_numpy(_floats(np.float32, 3, 5)) + x,
    ),
    *(_palette_of_bytes(bits, _SHAPE) for bits in (1, 2, 4, 6, 8)),
    # A number of indices that does not fill its last byte.
    *(_palette_of_bytes(bits, (5,)) for bits in (1, 2, 6)),
    *(case for bits in (1, 2, 3, 4, 6, 8) for case in _palettes(bits, (1, 1, 1))),
    *_palettes(6, (3, 1, 1)),
    *_palettes(2, (2, 2, 1)),
    *_palettes(3, (1, 1, 1), vector=2, axis=0),
    *_palettes(4, (3, 1, 2), vector=3, axis=1),
    *_palettes(1, (1, 1, 1), vector=2, axis=-1),
    *(
        case
        for kind in ("int4", "uint4", "int8", "uint8")
        for case in _blocks(kind, (6, 1, 1), None)
    ),
    *_blocks("int4", (3, 2, 1), "integer"),
    *_blocks("uint8", (1, 4, 2), "integer"),
    *_blocks("int8", (1, 1, 1), "float"),
    _case(
        "constexpr_sparse_to_dense",
        (5, 3),
        _packed_sparse,
        ios16.constexpr_sparse_to_dense.decompress,
    ),
    _case(
        "constexpr_sparse_to_dense",
        (5, 3),
        _sparse,
        ios18.constexpr_sparse_to_dense.decompress,
        "iOS18",
    ),
)
