"""Pixels for networks, and how far answers are apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from converters.targets.loaded import Array
from mobilevit_edge.normalization import PRESETS, NormalizationName


def noise(batch: int, height: int = 64, width: int = 64) -> Array:
    """Random pixels ``[B, H, W, 3]``, different in every image."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)


def as_float(pixels: Array, order: str) -> Array:
    """``[B, H, W, 3]`` RGB bytes -> ``[B, 3, H, W]`` in 0..1, in ``order``."""
    ordered = pixels[..., ::-1] if order == "BGR" else pixels
    return np.ascontiguousarray(ordered.transpose(0, 3, 1, 2).astype(np.float32) / 255)


def normalized(x: Array, name: NormalizationName) -> Array:
    """``[B, 3, H, W]`` RGB in 0..1 -> the same, normalized by a preset."""
    found = PRESETS[name]
    # [3] -> [1, 3, 1, 1]
    mean, std = (
        np.array(values, np.float32)[None, :, None, None] for values in (found.mean, found.std)
    )
    return np.asarray((x - mean) / std)


def relative_error(actual: Array, expected: Array) -> float:
    """The largest difference, by the largest expected value."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def save_smooth(path: Path, seed: int, size: tuple[int, int] = (80, 64)) -> None:
    """A smooth colored picture of ``(width, height)``."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)


def save_photos(folder: Path) -> Path:
    """As many smooth pictures as a calibration needs; the folder."""
    for seed in range(8):
        save_smooth(folder / f"{seed}.png", seed)
    return folder
