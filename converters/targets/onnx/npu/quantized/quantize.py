"""From the float graph to one whose parts compute in 8 bits, 16 bits or float."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import version_converter

from converters.progress import Progress
from converters.targets.loaded import Array
from converters.targets.onnx.npu.norms import fuse_norms
from converters.targets.onnx.npu.quantized.layout import Layout, masked_parts
from converters.targets.onnx.npu.quantized.qdq import quantized
from converters.targets.onnx.npu.quantized.ranges import Ranges
from converters.targets.onnx.npu.quantized.widths import Width, Widths
from converters.targets.onnx.npu.unit import NORMS_OPSET
from converters.targets.onnx.scales import observe


@dataclass(frozen=True)
class Calibrated:
    """A float graph and inputs of it."""

    model: onnx.ModelProto
    batches: tuple[Array, ...]

    def quantized(self, widths: Widths, progress: Progress) -> onnx.ModelProto:
        """The graph with the parts' widths."""
        model = self.model
        if 16 in widths.values():
            model = version_converter.convert_version(model, NORMS_OPSET)
            fuse_norms(model.graph)
        layout = Layout(model.graph, widths)
        seen = observe(
            model,
            layout.ranged(),
            self.batches,
            progress,
            floor=layout.floor,
            owner=layout.owner,
        )
        return quantized(model, layout, Ranges(layout, seen))


def possible_widths(graph: onnx.GraphProto, widths: Widths) -> dict[str, Width]:
    """``widths`` with the parts in float that have masks in them."""
    masked = masked_parts(graph, [name for name, width in widths.items() if name and width])
    return {name: 0 if name in masked else width for name, width in widths.items()}
