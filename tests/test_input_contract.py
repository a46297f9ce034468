"""One description of the input, from checkpoint to manifest and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobilevit_edge.input_contract import InputContract, contract_of, network_input
from mobilevit_edge.normalization import PRESETS, Normalization
from mobilevit_edge.preprocess import Preprocessing, preprocess_image, resize_and_crop

PHOTO = Image.fromarray(
    np.random.default_rng(5).integers(0, 256, (47, 61, 3), dtype=np.uint8)
).resize((150, 110), Image.Resampling.BICUBIC)

preprocessings = st.builds(
    Preprocessing,
    channel_order=st.sampled_from(["RGB", "BGR"]),
    resize=st.sampled_from(["crop", "stretch"]),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    crop_fraction=st.sampled_from([0.875, 0.888, 0.9, 0.95, 1.0]),
    image_size=st.just((256, 256)),
    provenance=st.just("test"),
    normalization=st.sampled_from([*PRESETS.values(), PRESETS["imagenet"].reversed()]),
)
sizes = st.tuples(st.integers(32, 90), st.integers(32, 90))


@settings(deadline=None, max_examples=60)
@given(preprocessings, sizes, st.booleans())
def test_the_manifest_prepares_an_image_as_the_source_does(
    preprocessing: Preprocessing, size: tuple[int, int], takes_pixels: bool
) -> None:
    network = network_input(preprocessing, size, batch=1)
    artifact = network.taking_pixels() if takes_pixels else network
    read = contract_of(artifact.info("image"), size)
    assert read == artifact
    pixels = read.resized(PHOTO)
    assert np.array_equal(pixels, np.asarray(resize_and_crop(PHOTO, preprocessing, size)))
    expected = pixels if takes_pixels else preprocess_image(PHOTO, preprocessing, size)
    assert np.array_equal(read.batch_of([pixels])[0], expected)
    assert read.batch_of([pixels]).shape == read.shape


def contract(**changes: object) -> InputContract:
    given_ = {
        "image_size": (2, 3),
        "batch": None,
        "dtype": "float32",
        "layout": "NCHW",
        "channel_order": "RGB",
        "scale": 1 / 255,
        "resize": "stretch",
        "interpolation": "bilinear",
        "cover": (2, 3),
        "provenance": "test",
    }
    return InputContract(**{**given_, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_mean_and_std_are_those_of_the_models_channels(order: str) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3), dtype=np.uint8)
    normalization = Normalization(mean, std)
    given_ = contract(channel_order=order, normalization=normalization)
    found = given_.batch_of([pixels, pixels])
    channels = pixels[..., ::-1] if order == "BGR" else pixels
    expected = (channels / 255 - np.array(mean)) / np.array(std)
    assert found.dtype == np.float32
    assert found.shape == (2, 3, 2, 3)
    np.testing.assert_allclose(found[1].transpose(1, 2, 0), expected, rtol=1e-5)


def test_a_fixed_batch_is_filled_with_one_image() -> None:
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert contract(batch=3).repeated(pixels).shape == (3, 3, 2, 3)
    assert contract().repeated(pixels).shape == (1, 3, 2, 3)
    taken = contract(batch=2).taking_pixels().repeated(pixels)
    assert np.array_equal(taken, np.stack([pixels, pixels]))


def test_a_file_is_read_and_resized(tmp_path: Path) -> None:
    PHOTO.save(tmp_path / "photo.png")
    read = contract(image_size=(40, 56), cover=(46, 64), resize="crop").load(tmp_path / "photo.png")
    assert read.shape == (40, 56, 3)
