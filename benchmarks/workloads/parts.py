"""Cutting a network into parts that can be exported and measured by themselves.

The exported graph is cut, not the modules: so the parts of a rewritten network are what its
artifact runs, whatever the rewrites did to its blocks, and nothing is left out between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.utils.fuser_utils import fuse_as_graphmodule
from torch.utils.flop_counter import FlopCounterMode

from converters.module_paths import module_path

STEM, HEAD = "stem", "head"
LOCAL, ATTENTION, FEED_FORWARD, FUSION = "local", "attention", "ffn", "fusion"
_PATH = re.compile(
    r"(?P<block>layer\d+\.\d+)(\.(?P<layer>layers\.\d+)(\.(?P<child>\w+))?)?|(?P<head>pre_head|pool|head)"
)
"""The block, layer and child in a module's dotted name."""


@dataclass(frozen=True)
class Part:
    """A piece of a network.

    Attributes:
        name: such as ``stem``, ``layer2.0``, ``layer3.1.layers.0.attention``, ``head``.
        within: the block it is inside, such as ``layer3.1``; ``None`` for parts of the network.
        module: its graph.
        inputs: tensors of the shapes it gets inside the network.
    """

    name: str
    within: str | None
    module: nn.Module
    inputs: tuple[Tensor, ...]

    @property
    def parameters(self) -> int:
        """How many numbers its weights hold."""
        return sum(p.numel() for p in self.module.parameters())

    @property
    def macs(self) -> int:
        """Multiply-adds that it executes."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.module(*self.inputs)
        flops: int = counter.get_total_flops()
        return flops // 2


def split_network(network: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Part, ...]:
    """The parts of a network in order, each block followed by its own pieces.

    Args:
        network: with the module names of :class:`mobilevit_edge.models.network.MobileViT`.
        inputs: an example.
    """
    with torch.no_grad():
        exported = torch.export.export(network, inputs).module()
    assert isinstance(exported, fx.GraphModule)
    return tuple(_parts(exported))


def _parts(graph: fx.GraphModule) -> Iterator[Part]:
    """Neighbors in the order of execution make a part, so that no part needs a later one."""
    calls = [node for node in graph.graph.nodes if node.op == "call_function"]
    named = list(zip(_pieces(calls), calls, strict=True))
    for whole, block in groupby(named, key=lambda pair: _owner(pair[0])):
        members = list(block)
        yield _cut(graph, whole, None, [node for _, node in members])
        pieces = [
            (name, [node for _, node in group])
            for name, group in groupby(members, key=lambda pair: pair[0])
        ]
        for name, nodes in pieces:
            if name != whole:
                yield _cut(graph, name, whole, nodes)


def _pieces(calls: Sequence[fx.Node]) -> Iterator[str]:
    """The smallest part that each call belongs to.

    What a layer or the network itself does between its children (sums, moves) belongs to the
    preceding piece.
    """
    paths = [_PATH.match(module_path(call)) for call in calls]
    with_layers = {path["block"] for path in paths if path and path["layer"]}
    piece = STEM
    for path in paths:
        if path is None:
            pass
        elif path["head"]:
            piece = HEAD
        elif path["block"] not in with_layers:
            piece = path["block"]
        elif path["child"]:
            kind = ATTENTION if path["child"].startswith(ATTENTION) else FEED_FORWARD
            piece = f"{path['block']}.{path['layer']}.{kind}"
        elif not path["layer"]:
            begun = piece.startswith(f"{path['block']}.") and not piece.endswith(f".{LOCAL}")
            piece = f"{path['block']}.{FUSION if begun else LOCAL}"
        yield piece


def _owner(piece: str) -> str:
    """``layer3.1.layers.0.ffn`` -> ``layer3.1``."""
    return ".".join(piece.split(".")[:2])


def _cut(graph: fx.GraphModule, name: str, within: str | None, calls: Sequence[fx.Node]) -> Part:
    # Weights are nodes of their own: include those that the calls read.
    weights = {n: None for call in calls for n in call.all_input_nodes if n.op == "get_attr"}
    module, given, _ = fuse_as_graphmodule(graph, [*weights, *calls], name.replace(".", "_"))
    inputs = tuple(torch.rand(node.meta["val"].shape) for node in given)
    return Part(name, within, module, inputs)
