from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from mobilevit_edge.models.network import create_model
from mobilevit_edge.specs import SPECS
from mobilevit_edge.training.evaluate import evaluate
from mobilevit_edge.training.learner import Learner, half_precision
from mobilevit_edge.training.optimize import make_average, make_optimizer, rate_at
from mobilevit_edge.training.ranks import Ranks
from mobilevit_edge.training.recipe import Recipe
from tests.training.conftest import differences

CPU = torch.device("cpu")
ALONE = Ranks(0, 1, CPU)


def batch(count: int = 4, side: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(count, 3, side, side, generator=generator)
    return images, torch.arange(count) % 3


def test_norms_and_biases_are_not_decayed() -> None:
    network = create_model("mobilevitv2_050", num_classes=3)
    decayed, spared = make_optimizer(network, Recipe(weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    spared_ids = {id(parameter) for parameter in spared["params"]}
    for name, parameter in network.named_parameters():
        is_vector = name.endswith("bias") or "norm" in name
        assert (id(parameter) in spared_ids) == is_vector, name
    assert len(decayed["params"]) + len(spared["params"]) == len(list(network.parameters()))


def test_the_learning_rate_climbs_linearly_and_falls_along_a_cosine() -> None:
    recipe = Recipe(warmup=0.1, final_rate=0.01)
    rates = [rate_at(step, 1000, recipe) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 101)
    assert rates[49] == pytest.approx(50 / 101)
    assert rates[100] == 1.0
    assert rates[-1] == pytest.approx(0.01)
    middle = 100 + 899 / 3
    assert rate_at(round(middle), 1000, recipe) == pytest.approx(
        0.01 + 0.99 * (1 + math.cos(math.pi / 3)) / 2, abs=2e-3
    )
    assert all(a < b for a, b in pairwise(rates[:101]))
    assert all(a > b for a, b in pairwise(rates[100:]))


@pytest.mark.parametrize("total", [1, 2, 3])
def test_the_shortest_runs_have_a_learning_rate(total: int) -> None:
    recipe = Recipe(warmup=0.5)
    assert all(0 < rate_at(step, total, recipe) <= 1 for step in range(total))


def test_the_average_follows_weights_and_statistics() -> None:
    linear, norm = nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1)
    network = nn.Sequential(linear, norm)
    average = make_average(network, Recipe(ema_decay=0.5))
    expected = 0.0
    for updates in range(14):
        value = float(updates + 1) ** 2
        with torch.no_grad():
            linear.weight.fill_(value)
            norm.load_state_dict(norm.state_dict() | {"running_mean": torch.tensor([value])})
        average.update_parameters(network)
        # The first update copies; later decays are 2/11, 3/12 ... and, from the eighth on, 0.5.
        decay = min((1 + updates) / (10 + updates), 0.5) if updates else 0.0
        expected = decay * expected + (1 - decay) * value
        averaged = average.module.state_dict()
        assert averaged["0.weight"].item() == pytest.approx(expected)
        assert averaged["1.running_mean"].item() == pytest.approx(expected)


def test_steps_learn_and_evaluation_uses_the_average() -> None:
    torch.manual_seed(0)
    recipe = Recipe(learning_rate=0.003, warmup=0.0, label_smoothing=0.0)
    learner = Learner(create_model(SPECS["mobilevit_xxs"], num_classes=3), recipe, 20, ALONE)
    losses = [learner.step(*batch(), 4) / 4 for _ in range(12)]
    assert losses[-1] < 0.6 * losses[0]
    assert not learner.averaged.training
    state = learner.state()
    key = "head.weight"
    assert not torch.equal(state["network"][key], state["average"][f"module.{key}"])
    assert torch.equal(learner.averaged.state_dict()[key], state["average"][f"module.{key}"])


def test_a_state_that_an_earlier_version_saved_is_continued() -> None:
    def learner() -> Learner:
        torch.manual_seed(0)
        return Learner(create_model(SPECS["mobilevit_xxs"], num_classes=3), Recipe(), 5, ALONE)

    first, second = learner(), learner()
    first.step(*batch(), 4)
    earlier = first.state()
    earlier["optimiser"] = earlier.pop("optimizer")
    second.load_state(earlier)
    assert differences(second.state(), first.state()) == []


def test_gradients_are_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    real = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW, *args: object, **kwargs: object) -> object:
        parameters = [p.grad for group in self.param_groups for p in group["params"]]
        seen.append(float(torch.linalg.vector_norm(torch.stack([g.norm() for g in parameters]))))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    recipe = Recipe(gradient_norm=0.01)
    learner = Learner(create_model(SPECS["mobilevit_xxs"], num_classes=3), recipe, 5, ALONE)
    learner.step(*batch(), 4)
    assert seen == [pytest.approx(0.01, rel=1e-3)]


def test_a_frozen_backbone_stays_bit_for_bit() -> None:
    network = create_model("mobilevitv2_050", num_classes=3)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    learner = Learner(network, Recipe(freeze_backbone=True), 5, ALONE)
    for _ in range(3):
        learner.step(*batch(), 4)
    changed = {
        k for k, tensor in network.state_dict().items() if not torch.equal(tensor, before[k])
    }
    assert changed == {"head.weight", "head.bias"}


def test_only_hardware_that_gains_from_it_computes_in_half_precision() -> None:
    assert half_precision(CPU) is None


def test_evaluation_counts_by_hand() -> None:
    class Fixed(nn.Module):
        """Logits by image: what each image's first pixel says, then the class after it."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = x[:, 0, 0, 0].long()
            logits = -torch.arange(7.0).roll(1).repeat(len(x), 1)
            logits[torch.arange(len(x)), first] = 5.0
            return logits

    predicted = torch.tensor([0, 1, 2, 2, 6, 6])
    actual = torch.tensor([0, 1, 1, 2, 6, 5])
    images = torch.zeros(6, 3, 2, 2)
    images[:, 0, 0, 0] = predicted.float()
    seen: list[int] = []
    parts = [(images[:4], actual[:4]), (images[4:], actual[4:])]
    result = evaluate(Fixed(), parts, 7, CPU, seen.append)
    assert seen == [4, 6]
    assert result.top1 == pytest.approx(4 / 6)
    # Class 5's logit is the sixth best: outside the first five.
    assert result.top5 == pytest.approx(5 / 6)
    logits = Fixed()(images)
    assert result.loss == pytest.approx(nn.functional.cross_entropy(logits, actual).item())
    assert result.confusion.sum() == 6
    assert result.confusion[1, 2] == 1
    assert result.confusion[5, 6] == 1
    assert result.confusion.trace() == 4


def test_top5_needs_more_than_five_classes() -> None:
    class Zeros(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(x), 5)

    result = evaluate(Zeros(), [batch()], 5, CPU, lambda done: None)
    assert result.top5 is None
