"""The module that is exported: the model, with what the artifact does around it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from converters.job.answers import make_answer
from converters.job.job import ExportJob
from converters.rewrites import preprocessing_fold, select_rewrites
from converters.rewrites.base import Context, InputScaling, Outcome, Rewrite, apply_rewrites
from mobilevit_edge.formats.manifest import Activation
from mobilevit_edge.input_contract import BYTE_SCALE
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.normalization import Channels

_TRACED_SIZE: Final = (192, 160)


class InputPreparation(nn.Module):
    """Input as the manifest describes it -> the network's, as far as the stem does not do it.

    ``[B, H, W, C]`` bytes or ``[B, C, H, W]`` of any type -> ``[B, C, H, W]`` of the type
    ``dtype``, less ``mean`` (one number for each channel of the input), then flipped and multiplied
    as ``scaling`` says.
    """

    mean: Tensor | None
    factors: Tensor | None

    def __init__(
        self, *, channels_last: bool, mean: Channels | None, scaling: InputScaling | None
    ) -> None:
        super().__init__()
        self.channels_last = channels_last
        self.flip = scaling is not None and scaling.flip
        self.register_buffer("mean", _per_channel(mean))
        self.register_buffer("factors", _per_channel(scaling.factors if scaling else None))

    def forward(self, image: Tensor, dtype: torch.dtype) -> Tensor:
        x = _of_type(image, dtype)
        if self.channels_last:
            # [B, H, W, C] -> [B, C, H, W]
            x = x.permute(0, 3, 1, 2)
        if self.mean is not None:
            x = x - self.mean
        if self.flip:
            x = x.flip(1)
        return x if self.factors is None else x * self.factors


def _of_type(x: Tensor, dtype: torch.dtype) -> Tensor:
    # torch traces a conversion that changes nothing, too, and what it says of the tensor.
    return x if x.dtype == dtype else x.to(dtype)


def _per_channel(values: Channels | None) -> Tensor | None:
    # [channels] -> [1, channels, 1, 1]
    return None if values is None else torch.tensor(values)[None, :, None, None]


class ExportableModel(nn.Module):
    """Input as the manifest describes it -> fp32 outputs ``[B, num_outputs]``.

    With a head for masks or boxes, outputs are what ``answer`` makes of it. ``dtype`` is what
    ``model`` takes.
    """

    def __init__(
        self,
        model: MobileViT,
        preparation: InputPreparation,
        *,
        activation: Activation,
        answer: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.preparation = preparation
        self.activation = activation
        self.answer = answer or nn.Identity()
        self.dtype = torch.float32

    def without_answer(self) -> ExportableModel:
        """The same network, not a copy, up to what it says itself: numbers, in every form."""
        return ExportableModel(self.model, self.preparation, activation=self.activation)

    def forward(self, image: Tensor) -> Tensor:
        y = _of_type(self.model(self.preparation(image, self.dtype)), torch.float32)
        return self.answer(activate(y, self.activation))  # type: ignore[no-any-return]


def activate(logits: Tensor, activation: Activation) -> Tensor:
    """``[..., outputs] -> same``: logits, or the probabilities made of them."""
    match activation:
        case "softmax":
            return torch.softmax(logits, dim=-1)
        case "sigmoid":
            return torch.sigmoid(logits)
        case "none":
            return logits


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
    context = Context(job.source.image_size, input_scaling=_input_scaling(job))
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
    preparation = InputPreparation(
        channels_last=job.module_input.layout == "NHWC",
        mean=_bytes_mean(job) if job.options.raw_input else None,
        scaling=None if folded else context.input_scaling,
    )
    answer = make_answer(job.source.model, job.answer, job.source.image_size)
    module = ExportableModel(model, preparation, activation=job.activation, answer=answer)
    return WrappedModel(module.eval(), outcomes)


def _input_scaling(job: ExportJob) -> InputScaling | None:
    """What is left to multiply and to flip between the module's input and the network's."""
    network, module = job.network_input, job.module_input
    std, done = network.normalization.std, module.normalization.std
    scale = BYTE_SCALE if job.options.raw_input else 1.0
    factors = tuple(scale * before / after for before, after in zip(done, std, strict=True))
    flip = network.channel_order != module.channel_order
    if flip:
        done = done[::-1]
    if not flip and all(factor == 1 for factor in factors):
        return None
    return InputScaling(factors, flip)


def _bytes_mean(job: ExportJob) -> Channels | None:
    """The mean of bytes in the order in which they come; ``None`` if there is none."""
    network, module = job.network_input, job.module_input
    if not network.normalization.subtracts:
        return None
    mean = tuple(value / BYTE_SCALE for value in network.normalization.mean)
    return mean[::-1] if network.channel_order != module.channel_order else mean


def example_input(job: ExportJob) -> Tensor:
    """An input to trace with; two images where the batch is dynamic, since one would be fixed.

    Where the size is dynamic, no map is a single patch, which would be fixed as well.
    """
    if job.options.dynamic_size:
        job = job.at_size(_TRACED_SIZE)
    contract = job.module_input
    blank = np.zeros((*contract.image_size, contract.image_channels), np.uint8)
    return torch.from_numpy(contract.batch_of([blank] * (contract.batch or 2)))
