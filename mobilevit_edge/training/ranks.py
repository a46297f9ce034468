"""The processes of a run: one, or several that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from mobilevit_edge.training.replay import ReplayedNetwork

_TIMEOUT: Final = timedelta(hours=6)
"""How long ranks wait for the first one to evaluate and save."""


@dataclass(frozen=True)
class Ranks:
    """The place of this process among ``world_size``; the one with ``rank`` 0 writes the files."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process evaluates, writes files and shows progress."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        """``network`` with gradients averaged over the ranks; alone on a GPU, replayed."""
        if self.world_size == 1:
            return ReplayedNetwork(network) if self.device.type == "cuda" else network
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices)

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the ranks; waits for all of them."""
        if self.world_size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(tensor)
        return [float(value) for value in tensor.cpu()]


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """The place of this process, from torchrun's variables; without them it is the only one."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if world_size == 1:
        yield Ranks(0, 1, device)
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_TIMEOUT)
    try:
        yield Ranks(distributed.get_rank(), world_size, device)
    finally:
        distributed.destroy_process_group()
