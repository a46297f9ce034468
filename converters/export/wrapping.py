"""The module that is exported: the model, with what the artifact does around it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from converters.export.options import ExportOptions
from converters.export.source import SourceModel
from converters.rewrites import preprocessing_fold, select_rewrites
from converters.rewrites.base import Context, Outcome, Rewrite, apply_rewrites
from mobilevit_edge.models.network import MobileViT


@dataclass(frozen=True)
class PixelScaling:
    """What turns RGB bytes into the network's input, where the stem does not do it itself."""

    factor: float
    flip: bool


class ExportableModel(nn.Module):
    """Input as the manifest describes it -> fp32 outputs ``[B, num_outputs]``.

    ``raw_input``: ``[B, H, W, 3]`` bytes, RGB; otherwise ``[B, 3, H, W]`` fp32 in 0..1. ``dtype``
    is what ``model`` takes.
    """

    def __init__(
        self,
        model: MobileViT,
        *,
        raw_input: bool,
        scaling: PixelScaling | None,
        softmax: bool,
    ) -> None:
        super().__init__()
        self.model = model
        self.raw_input = raw_input
        self.scaling = scaling
        self.softmax = softmax
        self.dtype = torch.float32

    def forward(self, image: Tensor) -> Tensor:
        x = image.to(self.dtype)
        if self.raw_input:
            # [B, H, W, 3] -> [B, 3, H, W]
            x = x.permute(0, 3, 1, 2)
        if self.scaling is not None:
            x = (x.flip(1) if self.scaling.flip else x) * self.scaling.factor
        y = self.model(x).float()
        return torch.softmax(y, dim=-1) if self.softmax else y


@dataclass(frozen=True)
class Wrapped:
    """The module to convert, and what became of every rewrite."""

    module: ExportableModel
    outcomes: tuple[Outcome, ...]


def choose_rewrites(
    prepared: SourceModel, options: ExportOptions, rewrites: Sequence[str]
) -> tuple[list[Rewrite], Context]:
    """The rewrites of an export, those of its target being ``rewrites``, and their context.

    Raises:
        UsageError: a rewrite that is switched off is not among them.
    """
    order = prepared.preprocessing.channel_order
    context = Context(prepared.image_size, raw_channel_order=order if options.raw_input else None)
    return select_rewrites([preprocessing_fold.REWRITE.name, *rewrites], options.without), context


def wrap_for_export(
    prepared: SourceModel, options: ExportOptions, rewrites: Sequence[str]
) -> Wrapped:
    """A rewritten copy of the model as the artifact has it, in fp32.

    Raises:
        UsageError: a rewrite that is switched off is not among ``rewrites``.
    """
    model = copy.deepcopy(prepared.model)
    order = prepared.preprocessing.channel_order
    chosen, context = choose_rewrites(prepared, options, rewrites)
    outcomes = apply_rewrites(model, chosen, context)
    folded = any(o.sites for o in outcomes if o.name == preprocessing_fold.REWRITE.name)
    scaling = None
    if options.raw_input and not folded:
        scaling = PixelScaling(1 / 255, flip=order == "BGR")
    module = ExportableModel(
        model,
        raw_input=options.raw_input,
        scaling=scaling,
        softmax=options.softmax,
    )
    return Wrapped(module.eval(), tuple(outcomes))


def input_shape(
    prepared: SourceModel, options: ExportOptions, batch: int
) -> tuple[int, int, int, int]:
    """Shape of the artifact's input for ``batch`` images."""
    height, width = prepared.image_size
    return (batch, height, width, 3) if options.raw_input else (batch, 3, height, width)


def example_input(prepared: SourceModel, options: ExportOptions) -> Tensor:
    """An input to trace with; two images where the batch is dynamic, since one would be fixed."""
    shape = input_shape(prepared, options, options.batch or 2)
    return torch.zeros(shape, dtype=torch.uint8 if options.raw_input else torch.float32)
