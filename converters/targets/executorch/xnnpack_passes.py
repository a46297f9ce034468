"""XNNPACK's passes over a graph, without those that would find nothing to change, and one repaired.

Each pass traces the whole graph anew, whatever it finds; two first export modules of their own, as
patterns to look for, which takes longer than the rest of lowering a small network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from converters.targets.executorch.rounded_layouts import layouts_of_rounded_tensors

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_BATCH_NORMS: Final = (
    "aten.native_batch_norm.default",
    "aten._native_batch_norm_legit_no_training.default",
)
ACTS_ON: Final[Mapping[str, tuple[str, ...]]] = {
    "ConvertToUpsampleBilinear2d": ("aten.upsample_bilinear2d.vec",),
    # A pattern with a scale and a mask.
    "ConvertToSDPAPass": ("aten.mul.Scalar",),
    "FuseBatchNormPass": _BATCH_NORMS,
    "DecomposeBatchNorm": _BATCH_NORMS,
    "FuseActivationPass": ("aten.relu.default", "aten.hardtanh.default"),
    "DecomposeConcatenate": ("aten.cat.default",),
    "RemoveGetItemPass": ("aten.max_pool2d_with_indices.default", "aten.max.dim"),
    "InsertPadQDQPass": ("aten.constant_pad_nd.default",),
    "PReLUReshapePass": ("aten._prelu_kernel.default",),
}
"""Passes by name, and operators of which a graph must have one for the pass to change anything.

All other passes always run.
"""


@contextmanager
def needed_passes() -> Iterator[None]:
    """Let XNNPACK's delegate run only passes that can change its graph, one of them repaired."""
    from executorch.backends.xnnpack import xnnpack_preprocess

    layouts = layouts_of_rounded_tensors()
    original = xnnpack_preprocess.XNNPACKPassManager

    class Needed(original):  # type: ignore[misc, valid-type]  # untyped base
        passes: list[Any]

        def __init__(self, exported_program: ExportedProgram, passes: Any = None) -> None:
            super().__init__(exported_program, passes)
            names = _operators(exported_program)
            needed = (p for p in self.passes if _may_change(p.__name__, names))
            self.passes = [layouts if p is layouts.__base__ else p for p in needed]

    xnnpack_preprocess.XNNPACKPassManager = Needed
    try:
        yield
    finally:
        xnnpack_preprocess.XNNPACKPassManager = original


def _operators(program: ExportedProgram) -> frozenset[str]:
    nodes = program.graph.nodes
    return frozenset(node.target.__name__ for node in nodes if node.op == "call_function")


def _may_change(name: str, operators: frozenset[str]) -> bool:
    return name not in ACTS_ON or not operators.isdisjoint(ACTS_ON[name])
