"""Graphs are traced and simplified with less work, to the same ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx_ir
import onnxruntime
import pytest
import torch
from onnxscript.optimizer import optimize_ir
from torch import Tensor, nn
from torch.onnx._internal.exporter import _fx_passes
from torch.onnx._internal.exporter._registration import ONNXRegistry

from converters.targets.onnx import conversion
from converters.targets.onnx.registry import decomposed_where_needed, functions_left_unread
from converters.targets.onnx.simplification import simplify
from tests.support.exports import Checkpoints, Command

pytestmark = pytest.mark.backend


def operators(model: onnx_ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


@pytest.mark.parametrize(
    ("name", "options", "changed"),
    [
        ("v1_lean", ("--image-size", "64"), "Reshape"),
        ("v2_lean", ("--image-size", "64", "--batch", "dynamic"), "Concat"),
        ("v2_lean", ("--image-size", "64", "--unit", "npu"), "Pad"),
    ],
)
def test_nothing_is_left_that_the_whole_optimizer_would_change(
    export: Command,
    checkpoint: Checkpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: tuple[str, ...],
    changed: str,
) -> None:
    traced = []

    def recorded(model: onnx_ir.Model) -> None:
        traced.append(onnx_ir.to_proto(model))
        simplify(model)

    monkeypatch.setattr(conversion, "simplify", recorded)
    source = ("--weights", checkpoint(name), "--target", "onnx")
    made = export(*source, *options, "--output", tmp_path / "bundle")
    assert made.code == 0, made.err
    found, expected = (onnx_ir.from_proto(traced[0]) for _ in range(2))
    simplify(found)
    optimize_ir(expected)
    assert onnx_ir.to_proto(found) == onnx_ir.to_proto(expected)
    assert operators(found).count(changed) < operators(onnx_ir.from_proto(traced[0])).count(changed)


def test_functions_are_listed_as_they_are_when_they_are_read() -> None:
    def listed() -> dict[Any, list[Any]]:
        functions = ONNXRegistry.from_torchlib().functions
        return {op: [f.onnx_function for f in found] for op, found in functions.items()}

    expected = listed()
    with functions_left_unread():
        assert listed() == expected


def test_what_more_is_asked_of_a_function_is_read() -> None:
    registry = ONNXRegistry.from_torchlib()
    ((function, *_), *_) = (
        found for name, found in registry.functions.items() if "silu" in str(name)
    )
    silu: Any = function.onnx_function
    whole = silu.function_ir
    with functions_left_unread():
        unread = silu.function_ir
        assert unread.domain == whole.domain
        assert unread.name == whole.name == "aten_silu"
    assert type(silu.function_ir) is type(whole)


class Converting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x.to(torch.float32)


class Lacking(nn.Module):
    """With an operator that ONNX has not, or one that changes what it is given."""

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        y = x.to(torch.float32)
        return y.mul_(2) if self.in_place else torch.special.log_ndtr(y)


@pytest.mark.parametrize(
    ("module", "traced_again"),
    [(Converting(), 0), (Lacking(in_place=True), 1), (Lacking(in_place=False), 1)],
)
def test_a_graph_is_decomposed_where_it_has_what_onnx_lacks(
    monkeypatch: pytest.MonkeyPatch, module: nn.Module, traced_again: int
) -> None:
    decompose = mock.Mock(wraps=_fx_passes.decompose_with_registry)
    monkeypatch.setattr(_fx_passes, "decompose_with_registry", decompose)
    x = torch.arange(6, dtype=torch.uint8)
    with decomposed_where_needed():
        exported = torch.onnx.export(module, (x,), dynamo=True, verbose=False)
    assert exported is not None
    assert decompose.call_count == traced_again
    assert _fx_passes.decompose_with_registry is decompose
    session = onnxruntime.InferenceSession(exported.model_proto.SerializeToString())
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(found, module(x).numpy(), rtol=1e-5, atol=1e-6)
