"""ONNX's names for the operators of :mod:`converters.rewrites.npu.operators`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import converters.rewrites.npu.operators  # noqa: F401  it defines them


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """From torch's operator to the function that writes ONNX's, for torch's exporter."""
    from onnxscript import opset18 as onnx

    def space_to_depth(x: Any, block: int) -> Any:
        return onnx.SpaceToDepth(x, blocksize=block)

    def depth_to_space(x: Any, block: int) -> Any:
        return onnx.DepthToSpace(x, blocksize=block, mode="DCR")

    own = torch.ops.mobilevit_edge
    return {
        own.space_to_depth.default: space_to_depth,
        own.depth_to_space.default: depth_to_space,
    }
