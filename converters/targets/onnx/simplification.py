"""What torch's ONNX graphs are freed of: what constants give, and operators that do nothing.

onnxscript's own optimizer does the same, but tries 46 rules at every node, some of which look
through the whole graph each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import onnx_ir as ir

_ROUNDS: Final = 2
"""A rule may leave constants to fold, and they what another rule looks for."""
_RULES: Final = (
    "materialize_reshape_shape_rule",
    "no_op_cast_rule",
    "no_op_expand_rule",
    "flatten_to_reshape_rule",
    "reshape_reshape_rule",
    "no_op_transpose_rule",
    "transpose_transpose_rule",
    "unsqueeze_unsqueeze_rule",
    "squeeze_reshape_1d_rule",
    "fuse_pad_into_conv_rule",
    "remove_optional_bias_from_conv_rule",
)
"""onnxscript's rules that can find something here, in its order; older versions lack the newest."""


def simplify(model: ir.Model) -> None:
    """Fold constants, drop and join what does nothing, in place."""
    import onnx_ir.passes.common as passes
    from onnxscript.optimizer import fold_constants
    from onnxscript.rewriter import rewrite
    from onnxscript.rewriter.rules import common

    rules = [getattr(common, name) for name in _RULES if hasattr(common, name)]
    for _ in range(_ROUNDS):
        fold_constants(model, onnx_shape_inference=True)
        rewrite(model, rules)
    for last in (
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.OutputFixPass(),
        passes.NameFixPass(),
    ):
        last(model)
