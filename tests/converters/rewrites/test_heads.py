"""Rewrites of heads for masks, and those of backbones under heads: exact in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from converters.rewrites import REWRITES, for_head
from converters.rewrites.base import Context, apply_rewrites
from converters.rewrites.pyramid_matrices import pooling_matrix
from converters.targets.base import get_target
from converters.targets.executorch.target import TARGET as EXECUTORCH
from mobilevit_edge.formats.manifest import TargetName, Unit
from mobilevit_edge.head_specs import DeepLabV3Spec, HeadSpec, PSPNetSpec, SSDLiteSpec
from mobilevit_edge.masks import bilinear_matrix
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.models.segmentation import ImagePooling, PyramidPooling
from mobilevit_edge.specs import ModelSpec, with_head
from tests.support.exports import TINY
from tests.support.rewrites import EXACT, assert_exact, difference, noise, random_model

DEEPLAB = DeepLabV3Spec(16, 12, (1, 2, 3), "aligned")
PSP = PSPNetSpec(8, "aligned", width=12)
HEADS: dict[str, HeadSpec] = {
    "deeplabv3": DEEPLAB,
    "deeplabv3 at stride 8": DeepLabV3Spec(8, 12, (1, 2, 3), "aligned"),
    "pspnet": PSP,
    "ssdlite": SSDLiteSpec((8, 8, 8), 8, (8, 8, 8, 8, 8, 8)),
}


class JoinedAtOnce(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Counts the tensors of every concatenation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.cat.default:
            self.counts.append(len(args[0]))
        return func(*args, **(kwargs or {}))


def dense(family: str, head: HeadSpec) -> MobileViT:
    spec: ModelSpec = with_head(TINY[f"{family}_deep"], head)
    return random_model(spec)


@pytest.mark.parametrize("size", [(64, 96), (72, 64)])
def test_the_image_pooling_becomes_a_bias(size: tuple[int, int]) -> None:
    model = dense("v1", DEEPLAB)
    assert_exact(model, noise(2, 3, *size), "image_pooling_as_bias")
    assert not any(isinstance(part, ImagePooling | nn.Dropout) for part in model.modules())


@pytest.mark.parametrize("rewrite", ["pyramid_matrices", "pixel_pyramid"])
@pytest.mark.parametrize("size", [(64, 96), (72, 104)])
def test_the_pyramid_becomes_products_with_constants(size: tuple[int, int], rewrite: str) -> None:
    model = dense("v2", PSP)
    assert_exact(model, noise(2, 3, *size), rewrite)
    assert not any(isinstance(part, PyramidPooling) for part in model.modules())


@pytest.mark.parametrize("size", [(64, 96), (72, 104)])
def test_rows_of_boxes_are_joined_in_two_steps(size: tuple[int, int]) -> None:
    model = dense("v1", HEADS["ssdlite"])
    assert_exact(model, noise(2, 3, *size), "short_concatenation")
    with JoinedAtOnce() as joined:
        model(noise(1, 3, *size))
    # The head's last two, of five maps and of the first.
    assert joined.counts[-2:] == [5, 2]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", ["v1", "v2"])
@pytest.mark.parametrize(
    ("target", "unit"),
    [("onnx", "cpu"), ("onnx", "npu"), ("executorch", "cpu"), ("coreml", "cpu"), ("litert", "cpu")],
)
def test_all_rewrites_of_a_target_together_keep_the_function(
    target: TargetName, unit: Unit, family: str, head: str
) -> None:
    from converters.job.options import ExportOptions

    model = dense(family, HEADS[head])
    x = noise(1, 3, 64, 96)
    with torch.no_grad():
        expected = model(x)
        options = ExportOptions(weights="random", target=target, unit=unit)
        names = get_target(target).rewrites(model.spec, options)
        outcomes = apply_rewrites(model, [REWRITES[name] for name in names], Context((64, 96)))
        assert {o.name for o in outcomes if o.refused} <= {"bounded_softmax"}
        assert difference(model(x), expected) < EXACT


def test_a_map_that_a_head_for_boxes_reads_is_not_merged_away() -> None:
    """V2's blocks end in a linear projection, which would join the next stage."""
    plain, boxed = random_model(TINY["v2_deep"]), dense("v2", HEADS["ssdlite"])
    merged = []
    for model in (plain, boxed):
        rewrites = [REWRITES[name] for name in ("batch_norm_fold", "linear_pair_merge")]
        merged.append(apply_rewrites(model, rewrites, Context((64, 64)))[-1].sites)
    assert merged[1] < merged[0]


def test_rewrites_of_pooled_heads_are_left_out_under_others() -> None:
    spec = with_head(TINY["v1_deep"], DEEPLAB)
    names = for_head(("batch_norm_fold", "head_as_convolution", "early_pooling"), spec)
    assert names == ("batch_norm_fold", "image_pooling_as_bias")
    assert EXECUTORCH.info.mask == "logits"


@pytest.mark.parametrize(("source", "cells"), [(6, 3), (7, 3), (5, 6), (1, 1), (16, 6)])
def test_matrices_are_what_torch_computes(source: int, cells: int) -> None:
    x = torch.randn(1, 1, source, dtype=torch.float64)
    pooled = F.adaptive_avg_pool1d(x, cells)
    assert torch.allclose(x @ pooling_matrix(source, cells).T, pooled, atol=1e-14)
    for aligned in (True, False):
        settings: dict[str, Any] = {"mode": "bilinear", "align_corners": aligned}
        expected = F.interpolate(
            x[..., None].expand(-1, -1, -1, source), (cells, source), **settings
        )
        matrix = torch.from_numpy(bilinear_matrix(source, cells, aligned=aligned))
        assert torch.allclose(x @ matrix.T, expected[..., 0], atol=1e-12)
