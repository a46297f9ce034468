"""The operators, one file a family. Importing this registers them all."""

from converters.mil_reference.operators import (
    activations,
    compression,
    convolution,
    elementwise,
    indexing,
    normalisation,
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
    "normalisation",
    "outputs",
    "products",
    "reductions",
    "resizing",
    "shapes",
]
