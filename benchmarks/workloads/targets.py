"""What the subcommands can measure: targets (``torch`` is PyTorch itself) and precisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from converters.export.options import Precision

BlockTarget: TypeAlias = Literal["torch", "onnx", "executorch"]
ModelTarget: TypeAlias = Literal["torch", "onnx", "executorch", "coreml"]

BLOCK_TARGETS: Final[tuple[BlockTarget, ...]] = ("torch", "onnx", "executorch")
MODEL_TARGETS: Final[tuple[ModelTarget, ...]] = (*BLOCK_TARGETS, "coreml")
PRECISIONS: Final[tuple[Precision, ...]] = (
    "fp32",
    "fp16",
    "int8",
    "int8-dynamic",
    "int8-weight-only",
)
