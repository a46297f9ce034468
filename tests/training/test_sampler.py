from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevit_edge.training.recipe import SAMPLINGS
from mobilevit_edge.training.sampler import (
    MIN_RANK_BATCH,
    SWITCH_EVERY,
    Draw,
    RankSampler,
    Schedule,
    class_balanced,
    shuffled,
)

SIZES = ((160, 160), (192, 192), (256, 256), (288, 288), (320, 320))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    world_size = draw(st.integers(1, 4))
    smallest = MIN_RANK_BATCH * world_size
    sides = draw(st.sets(st.integers(32, 400), min_size=1, max_size=5))
    return Schedule(
        count=draw(st.integers(smallest, 600)),
        batch_size=draw(st.integers(smallest, 64)),
        sizes=tuple((side, side) for side in sorted(sides)),
        sampling=draw(st.sampled_from(SAMPLINGS)),
        seed=draw(st.integers(0, 2**32 - 1)),
        world_size=world_size,
    )


def parts(schedule: Schedule, epoch: int, first_step: int = 0) -> list[list[list[Draw]]]:
    """Every rank's batches."""
    order = shuffled(schedule.count, schedule.seed, epoch)
    return [
        list(
            RankSampler(
                schedule.steps(epoch),
                order,
                rank=rank,
                world_size=schedule.world_size,
                first_step=first_step,
            )
        )
        for rank in range(schedule.world_size)
    ]


@given(schedules(), st.integers(0, 1000))
def test_an_epoch_shows_every_image_once_whatever_the_number_of_ranks(
    schedule: Schedule, epoch: int
) -> None:
    seen = Counter(draw.image for batch in chain(*parts(schedule, epoch)) for draw in batch)
    assert seen == Counter(range(schedule.count))


@given(schedules(), st.integers(0, 1000))
def test_all_ranks_take_the_same_steps_at_the_same_resolution(
    schedule: Schedule, epoch: int
) -> None:
    steps = schedule.steps(epoch)
    for batches in parts(schedule, epoch):
        assert len(batches) == len(steps)
        for batch, step in zip(batches, steps, strict=True):
            assert {draw.size for draw in batch} == {step.size}
            assert len(batch) >= MIN_RANK_BATCH
            assert len(batch) - step.images // schedule.world_size in (0, 1)


@given(schedules(), st.integers(0, 1000))
def test_batches_vary_inversely_with_the_area(schedule: Schedule, epoch: int) -> None:
    height, width = schedule.sizes[-1]
    steps = schedule.steps(epoch)
    for step in steps[:-1]:
        expected = (
            int(height * width * schedule.batch_size / (step.size[0] * step.size[1]))
            if schedule.sampling == "multi-scale"
            else schedule.batch_size
        )
        assert step.images == expected
    # The last takes what is left, and a rest too small for a step of its own.
    assert steps[-1].images < schedule.batch_at(steps[-1].size) + 2 * schedule.world_size


@given(schedules(), st.integers(0, 1000), st.data())
def test_a_resumed_epoch_is_the_rest_of_the_whole_one(
    schedule: Schedule, epoch: int, data: st.DataObject
) -> None:
    done = data.draw(st.integers(0, len(schedule.steps(epoch))))
    whole, rest = parts(schedule, epoch), parts(schedule, epoch, first_step=done)
    assert rest == [batches[done:] for batches in whole]


def test_the_papers_resolutions_give_the_papers_batches() -> None:
    schedule = Schedule(10_000, 32, SIZES, "multi-scale", seed=0)
    assert [schedule.batch_at(size) for size in SIZES] == [128, 88, 50, 39, 32]
    drawn = {step.size for step in schedule.steps(0)}
    assert drawn == set(SIZES)


def test_seed_and_epoch_decide_order_and_resolutions() -> None:
    def plan(seed: int, epoch: int) -> tuple[object, ...]:
        schedule = Schedule(500, 8, SIZES, "multi-scale", seed)
        return schedule.steps(epoch), shuffled(500, seed, epoch)[0].tolist()

    assert plan(1, 2) == plan(1, 2)
    for other in (plan(2, 2), plan(1, 3)):
        assert other[0] != plan(1, 2)[0]
        assert other[1] != plan(1, 2)[1]


def test_switching_keeps_a_resolution_for_ten_steps_and_the_batch_for_all() -> None:
    steps = Schedule(1000, 8, SIZES, "switching", seed=3).steps(0)
    for start in range(0, len(steps), SWITCH_EVERY):
        assert len({step.size for step in steps[start : start + SWITCH_EVERY]}) == 1
    assert len({step.size for step in steps}) > 1
    assert {step.images for step in steps} == {8}


def test_a_rest_too_small_for_every_rank_joins_the_step_before() -> None:
    images = [s.images for s in Schedule(19, 8, SIZES[:1], "fixed", seed=0, world_size=2).steps(0)]
    assert images == [8, 11]
    images = [s.images for s in Schedule(20, 8, SIZES[:1], "fixed", seed=0, world_size=2).steps(0)]
    assert images == [8, 8, 4]


@pytest.mark.parametrize(("count", "batch_size"), [(3, 8), (8, 3)])
def test_too_little_for_every_rank_is_refused(count: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match="too few for 2 ranks"):
        Schedule(count, batch_size, SIZES, "fixed", seed=0, world_size=2)


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=120),
    st.integers(0, 2**32 - 1),
    st.integers(0, 100),
)
def test_class_balanced_epochs_draw_every_class_equally_often(
    classes: list[int], seed: int, epoch: int
) -> None:
    targets = np.array(classes)
    indices, repeats = class_balanced(targets, seed, epoch)
    assert len(indices) == len(repeats) == len(targets)
    by_class = Counter(targets[indices].tolist())
    assert by_class.keys() == set(classes)
    assert max(by_class.values()) - min(by_class.values()) <= 1
    # Image and repeat together are unique, so that no two draws look alike.
    draws = Counter(zip(indices.tolist(), repeats.tolist(), strict=True))
    assert max(draws.values()) == 1
    again = class_balanced(targets, seed, epoch)
    assert np.array_equal(again[0], indices)


def test_class_balanced_epochs_use_every_image_of_a_small_class_before_repeating_one() -> None:
    targets = np.array([0] * 90 + [1] * 10)
    indices, repeats = class_balanced(targets, 0, 0)
    small = Counter(indices[targets[indices] == 1].tolist())
    assert set(small) == set(range(90, 100))
    assert set(small.values()) == {5}
    assert repeats.max() == 4
    assert max(Counter(indices[targets[indices] == 0].tolist()).values()) == 1
