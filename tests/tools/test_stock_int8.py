"""int8 by the runtimes' own quantizers: int8 operators, and the answers of the network in fp32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from converters.targets.base import get_target
from tools.studies.stock_int8 import executorch_stock_int8, onnx_stock_int8


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    return nn.Sequential(*layers).eval().requires_grad_(False)


@pytest.mark.parametrize("runtime", ["onnx", "executorch"])
def test_answers_are_near_those_in_fp32(runtime: str, network: nn.Module, tmp_path: Path) -> None:
    image = torch.rand(1, 3, 16, 16)
    quantize = onnx_stock_int8 if runtime == "onnx" else executorch_stock_int8
    path = tmp_path / "model"
    path.write_bytes(quantize(network, image))
    found = get_target(runtime).load(path).run(image.numpy())  # type: ignore[arg-type]
    expected = network(image).numpy()
    error = np.abs(found - expected).max() / np.abs(expected).max()
    # Neither fp32 nor nonsense.
    assert 1e-5 < error < 0.05


def test_an_onnx_file_has_weights_of_eight_bits_per_channel(network: nn.Module) -> None:
    graph = onnx.load_from_string(onnx_stock_int8(network, torch.rand(1, 3, 16, 16))).graph
    types = {t.data_type: tuple(t.dims) for t in graph.initializer if len(t.dims) == 4}
    assert types == {onnx.TensorProto.INT8: (8, 3, 3, 3)}
    scales = [t for t in graph.initializer if "scale" in t.name and tuple(t.dims) == (8,)]
    assert scales
