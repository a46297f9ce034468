"""Which images make up each iteration, and at which resolution.

Multi-scale sampling (MobileViT, arXiv:2110.02178, section 3.2 "Multi-scale sampler for training
efficiency"): every iteration draws one resolution (H_t, W_t) from a set, and its batch holds
b_t = H_n * W_n * b / (H_t * W_t) images, where (H_n, W_n) is the largest resolution and b its
batch size, so that all iterations cost about the same.

The plan of an epoch is a pure function of its arguments. Ranks take slices of the same plan, and a
resumed epoch takes the rest of it: neither can see an image twice or miss one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from mobilevit_edge.training.recipe import Sampling

Size = tuple[int, int]
Indices = npt.NDArray[np.int64]

SWITCH_EVERY: Final = 10
"""Iterations between changes of resolution (YOLOv2, arXiv:1612.08242, section 2)."""
MIN_RANK_BATCH: Final = 2
"""Batch norm cannot train on fewer: a 1x1 map of one image has no variance."""
_SIZES_STREAM, _ORDER_STREAM = 1, 2


class Draw(NamedTuple):
    """One image of a batch: its index in the set, and the (height, width) to resize it to.

    ``repeat`` counts how often the epoch drew the image before, which only class-balanced sampling
    does.
    """

    image: int
    size: Size
    repeat: int


@dataclass(frozen=True)
class Step:
    """One iteration over all ranks: images ``start`` to ``stop`` of the epoch's order."""

    start: int
    stop: int
    size: Size

    @property
    def images(self) -> int:
        """Images of the global batch."""
        return self.stop - self.start


@dataclass(frozen=True)
class Schedule:
    """How epochs are cut into iterations.

    An epoch has ``count`` images; a batch has ``batch_size`` over all ``world_size`` ranks at the
    largest of ``sizes``, which are ordered by area.
    """

    count: int
    batch_size: int
    sizes: tuple[Size, ...]
    sampling: Sampling
    seed: int
    world_size: int = 1

    def __post_init__(self) -> None:
        smallest = MIN_RANK_BATCH * self.world_size
        if self.batch_size < smallest or self.count < smallest:
            raise ValueError(
                f"{self.count} images in batches of {self.batch_size} are too few for "
                f"{self.world_size} ranks: each needs {MIN_RANK_BATCH} per iteration"
            )

    def batch_at(self, size: Size) -> int:
        """Images of a global batch at ``size`` (V1 paper, section 3.2)."""
        if self.sampling != "multi-scale":
            return self.batch_size
        height, width = self.sizes[-1]
        return height * width * self.batch_size // (size[0] * size[1])

    def steps(self, epoch: int) -> tuple[Step, ...]:
        """The epoch's iterations.

        A remainder too small for every rank to train on joins the iteration before it.
        """
        rng = np.random.default_rng((self.seed, epoch, _SIZES_STREAM))
        steps: list[Step] = []
        size = self.sizes[-1]
        start = 0
        while start < self.count:
            if self.sampling == "multi-scale" or len(steps) % SWITCH_EVERY == 0:
                size = self.sizes[int(rng.integers(len(self.sizes)))]
            stop = min(start + self.batch_at(size), self.count)
            if stop - start < MIN_RANK_BATCH * self.world_size:
                last = steps.pop()
                steps.append(Step(last.start, stop, last.size))
            else:
                steps.append(Step(start, stop, size))
            start = stop
        return tuple(steps)


def shuffled(count: int, seed: int, epoch: int) -> tuple[Indices, Indices]:
    """The epoch's order of ``count`` images ``[count]``, and repeats ``[count]``, all zero."""
    rng = np.random.default_rng((seed, epoch, _ORDER_STREAM))
    return rng.permutation(count), np.zeros(count, np.int64)


def class_balanced(targets: Indices, seed: int, epoch: int) -> tuple[Indices, Indices]:
    """An epoch that draws every class equally often, in random order.

    A class larger than its share is sampled without replacement; a smaller one is repeated as often
    as needed.

    Args:
        targets: the class of every image, ``[count]``.
        seed: seed of the run.
        epoch: number of the epoch, from 0.

    Returns:
        Indices ``[count]``, and how often each was drawn before ``[count]``.
    """
    rng = np.random.default_rng((seed, epoch, _ORDER_STREAM))
    classes = np.unique(targets)
    shares = np.full(len(classes), len(targets) // len(classes))
    shares[rng.permutation(len(classes))[: len(targets) % len(classes)]] += 1
    indices: list[Indices] = []
    repeats: list[Indices] = []
    for class_, share in zip(classes, shares, strict=True):
        members = np.flatnonzero(targets == class_)
        rounds = -(-int(share) // len(members))
        indices.append(np.concatenate([rng.permutation(members) for _ in range(rounds)])[:share])
        repeats.append(np.repeat(np.arange(rounds), len(members))[:share])
    order = rng.permutation(len(targets))
    return np.concatenate(indices)[order], np.concatenate(repeats)[order]


class RankSampler(Sampler[list[Draw]]):
    """One rank's slices of an epoch's steps, from ``first_step`` on: a DataLoader's batch sampler.

    Rank r of w takes images r, r + w, r + 2w ... of each global batch.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        order: tuple[Indices, Indices],
        *,
        rank: int = 0,
        world_size: int = 1,
        first_step: int = 0,
    ) -> None:
        self._steps = steps[first_step:]
        self._order = order
        self._rank = rank
        self._world_size = world_size

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[Draw]]:
        indices, repeats = self._order
        for step in self._steps:
            mine = range(step.start + self._rank, step.stop, self._world_size)
            yield [Draw(int(indices[at]), step.size, int(repeats[at])) for at in mine]
