"""Weights that coremltools compressed, against the same package once it decompressed them."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.converters.targets.coreml.evaluator.packages import (
    Late,
    constants,
    ct,
    mb,
    program,
    save,
)

compression = Late("coremltools.optimize.coreml")

_INPUT = (2, 16, 6, 6)


def _network(target: str, dtype: Any) -> Any:
    """A convolution and a linear layer with enough weights to be compressed."""
    weight = constants(24, 16, 3, 3, seed=1).astype(dtype)
    projection = constants(8, 24, seed=2).astype(dtype)

    def body(x: Any) -> Any:
        maps = mb.relu(x=mb.conv(x=x, weight=weight))
        return mb.linear(x=mb.reduce_mean(x=maps, axes=[2, 3]), weight=projection)

    return program(body, {"x": (_INPUT, dtype)}, target)


def _palettes(bits: int, **options: Any) -> Callable[[Any], Any]:
    # k-means is slow, and what it finds does not matter here.
    given = {"mode": "uniform", "nbits": bits, "weight_threshold": 0, **options}

    def compress(model: Any) -> Any:
        config = compression.OpPalettizerConfig(**given)
        return compression.palettize_weights(model, compression.OptimizationConfig(config))

    return compress


def _quantized(mode: str, dtype: str = "int8", **options: Any) -> Callable[[Any], Any]:
    given = {"mode": mode, "dtype": dtype, "weight_threshold": 0, **options}

    def compress(model: Any) -> Any:
        config = compression.OpLinearQuantizerConfig(**given)
        return compression.linear_quantize_weights(model, compression.OptimizationConfig(config))

    return compress


_GROUPED = {"granularity": "per_grouped_channel", "group_size": 4}

_Recipe = tuple[str, str, Callable[[Any], Any]]
RECIPES: dict[str, _Recipe] = {
    "int8": ("iOS17", "constexpr_affine_dequantize", _quantized("linear_symmetric")),
    "uint8": ("iOS17", "constexpr_affine_dequantize", _quantized("linear", "uint8")),
    "palette 4": ("iOS17", "constexpr_lut_to_dense", _palettes(4)),
    "palette 6": ("iOS17", "constexpr_lut_to_dense", _palettes(6)),
    "int8 since iOS 18": (
        "iOS18",
        "constexpr_blockwise_shift_scale",
        _quantized("linear", granularity="per_channel"),
    ),
    "uint4 in blocks": (
        "iOS18",
        "constexpr_blockwise_shift_scale",
        _quantized("linear", "uint4", granularity="per_block", block_size=8),
    ),
    "grouped palettes 4": ("iOS18", "constexpr_lut_to_dense", _palettes(4, **_GROUPED)),
    "grouped palettes 6": ("iOS18", "constexpr_lut_to_dense", _palettes(6, **_GROUPED)),
}
"""Name of a compression, its system, the operator that restores the weights, what compresses."""


@pytest.fixture(scope="module")
def networks() -> Callable[[str, Any], Any]:
    made: dict[tuple[str, Any], Any] = {}

    def make(target: str, dtype: Any) -> Any:
        if (target, dtype) not in made:
            made[target, dtype] = _network(target, dtype)
        return made[target, dtype]

    return make


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, np.float32) for name in RECIPES),
        *((name, np.float16) for name in ("uint8", "palette 6", "uint4 in blocks")),
    ],
)
def test_compressed_weights_are_those_that_coremltools_restores(
    name: str, dtype: Any, networks: Callable[[str, Any], Any], tmp_path: Path
) -> None:
    target, kind, compress = RECIPES[name]
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = compress(networks(target, dtype))
        # It reads a model's weights from where the model was saved.
        small.save(str(tmp_path / "small.mlpackage"))
        read = ct.models.MLModel(str(tmp_path / "small.mlpackage"), skip_model_load=True)
        restored = compression.decompress_weights(read)
    compressed = save(small, tmp_path / "compressed.mlpackage")
    plain = save(restored, tmp_path / "plain.mlpackage")
    assert {o.kind for o in compressed.operations() if o.kind.startswith("constexpr")} == {kind}
    assert not [o for o in plain.operations() if o.kind.startswith("constexpr")]
    x = np.random.default_rng(0).normal(size=_INPUT).astype(dtype)
    (made,), (expected,) = compressed({"x": x}).values(), plain({"x": x}).values()
    # coremltools rounds the steps of its own arithmetic to fp16 as well.
    tolerance = 1e-6 if dtype is np.float32 else 2e-3
    scale = np.abs(expected).max()
    np.testing.assert_allclose(made, expected, rtol=0, atol=tolerance * scale)
