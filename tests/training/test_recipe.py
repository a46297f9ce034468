from __future__ import annotations

import json

import pytest

from mobilevit_edge.errors import UsageError
from mobilevit_edge.training.recipe import Recipe, scales_for


@pytest.mark.parametrize(
    ("image_size", "scales"),
    [
        (256, (160, 192, 256, 288, 320)),
        (64, (32, 64, 96)),
        (384, (256, 288, 384, 448, 480)),
        (32, (32,)),
    ],
)
def test_scales_follow_the_paper_in_proportion(image_size: int, scales: tuple[int, ...]) -> None:
    assert scales_for(image_size) == scales


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(scales=(64, 96), seed=7, crop_scale=(0.5, 0.9), sampling="switching")
    assert Recipe.from_json(json.loads(json.dumps(recipe.as_json()))) == recipe


def test_a_recipe_of_another_version_is_refused() -> None:
    values = Recipe().as_json()
    del values["seed"]
    with pytest.raises(UsageError, match=r"\(seed\).*the version that started it"):
        Recipe.from_json(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "--epochs 0 is out of range"),
        ({"batch_size": 1}, "--batch-size 1"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
        ({"seed": -1}, "--seed -1"),
        ({"scales": (64, 64)}, "smallest first"),
        ({"scales": ()}, "give each size once"),
        ({"scales": (16, 64)}, "image size 16"),
        ({"image_size": 4096}, "image size 4096"),
        ({"crop_scale": (0.9, 0.5)}, "--crop-scale"),
        ({"cutmix": -1.0}, "--cutmix -1.0"),
        ({"validation_share": 1.0}, "--validation-share"),
    ],
)
def test_values_out_of_range_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Recipe(**change)  # type: ignore[arg-type]


def test_fixed_sampling_trains_at_the_size_it_evaluates() -> None:
    assert Recipe(image_size=224, sampling="fixed").training_sizes == (224,)
    assert Recipe(scales=(160, 320)).training_sizes == (160, 320)
