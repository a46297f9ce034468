"""XNNPACK's layouts, also for tensors that are rounded to the range they turn out to have."""

from __future__ import annotations

from typing import Any


def layouts_of_rounded_tensors() -> type[Any]:
    """XNNPACK's pass that puts channels last, for what int8-dynamic rounds too.

    To convert a product's rounded input, executorch's own pass goes back to what the whole network
    was computed from and converts that. Where an operator in between puts channels first again,
    such as a view, the product gets its input in the wrong order, and the runtime refuses the file.
    Here what is rounded is converted.
    """
    import torch
    from executorch.backends.xnnpack._passes.channels_last_tagged_reshape_pass import (
        ChannelsLastTaggedReshapePass,
    )
    from executorch.backends.xnnpack.utils.quant_utils import is_dynamic_qdq
    from executorch.exir.dialects._ops import ops

    to_copy = ops.edge.aten._to_copy.default

    class RoundedLayouts(ChannelsLastTaggedReshapePass):  # type: ignore[misc]  # untyped base
        def input_to_nhwc(
            self, graph_module: torch.fx.GraphModule, input_node: torch.fx.Node, target_node: Any
        ) -> None:
            if not is_dynamic_qdq(input_node) or self.is_nhwc_node(input_node):
                super().input_to_nhwc(graph_module, input_node, target_node)
                return
            rounded: Any = input_node.args[0]
            source = rounded.args[0]
            last = source.meta.get(self.PARTNER_NODE)
            if last is None:
                with graph_module.graph.inserting_after(source):
                    last = self.create_call_function_node(
                        graph_module, to_copy, (source,), torch.channels_last
                    )
                self.mark_as_nhwc_node(last)
                self.make_partners(source, last)
            # The range is chosen by a node of its own, of which the grid is made.
            scale: Any = rounded.args[1]
            for user in (rounded, *scale.all_input_nodes):
                user.replace_input_with(source, last)
            self.mark_as_nhwc_node(rounded)
            self.mark_as_nhwc_node(input_node)

    return RoundedLayouts
