"""A network's forward and backward passes on a GPU, captured once for each shape and replayed.

A step of a small network is more than a thousand short kernels, and a fast GPU spends most of it
waiting for the next launch. A CUDA graph launches all of a pass at once.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Size, Tensor, nn


class ReplayedNetwork:
    """``network`` in training; its parameters, buffers and modes stay where they are.

    A shape is captured when it comes for the second time: the last batch of an epoch, with the
    images that are left, may never come again. Captures share their memory, since no two are used
    at once: forward, backward, then the next forward. Autocast must not cache what it casts.

    Args:
        network: on a CUDA device, in the modes it is trained in.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._seen: set[Size] = set()
        self._captured: dict[Size, nn.Module] = {}
        self._pool = torch.cuda.graph_pool_handle()
        # A capture keeps what accumulates gradients on its own stream, with a wait for ours.
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)

    def __call__(self, images: Tensor) -> Tensor:
        """What the network answers to ``images``, ``[B, 3, H, W]``.

        The answer is valid until the next call.
        """
        if images.shape not in self._captured:
            if images.shape not in self._seen:
                self._seen.add(images.shape)
                return cast(Tensor, self._network(images))
            self._captured[images.shape] = self._capture(images)
        return cast(Tensor, self._captured[images.shape](images))

    def _capture(self, images: Tensor) -> nn.Module:
        # Warming up would count this batch's statistics several times.
        buffers = [(buffer, buffer.clone()) for buffer in self._network.buffers()]
        # A capture allocates for itself; what steps before it used would stay beside that.
        torch.cuda.empty_cache()
        captured = torch.cuda.make_graphed_callables(
            _Pass(self._network), (images.clone(),), pool=self._pool
        )
        for buffer, before in buffers:
            buffer.copy_(before)
        return cast(nn.Module, captured)


class _Pass(nn.Module):
    """Takes the capture, which replaces ``forward``, in the network's place."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._network = network

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self._network(images))
