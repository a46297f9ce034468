from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mobilevit_edge.training.mix import mix
from mobilevit_edge.training.recipe import Recipe

CLASSES = 5
alphas = st.sampled_from([0.2, 1.0, 3.0])
# torch imports what compares tensors at its first use.
unhurried = settings(deadline=None)


def batch(count: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Images that are all their own number, and their classes."""
    images = torch.arange(1.0, count + 1)[:, None, None, None].expand(-1, 3, height, width)
    return images.clone(), torch.arange(count) % CLASSES


def mixed(recipe: Recipe, seed: int, *size: int) -> tuple[Tensor, Tensor, Tensor]:
    images, targets = batch(*size)
    return (images, *mix(images, targets, CLASSES, recipe, np.random.default_rng(seed)))


def shares_of(count: int, share: float) -> Tensor:
    """What each image's classes should be, with ``share`` its own."""
    expected = torch.zeros(count, CLASSES)
    for image in range(count):
        expected[image, image % CLASSES] += share
        expected[image, (image - 1) % count % CLASSES] += 1 - share
    return expected


def test_without_alphas_nothing_changes() -> None:
    images, targets = batch(3, 4, 4)
    rng = np.random.default_rng(0)
    assert mix(images, targets, CLASSES, Recipe(), rng) == (images, targets)
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


@unhurried
@given(alphas, st.integers(0, 99), st.integers(2, 7), st.integers(1, 9), st.integers(1, 9))
def test_mixup_blends_images_as_it_blends_classes(
    alpha: float, seed: int, count: int, height: int, width: int
) -> None:
    images, blended, shares = mixed(Recipe(mixup=alpha), seed, count, height, width)
    share = float(blended[1, 0, 0, 0] - images[0, 0, 0, 0])
    assert 0 <= share <= 1
    torch.testing.assert_close(blended, share * images + (1 - share) * images.roll(1, 0))
    torch.testing.assert_close(shares, shares_of(count, share))


@unhurried
@given(alphas, st.integers(0, 99), st.integers(2, 7), st.integers(1, 9), st.integers(1, 9))
def test_cutmix_counts_the_pixels_that_it_covers(
    alpha: float, seed: int, count: int, height: int, width: int
) -> None:
    images, cut, shares = mixed(Recipe(cutmix=alpha), seed, count, height, width)
    own = cut == images
    assert torch.equal(cut[~own], images.roll(1, 0)[~own])
    # The same box in every image: whole rows of whole columns.
    covered = ~own[0, 0]
    assert torch.equal(own, own[:1, :1].expand_as(own))
    assert torch.equal(covered, covered.any(1, keepdim=True) & covered.any(0, keepdim=True))
    torch.testing.assert_close(shares, shares_of(count, float(own[0, 0].float().mean())))


def test_with_both_every_batch_has_one_or_the_other() -> None:
    kinds = set()
    for seed in range(20):
        images, result, _ = mixed(Recipe(mixup=1.0, cutmix=1.0), seed, 4, 8, 8)
        own, other = result == images, result == images.roll(1, 0)
        kinds.add(bool((own | other).all()))
    assert kinds == {True, False}


def test_images_given_are_not_written_to() -> None:
    recipes: list[dict[str, Any]] = [{"mixup": 1.0}, {"cutmix": 1.0}]
    for recipe in recipes:
        images, _, _ = mixed(Recipe(**recipe), 1, 4, 8, 8)
        assert torch.equal(images, batch(4, 8, 8)[0])


@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_shares_follow_the_beta_distribution(alpha: float) -> None:
    rng, (images, targets) = np.random.default_rng(0), batch(2, 1, 1)
    shares = torch.stack(
        [mix(images, targets, CLASSES, Recipe(mixup=alpha), rng)[1][0, 0] for _ in range(2000)]
    )
    variance = 1 / (4 * (2 * alpha + 1))
    assert shares.mean().item() == pytest.approx(0.5, abs=5 * (variance / 2000) ** 0.5)
    assert shares.var().item() == pytest.approx(variance, rel=0.1)
