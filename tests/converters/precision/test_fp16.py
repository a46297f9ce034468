"""fp16 with fp32 where fp16 would overflow."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from converters.job.wrapping import ExportableModel, InputPreparation
from converters.precision.fp16 import LIMIT, Fp32Region, find_fp32_regions, to_fp16
from mobilevit_edge.errors import ConversionError
from tests.conftest import random_images


class Square(nn.Module):
    """Its square leaves fp16 where its result does not."""

    def forward(self, x: Tensor) -> Tensor:
        return (x * x).sqrt() / 1000


class Twice(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [x * x / 1e5, x]


class Sum(nn.Module):
    def forward(self, parts: list[Tensor]) -> Tensor:
        return (parts[0] + parts[1]).mean((2, 3))


def exportable(*layers: nn.Module) -> ExportableModel:
    return ExportableModel(
        nn.Sequential(*layers).eval(),  # type: ignore[arg-type]
        InputPreparation(channels_last=False, mean=None, scaling=None),
        activation="none",
    )


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def test_values_in_range_leave_the_whole_network_in_fp16() -> None:
    model = exportable(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Conv2d(4, 2, 1))
    x = random_images(1, 16, 16)
    assert to_fp16(model, [x]) == ()
    assert all(parameter.dtype == torch.float16 for parameter in model.parameters())
    assert model(x).dtype == torch.float32


def test_a_part_that_overflows_inside_computes_in_fp32() -> None:
    model = exportable(Scale(1000.0), Square(), Scale(0.5))
    x = random_images(1, 16, 16)
    expected = model(x)
    half = exportable(Scale(1000.0), Square(), Scale(0.5))
    half.dtype = torch.float16
    half.model.half()
    assert not torch.isfinite(half(x)).all(), "the case must overflow without an fp32 region"

    assert to_fp16(model, [x]) == ("1",)
    assert isinstance(model.model.get_submodule("1"), Fp32Region)
    torch.testing.assert_close(model(x), expected, rtol=2e-3, atol=2e-3)


def test_a_part_whose_output_is_beyond_fp16_takes_what_brings_it_back() -> None:
    inner = nn.Sequential(Scale(1e6), Scale(1e-6))
    model = exportable(Scale(2.0), inner, Scale(0.5))
    x = random_images(1, 16, 16)
    expected = model(x)
    assert to_fp16(model, [x]) == ("1",)
    torch.testing.assert_close(model(x), expected, rtol=2e-3, atol=2e-3)


def test_islands_keep_every_digit_of_their_weights() -> None:
    inner = nn.Sequential(Scale(1.2345678e6), Scale(1e-6))
    model = exportable(inner, Scale(1.0))
    to_fp16(model, [random_images(1, 8, 8)])
    assert model.model.get_parameter("0.inner.0.factor").item() == torch.tensor(1.2345678e6).item()


def test_an_island_may_give_several_tensors() -> None:
    model = exportable(Scale(1000.0), Twice(), Sum())
    x = random_images(1, 16, 16)
    expected = model(x)
    assert to_fp16(model, [x]) == ("1",)
    torch.testing.assert_close(model(x), expected, rtol=5e-3, atol=1e-3)


def test_weights_beyond_fp16_make_an_island_too() -> None:
    model = exportable(nn.Sequential(Scale(3 * LIMIT)), Scale(1.0))
    x = torch.full((1, 3, 8, 8), 1e-3)
    assert find_fp32_regions(model, [x]) == ("0.0",)


def test_a_network_whose_output_is_beyond_fp16_is_refused() -> None:
    model = exportable(Scale(1e6))
    with pytest.raises(ConversionError, match="--precision fp32"):
        to_fp16(model, [random_images(1, 8, 8)])
