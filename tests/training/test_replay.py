from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilevit_edge.models.network import MobileViT, create_model
from mobilevit_edge.training.learner import Learner
from mobilevit_edge.training.ranks import Ranks
from mobilevit_edge.training.recipe import Recipe
from mobilevit_edge.training.replay import ReplayedNetwork


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes captured, by a stand-in that warms up as CUDA's own captures do."""
    shapes: list[tuple[int, ...]] = []

    def capture(module: nn.Module, samples: tuple[Tensor, ...], pool: Any) -> nn.Module:
        assert pool == "pool"
        shapes.append(tuple(samples[0].shape))
        for _ in range(3):
            module(*samples)
        return module

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", capture)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    return shapes


def network() -> MobileViT:
    torch.manual_seed(0)
    created = create_model("mobilevitv2_050", num_classes=3)
    return created.train()


def batches(*counts: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.rand(count, 3, 32, 32, generator=generator) for count in counts]


def test_a_shape_is_captured_once_when_it_comes_again(captures: list[tuple[int, ...]]) -> None:
    replayed = ReplayedNetwork(network())
    for images in batches(4, 4, 2, 4, 2, 3):
        replayed(images)
    assert captures == [(4, 3, 32, 32), (2, 3, 32, 32)]


@pytest.mark.usefixtures("captures")
def test_warming_up_leaves_no_trace_in_the_statistics() -> None:
    plain, wrapped = network(), network()
    replayed = ReplayedNetwork(wrapped)
    for images in batches(4, 4, 4):
        assert torch.equal(replayed(images), plain(images))
    expected = plain.state_dict()
    for name, tensor in wrapped.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="captures need a CUDA device")
def test_replayed_steps_are_the_steps_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    def losses(wrap: Callable[[Ranks, nn.Module], Any] | None) -> list[float]:
        if wrap is not None:
            monkeypatch.setattr(Ranks, "wrap", wrap)
        learner = Learner(network(), Recipe(epochs=1), 6, Ranks(0, 1, torch.device("cuda")))
        targets = torch.arange(4) % 3
        return [learner.step(images, targets, 4) for images in batches(4, 4, 4, 4, 4, 4)]

    assert losses(None) == losses(lambda ranks, network: network)
