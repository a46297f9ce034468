"""The operators, one file a family. Importing this registers them all."""

from converters.targets.coreml.evaluator.operators import (
    activations,
    compression,
    convolution,
    elementwise,
    indexing,
    normalization,
    outputs,
    products,
    reductions,
    resizing,
    shapes,
)

__all__ = [
    "activations",
    "compression",
    "convolution",
    "elementwise",
    "indexing",
    "normalization",
    "outputs",
    "products",
    "reductions",
    "resizing",
    "shapes",
]
