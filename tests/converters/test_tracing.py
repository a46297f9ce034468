"""Tracing without what costs much: what is traced is the same, and torch is as before."""

from __future__ import annotations

import copy
import gc
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._library import utils
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.traceback import NodeSource

from converters.tracing import RARE, quick_tracing


@pytest.fixture(autouse=True)
def as_torch_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy origins, and forget quantized shapes: a run of tests traces quickly as a whole."""
    monkeypatch.delattr(NodeSource, "__deepcopy__", raising=False)
    monkeypatch.setattr(utils, "is_builtin", lambda op: op.namespace in {"aten", "prim", "prims"})


def named(source: Any) -> tuple[object, ...]:
    """A node's origin and its origins' origins, by names."""
    return source["name"], source["target"], source["pass_name"], *map(named, source["from_node"])


def traced() -> tuple[str, list[tuple[object, ...]]]:
    """A graph that was traced twice, and where its nodes come from."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Flatten()).eval()
    program = torch.export.export(module, (torch.zeros(1, 3, 8, 8),)).run_decompositions({})
    sources = [s for node in program.graph.nodes for s in node.meta.get("from_node", ())]
    return str(program.graph), [named(source.to_dict()) for source in sources]


def test_graphs_and_where_their_nodes_come_from_are_the_same() -> None:
    expected = traced()
    with quick_tracing():
        found = traced()
    assert found == expected
    assert any(len(source) > 3 for source in found[1])


def test_inside_origins_are_shared_and_collections_are_rare() -> None:
    source, before = NodeSource(None, "a pass"), gc.get_threshold()
    with quick_tracing(), quick_tracing():
        assert copy.deepcopy([source])[0] is source
        assert gc.get_threshold() == RARE
    assert gc.get_threshold() == before
    assert copy.deepcopy(source) is not source


def rounded() -> list[Tensor]:
    """What torch's quantizing operators give for two shapes, without numbers."""
    quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
    dequantize = torch.ops.quantized_decomposed.dequantize_per_tensor.default
    results = []
    with FakeTensorMode():
        for shape, dtype in (((2, 3), torch.int8), ((4, 1, 5), torch.uint8)):
            x = torch.empty(shape).transpose(0, 1)
            grid = (0.1, 3, 0, 100, dtype)
            for _ in range(2):
                q = quantize(x, *grid)
                results += [q, dequantize(q, *grid)]
    return results


def test_shapes_of_quantized_tensors_are_remembered_and_right() -> None:
    from torch.ao.quantization.fx import _decomposed  # noqa: F401  registers the operators

    expected = rounded()
    FakeTensorMode.cache_clear()
    with quick_tracing():
        found = rounded()
    assert "non-builtin" not in FakeTensorMode.cache_info().bypasses
    described = [[(x.shape, x.stride(), x.dtype) for x in results] for results in (found, expected)]
    assert described[0] == described[1]
    FakeTensorMode.cache_clear()
    rounded()
    assert FakeTensorMode.cache_info().bypasses["non-builtin"] == len(expected)
