"""Run by torchrun in ``test_ranks``: what two processes draw and learn, as JSON from the first."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import distributed

from mobilevit_edge.models.network import create_model
from mobilevit_edge.training import session
from mobilevit_edge.training.learner import Learner
from mobilevit_edge.training.ranks import Ranks, joined_ranks
from mobilevit_edge.training.recipe import Recipe
from mobilevit_edge.training.sampler import RankSampler, Schedule, shuffled
from tests.support.networks import tiny_instead
from tests.training.conftest import training_command

torch.set_num_threads(1)
IMAGES = 5


def learned(images: torch.Tensor, targets: torch.Tensor, total: int, ranks: Ranks) -> list[float]:
    """The loss of a batch of ``total`` images and the classifier's gradient, after one step.

    The backbone is frozen with its batch statistics: else the ranks' own would differ.
    """
    torch.manual_seed(0)
    network = create_model("mobilevit_xxs", num_classes=3)
    recipe = Recipe(freeze_backbone=True, warmup=0.0, gradient_norm=1e6)
    learner = Learner(network, recipe, 2, ranks)
    losses = ranks.sums((learner.step(images, targets, total),))
    moments = learner.state()["optimizer"]["state"]
    # AdamW's first moment after one step: a tenth of the gradient.
    gradients = torch.cat([10 * moment["exp_avg"].flatten() for moment in moments.values()])
    return [*losses, *gradients.tolist()]


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """A batch that does not divide by two."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(IMAGES, 3, 32, 32, generator=generator), torch.arange(IMAGES) % 3


def main() -> None:
    """Draw an epoch and learn from a batch, each rank its part; then run the command."""
    tiny_instead(setattr)
    with joined_ranks() as ranks:
        rank, world_size = ranks.rank, ranks.world_size
        schedule = Schedule(101, 8, ((32, 32), (64, 64)), "multi-scale", 5, world_size)
        order = shuffled(101, 5, 0)
        sampler = RankSampler(schedule.steps(0), order, rank=rank, world_size=world_size)
        drawn: list[object] = [None] * world_size
        distributed.all_gather_object(drawn, list(sampler))
        images, targets = batch()
        result = learned(images[rank::world_size], targets[rank::world_size], IMAGES, ranks)
        if ranks.is_first:
            Path(sys.argv[1]).write_text(json.dumps({"drawn": drawn, "learned": result}))
        with pytest.MonkeyPatch.context() as patch, training_command() as train:
            # The ranks can join only once in a process.
            patch.setattr(session, "joined_ranks", lambda: nullcontext(ranks))
            sys.exit(train(*sys.argv[2:]))


if __name__ == "__main__":
    main()
