"""The module that is exported: the model, with what the artifact does around it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from converters.options import ExportOptions
from converters.prepare import Prepared
from converters.rewrites import preprocessing_fold
from mobilevit_edge.bundle import AppliedRewrite
from mobilevit_edge.models.network import MobileViT


class DeployedModel(nn.Module):
    """Input as the manifest describes it -> fp32 outputs ``[B, num_outputs]``.

    ``raw_input``: ``[B, H, W, 3]`` bytes, RGB; otherwise ``[B, 3, H, W]`` fp32 in 0..1.
    """

    def __init__(
        self, model: MobileViT, *, raw_input: bool, softmax: bool, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.model = model.to(dtype)
        self.raw_input = raw_input
        self.softmax = softmax
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        x = image.to(self.dtype)
        if self.raw_input:
            # [B, H, W, 3] -> [B, 3, H, W]
            x = x.permute(0, 3, 1, 2)
        y = self.model(x).float()
        return torch.softmax(y, dim=-1) if self.softmax else y


def deploy(
    prepared: Prepared, options: ExportOptions
) -> tuple[DeployedModel, tuple[AppliedRewrite, ...]]:
    """A copy of the model as the artifact has it, and the rewrites that were applied."""
    model = copy.deepcopy(prepared.model)
    applied: list[AppliedRewrite] = []
    if options.raw_input:
        order = prepared.preprocessing.channel_order
        sites = preprocessing_fold.fold_preprocessing(model, order)
        applied.append(AppliedRewrite(preprocessing_fold.NAME, sites))
    dtype = torch.float16 if options.precision == "fp16" else torch.float32
    module = DeployedModel(model, raw_input=options.raw_input, softmax=options.softmax, dtype=dtype)
    return module.eval(), tuple(applied)


def input_shape(
    prepared: Prepared, options: ExportOptions, batch: int
) -> tuple[int, int, int, int]:
    """Shape of the artifact's input for ``batch`` images."""
    height, width = prepared.image_size
    return (batch, height, width, 3) if options.raw_input else (batch, 3, height, width)


def example_input(prepared: Prepared, options: ExportOptions) -> Tensor:
    """An input to trace with; two images where the batch is dynamic, since one would be fixed."""
    shape = input_shape(prepared, options, options.batch or 2)
    return torch.zeros(shape, dtype=torch.uint8 if options.raw_input else torch.float32)
