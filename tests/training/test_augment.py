from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mobilevit_edge.training.augment import _OPERATIONS, augment, crop_box, stream
from mobilevit_edge.training.recipe import Recipe


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.floats(0.01, 1.0),
    st.integers(0, 2**32 - 1),
)
def test_crops_lie_inside_the_image(size: tuple[int, int], low: float, seed: int) -> None:
    left, top, right, bottom = crop_box(size, (low, 1.0), (3 / 4, 4 / 3), stream(seed, 0, 0, 0))
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]


def test_crops_keep_to_area_and_aspect() -> None:
    for index in range(200):
        box = crop_box((400, 300), (0.3, 0.6), (3 / 4, 4 / 3), stream(0, 0, index, 0))
        width, height = box[2] - box[0], box[3] - box[1]
        assert 0.29 <= width * height / (400 * 300) <= 0.61
        assert 0.74 <= width / height <= 1.35


def test_a_strip_gets_its_largest_centered_crop() -> None:
    box = crop_box((1000, 30), (0.9, 1.0), (3 / 4, 4 / 3), stream(0, 0, 0, 0))
    assert box == (480, 0, 520, 30)


@pytest.mark.parametrize("side", [8, 200], ids=["enlarged", "reduced"])
def test_a_view_has_the_size_asked_for_and_depends_on_its_stream_alone(side: int) -> None:
    recipe = Recipe(magnitude=1.0)
    views = {
        key: np.asarray(augment(picture(side, side), (48, 64), recipe, stream(*key)))
        for key in ((0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
    }
    assert all(view.shape == (48, 64, 3) for view in views.values())
    first = views[0, 0, 0, 0]
    again = augment(picture(side, side), (48, 64), recipe, stream(0, 0, 0, 0))
    assert np.array_equal(np.asarray(again), first)
    assert not any(np.array_equal(view, first) for key, view in views.items() if any(key))


def test_without_augmentation_the_image_is_only_resized() -> None:
    recipe = Recipe(operations=0, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), flip=False)
    image = picture(40, 40)
    view = augment(image, (64, 64), recipe, stream(0, 0, 0, 0))
    assert view.tobytes() == image.resize((64, 64), Image.Resampling.BILINEAR).tobytes()


@pytest.mark.parametrize("side", [20, 300], ids=["enlarged", "reduced"])
def test_a_view_shows_its_crop(side: int) -> None:
    recipe = Recipe(operations=0, flip=False, crop_scale=(0.3, 0.4))
    image = picture(side, side)
    view = augment(image, (64, 64), recipe, stream(0, 0, 7, 0))
    box = crop_box(image.size, recipe.crop_scale, recipe.crop_ratio, stream(0, 0, 7, 0))
    assert box != (0, 0, side, side)
    # Pillow's box blends the crop's border with what lies around it.
    source = image.crop(box) if side < 64 else image
    expected = source.resize((64, 64), Image.Resampling.BILINEAR, box=None if side < 64 else box)
    assert view.tobytes() == expected.tobytes()


def test_half_of_the_images_are_mirrored() -> None:
    recipe = Recipe(operations=0, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0))
    image = picture(32, 32)
    mirrored = sum(
        augment(image, (32, 32), recipe, stream(0, 0, index, 0)).tobytes() != image.tobytes()
        for index in range(400)
    )
    assert 150 < mirrored < 250


@pytest.mark.parametrize("operation", _OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("strength", [-1.0, 0.0, 1.0])
def test_operations_keep_size_and_mode(operation: object, strength: float) -> None:
    image = picture(17, 23)
    result = operation(image, strength)  # type: ignore[operator]
    assert result.size == (17, 23)
    assert result.mode == "RGB"
    unconditional = ("_identity", "_equalize", "_autocontrast")
    name = operation.__name__  # type: ignore[attr-defined]
    if name not in unconditional:
        changed = result.tobytes() != image.tobytes()
        assert changed == (strength != 0), name
