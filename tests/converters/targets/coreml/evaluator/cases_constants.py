"""Uses of compressed constants; coremltools' own decompression says what they stand for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tests.converters.targets.coreml.evaluator.packages import (
    Array,
    Case,
    Late,
    floats,
    mb,
    types,
)

ios16 = Late("coremltools.converters.mil.mil.ops.defs.iOS16.constexpr_ops")
ios18 = Late("coremltools.converters.mil.mil.ops.defs.iOS18.compression")

_LEVELS: dict[str, tuple[int, int]] = {
    "int8": (-128, 128),
    "uint8": (0, 256),
    "uint6": (0, 64),
    "uint4": (0, 16),
}
_SHAPE = (6, 4, 2)


def _draw(kind: str, *shape: int, seed: int = 0) -> Array:
    """Random integers over the whole range of a type."""
    drawn = np.random.default_rng(seed).integers(*_LEVELS[kind], shape)
    return drawn.astype(types.nptype_from_builtin(getattr(types, kind)))


def _floats(c: Any, *shape: int, seed: int = 1) -> Array:
    """Random numbers that fp16 can represent."""
    return np.random.default_rng(seed).uniform(0.25, 1, shape).astype(np.float16).astype(c)


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
        return mb.add(x=getattr(mb, operator)(**given(c)), y=x)

    def expected(x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.asarray(decompress(**given(np.float32)), np.float32)) + x

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

    def decompress(**given: Any) -> Any:
        return ios16.constexpr_affine_dequantize.decompress(**given)

    return _case("constexpr_affine_dequantize", _SHAPE, given, decompress)


def _packed_palette(bits: int, shape: tuple[int, ...]) -> Case:
    """The form until iOS 17: packed indices, any of which are valid, and their shape."""

    def given(c: Any) -> dict[str, Any]:
        return {
            "indices": _draw("uint8", math.ceil(bits * math.prod(shape) / 8)),
            "lut": _floats(c, 2**bits),
            "shape": np.array(shape, np.uint32),
        }

    def decompress(**given: Any) -> Any:
        return ios16.constexpr_lut_to_dense.decompress(**given)

    return _case("constexpr_lut_to_dense", shape, given, decompress)


def _palettes(bits: int, *groups: int) -> Case:
    """The form since iOS 18: a palette for each group of elements."""

    def given(c: Any) -> dict[str, Any]:
        return {"indices": _draw(f"uint{bits}", *_SHAPE), "lut": _floats(c, *groups, 2**bits, 1)}

    def decompress(**given: Any) -> Any:
        return ios18.constexpr_lut_to_dense.decompress(**given, vector_axis=None)

    return _case("constexpr_lut_to_dense", _SHAPE, given, decompress, "iOS18")


def _blocks(kind: str, *blocks: int, offset: str | None = None) -> Case:
    """A scale for each block, and an offset in floating point or of the data's type."""

    def given(c: Any) -> dict[str, Any]:
        made: dict[str, Any] = {"data": _draw(kind, *_SHAPE), "scale": _floats(c, *blocks)}
        if offset == "float":
            made["offset"] = _floats(c, *blocks, seed=4)
        elif offset == "integer":
            made["offset"] = _draw(kind, *blocks, seed=4)
        return made

    def decompress(**given: Any) -> Any:
        return ios18.constexpr_blockwise_shift_scale.decompress(**{"offset": None, **given})

    return _case("constexpr_blockwise_shift_scale", _SHAPE, given, decompress, "iOS18")


CONSTANT_CASES = (
    _affine("int8", axis=0),
    _affine("uint8", axis=1),
    _affine("uint8", axis=-1, offsets=np.uint8(128)),
    _affine("int8", axis=0, offsets=np.float32(0.5), vector=False),
    *(_packed_palette(bits, _SHAPE) for bits in (1, 4, 6, 8)),
    # A number of indices that does not fill its last byte.
    *(_packed_palette(bits, (5,)) for bits in (1, 4, 6)),
    *(_palettes(bits, 1, 1, 1) for bits in (4, 6, 8)),
    _palettes(6, 3, 1, 1),
    _palettes(4, 2, 2, 1),
    *(_blocks(kind, 6, 1, 1) for kind in ("int8", "uint8")),
    _blocks("int8", 3, 2, 1, offset="integer"),
    _blocks("uint8", 1, 4, 2, offset="integer"),
    _blocks("int8", 1, 1, 1, offset="float"),
)
