"""Rounding that products of pixels and other convolutions cannot share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

pytestmark = pytest.mark.backend

CHANNELS = 8
X = torch.randn(1, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(3))


class Branches(nn.Module):
    """Convolutions of one input with these kernels, side by side."""

    def __init__(self, *kernels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(CHANNELS, CHANNELS, kernel, padding=kernel // 2) for kernel in kernels
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([conv(x) for conv in self.convs], 1)


def quantized(*kernels: int) -> tuple[nn.Module, ExportedProgram]:
    from converters.precision.dynamic import quantize_program_dynamic

    torch.manual_seed(0)
    module = Branches(*kernels).eval()
    return module, quantize_program_dynamic(module, X)


def ranges(program: ExportedProgram) -> int:
    """How many times a range is looked for."""
    return sum("choose_qparams" in str(node.target) for node in program.graph.nodes)


@pytest.mark.parametrize(
    ("kernels", "expected"), [((1, 1), 1), ((3, 3, 5), 1), ((1, 3), 2), ((1, 3, 1), 2)]
)
def test_only_unlike_products_have_a_range_each(kernels: tuple[int, ...], expected: int) -> None:
    assert ranges(quantized(*kernels)[1]) == expected


def test_unlike_products_of_one_tensor_answer_as_the_module(tmp_path: Path) -> None:
    from converters.targets.executorch.delegates import delegate_for
    from converters.targets.executorch.lowering import lower
    from converters.targets.executorch.program import Program

    module, program = quantized(1, 3, 1)
    path = tmp_path / "model.pte"
    path.write_bytes(lower(program, delegate_for("xnnpack", "int8-dynamic")))
    with torch.no_grad():
        expected = module(X).numpy()
    error = np.linalg.norm(Program(path).run(X.numpy()) - expected) / np.linalg.norm(expected)
    # Eight bits of activations and weights; with the first pixel's range for all it is 0.5.
    assert error < 0.03
