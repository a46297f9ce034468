"""Tracing without what costs much: what is traced is the same, and torch is as before."""

from __future__ import annotations

import copy
import gc
import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch._library import utils
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.traceback import NodeSource

from converters.tracing import quick_tracing
from mobilevit_edge.garbage import RARE


@pytest.fixture(autouse=True)
def as_torch_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As outside of exports: a run of tests traces quickly as a whole."""
    compiles = vars(fx.GraphModule)["recompile"]
    monkeypatch.setattr(fx.GraphModule, "recompile", getattr(compiles, "compile_now", compiles))
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


def doubled(x: Tensor) -> Tensor:
    return x + x


def is_compiled(graph: fx.GraphModule) -> bool:
    return "_code" in vars(graph)


def test_a_graph_is_compiled_when_it_is_called_or_shown() -> None:
    x = torch.arange(3.0)
    with quick_tracing(), quick_tracing():
        called, shown, asked, kept, left = (fx.symbolic_trace(doubled) for _ in range(5))
        assert not any(map(is_compiled, (called, shown, asked, kept, left)))
        assert called(x).equal(x + x)
        assert "x + x" in shown.code
        assert "x + x" in str(shown)
        assert list(inspect.signature(asked.forward).parameters) == ["x"]
        assert all(map(is_compiled, (called, shown, asked)))
        # What has changed is compiled anew.
        for node in called.graph.nodes:
            node.target = torch.mul if node.op == "call_function" else node.target
        called.recompile()
        assert not is_compiled(called)
        assert called(x).equal(x * x)
        assert copy.deepcopy(kept)(x).equal(x + x)
    assert not is_compiled(left)
    assert left(x).equal(x + x)
    assert is_compiled(fx.symbolic_trace(doubled))


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
