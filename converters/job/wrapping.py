"""The module that is exported: the model, with what the artifact does around it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from converters.job.job import ExportJob
from converters.rewrites import preprocessing_fold, select_rewrites
from converters.rewrites.base import Context, Outcome, Rewrite, apply_rewrites
from mobilevit_edge.input_contract import BYTE_SCALE
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
class WrappedModel:
    """The module to convert, and what became of every rewrite."""

    module: ExportableModel
    outcomes: tuple[Outcome, ...]

    @property
    def applied(self) -> frozenset[str]:
        """Names of the rewrites that changed something."""
        return frozenset(outcome.name for outcome in self.outcomes if outcome.sites)


def choose_rewrites(job: ExportJob, rewrites: Sequence[str]) -> tuple[list[Rewrite], Context]:
    """The rewrites of an export, those of its target being ``rewrites``, and their context.

    Raises:
        UsageError: a rewrite that is switched off is not among them.
    """
    order = job.network_input.channel_order if job.options.raw_input else None
    context = Context(job.source.image_size, raw_channel_order=order)
    names = [preprocessing_fold.REWRITE.name, *rewrites]
    return select_rewrites(names, job.options.no_rewrite), context


def wrap_for_export(job: ExportJob, rewrites: Sequence[str]) -> WrappedModel:
    """A rewritten copy of the model as the artifact has it, in fp32.

    Raises:
        UsageError: a rewrite that is switched off is not among ``rewrites``.
    """
    model = copy.deepcopy(job.source.model)
    chosen, context = choose_rewrites(job, rewrites)
    outcomes = tuple(apply_rewrites(model, chosen, context))
    folded = any(o.sites for o in outcomes if o.name == preprocessing_fold.REWRITE.name)
    scaling = None
    if job.options.raw_input and not folded:
        scaling = PixelScaling(BYTE_SCALE, flip=job.network_input.channel_order == "BGR")
    module = ExportableModel(
        model,
        raw_input=job.options.raw_input,
        scaling=scaling,
        softmax=job.options.softmax,
    )
    return WrappedModel(module.eval(), outcomes)


def example_input(job: ExportJob) -> Tensor:
    """An input to trace with; two images where the batch is dynamic, since one would be fixed."""
    contract = job.module_input
    dtype = torch.uint8 if contract.dtype == "uint8" else torch.float32
    return torch.zeros((contract.batch or 2, *contract.shape[1:]), dtype=dtype)
