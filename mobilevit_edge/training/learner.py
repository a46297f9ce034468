"""The network with its optimizer, learning rate, gradient scaler and averaged weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.training.losses import loss_of
from mobilevit_edge.training.optimize import make_average, make_optimizer, make_scheduler
from mobilevit_edge.training.ranks import Ranks
from mobilevit_edge.training.recipe import Recipe


def half_precision(device: torch.device) -> torch.dtype | None:
    """The type in which ``device`` computes faster: bf16 or fp16 on a GPU, none on a CPU."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


class Learner:
    """Takes one optimization step at a time; :meth:`state` holds everything that steps change.

    Args:
        network: trained in place; moved to the ranks' device.
        recipe: hyper-parameters.
        total_steps: iterations of the whole run, over which the learning rate is scheduled.
        ranks: the processes that share each batch.
    """

    def __init__(self, network: MobileViT, recipe: Recipe, total_steps: int, ranks: Ranks) -> None:
        self._recipe = recipe
        self._ranks = ranks
        self._half = half_precision(ranks.device)
        # Channels last: about 10 % faster on x86 CPUs, and the layout of tensor cores.
        self._network = network
        self._network.to(ranks.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.freeze_backbone:
            self._network.requires_grad_(False)
            self._network.head.requires_grad_(True)
        # A frozen backbone keeps its batch statistics too.
        self._network.train(not recipe.freeze_backbone)
        self._network.head.train()
        self._average = make_average(self._network, recipe)
        self._optimizer = make_optimizer(self._network, recipe)
        self._scheduler = make_scheduler(self._optimizer, total_steps, recipe)
        self._scaler = torch.amp.GradScaler(ranks.device.type, enabled=self._half is torch.float16)
        self._wrapped = ranks.wrap(self._network)

    @property
    def averaged(self) -> MobileViT:
        """The network with averaged weights, in eval mode."""
        return cast(MobileViT, self._average.module.eval())

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._scheduler.get_last_lr()[0])

    def step(self, images: Tensor, targets: Tensor, global_images: int) -> float:
        """Learn from this rank's part of a batch of ``global_images``.

        Args:
            images: ``[B, 3, H, W]``.
            targets: classes ``[B]``, shares of them ``[B, C]``, or of pixels ``[B, H, W]``.
            global_images: images of all ranks together.

        Returns:
            The sum of the images' losses.
        """
        device = self._ranks.device
        inputs = images.to(device).contiguous(memory_format=torch.channels_last)
        # Every weight is cast once a step: a cache would only hold it longer.
        with torch.autocast(
            device.type, self._half, enabled=self._half is not None, cache_enabled=False
        ):
            logits = self._wrapped(inputs)
        loss = loss_of(
            self._network.spec, logits.float(), targets.to(device), self._recipe.label_smoothing
        )
        # The ranks' gradients are averaged with equal weights, so an uneven part is weighted by its
        # images: the result is the gradient of the whole batch's mean.
        share = len(targets) * self._ranks.world_size / global_images
        self._scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.gradient_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad()
        self._scheduler.step()
        self._average.update_parameters(self._network)
        return loss.item() * len(targets)

    def state(self) -> dict[str, Any]:
        """Tensors and plain values that :meth:`load_state` continues from."""
        return {
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` returned."""
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        # Runs of earlier versions saved it under "optimiser".
        self._optimizer.load_state_dict(state.get("optimizer") or state["optimiser"])
        self._scheduler.load_state_dict(state["scheduler"])
        self._scaler.load_state_dict(state["scaler"])
