"""Passes and decompositions that are left out: the file is the same, byte for byte."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.targets.executorch import lowering
from converters.targets.executorch.delegates import xnnpack
from converters.targets.executorch.lowering import lower
from converters.targets.executorch.xnnpack_passes import ACTS_ON


class Network(nn.Module):
    """What the family's networks consist of, and what some of these passes act on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.PReLU(8)
        self.linear = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.act(self.norm(self.conv(x)))
        tokens = maps.flatten(2).transpose(1, 2)  # [B, H*W, 8]
        query, key, value = self.linear(tokens.sigmoid()).chunk(3, dim=-1)
        tokens = (query @ key.transpose(1, 2)).softmax(dim=-1) @ value
        attended = tokens.transpose(1, 2).unflatten(2, (8, 8))  # [B, 8, H, W]
        padded = nn.functional.pad(maps, (1, 0))[..., 1:]
        # More than XNNPACK concatenates at once.
        maps = torch.cat([padded, *[(maps + attended).relu()] * 5], dim=1)
        return nn.functional.max_pool2d(maps, 2)


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    return torch.export.export(Network().eval(), (torch.zeros(1, 3, 8, 8),))


def test_the_file_is_what_all_passes_make(
    program: ExportedProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = lower(program, xnnpack())
    monkeypatch.setattr(lowering, "needed_passes", nullcontext)
    assert lower(program, xnnpack()) == quick


class Pooled(nn.Module):
    """A linear layer, and a pooling of windows of two; XNNPACK takes none that leave gaps."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.linear = nn.Linear(9, 9)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.max_pool2d(self.linear(x), 2, stride=self.stride)


@pytest.mark.parametrize(("stride", "whole"), [(2, True), (3, False)])
def test_the_file_is_what_three_decompositions_make(stride: int, whole: bool) -> None:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    program = torch.export.export(Pooled(stride).eval(), (torch.zeros(1, 3, 9, 9),))
    _, condition = xnnpack().ops_to_not_decompose(program)
    assert (condition is None) == whole
    assert lower(program, xnnpack()) == lower(program, XnnpackPartitioner())


def test_patterns_cannot_be_in_a_graph_without_their_operators() -> None:
    from executorch.backends.xnnpack.partition.graphs import bilinear_2d, sdpa

    patterns = {"ConvertToUpsampleBilinear2d": bilinear_2d, "ConvertToSDPAPass": sdpa}
    for name, graphs in patterns.items():
        for graph in graphs.get_graphs():
            found = {node.target.__name__ for node in graph.graph.nodes if callable(node.target)}
            assert not found.isdisjoint(ACTS_ON[name])


def test_all_that_may_be_left_out_are_passes_of_xnnpack(program: ExportedProgram) -> None:
    from executorch.backends.xnnpack._passes import XNNPACKPassManager

    assert ACTS_ON.keys() <= {each.__name__ for each in XNNPACKPassManager(program).passes}
