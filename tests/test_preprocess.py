"""Image to tensor: bit for bit against Pillow and numpy by hand, and images of every kind."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mobilevit_edge.errors import ImageError, UsageError
from mobilevit_edge.preprocess import (
    Preprocessing,
    load_image,
    parse_image_size,
    preprocess_image,
    resize_and_crop,
    scale_pixels,
)

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def recipe(**changes: object) -> Preprocessing:
    settings: dict[str, object] = {
        "channel_order": "RGB",
        "resize": "crop",
        "interpolation": "bilinear",
        "crop_fraction": 256 / 288,
        "image_size": (256, 256),
        "provenance": "test",
    }
    return Preprocessing(**(settings | changes))  # type: ignore[arg-type]


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise over a gradient: every row, column and channel differs."""
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3))
    y, x = np.mgrid[0:height, 0:width]
    ramp = np.stack((190 * x // width, 190 * y // height, 190 - 190 * x // width), axis=-1)
    return Image.fromarray((noise + ramp).astype(np.uint8))


def in_two_passes(
    image: Image.Image, size: tuple[int, int], filter_: Image.Resampling
) -> Image.Image:
    """Columns, then rows."""
    return image.resize((size[0], image.height), filter_).resize(size, filter_)


# Width, height of the image; size asked for (height, width); the scaled size (width, height) by
# hand: the shorter side meets 1.125 times the size, the longer is rounded down.
CROPS = [
    ((300, 200), (64, 64), (108, 72)),
    ((200, 300), (64, 64), (72, 108)),
    ((333, 127), (64, 64), (188, 72)),
    ((127, 333), (64, 64), (72, 188)),
    ((50, 50), (64, 64), (72, 72)),
    ((300, 200), (32, 96), (108, 72)),
    ((300, 100), (64, 96), (216, 72)),
    ((72, 72), (64, 64), (72, 72)),
]


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("given_size", "size", "scaled"), CROPS)
def test_scaling_and_cropping_equal_pillow_by_hand(
    given_size: tuple[int, int],
    size: tuple[int, int],
    scaled: tuple[int, int],
    interpolation: str,
    order: str,
) -> None:
    image = photo(*given_size)
    rules = recipe(interpolation=interpolation, channel_order=order)
    pixels = np.asarray(in_two_passes(image, scaled, FILTERS[interpolation]))
    top, left = (scaled[1] - size[0]) // 2, (scaled[0] - size[1]) // 2
    pixels = pixels[top : top + size[0], left : left + size[1]]
    channels = [0, 1, 2] if order == "RGB" else [2, 1, 0]
    expected = np.stack([pixels[:, :, c] for c in channels]).astype(np.float32) / np.float32(255)
    found = preprocess_image(image, rules, size)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("given_size", [(300, 200), (31, 77), (48, 64)])
def test_stretching_equals_pillow_by_hand(
    given_size: tuple[int, int], interpolation: str, order: str
) -> None:
    image = photo(*given_size)
    rules = recipe(resize="stretch", interpolation=interpolation, channel_order=order)
    filter_ = FILTERS[interpolation]
    passes = in_two_passes(image, (48, 64), filter_)
    pixels = np.asarray(passes)[:, :, :: 1 if order == "RGB" else -1]
    expected = np.moveaxis(pixels.astype(np.float32) / np.float32(255), 2, 0)
    assert np.array_equal(preprocess_image(image, rules, (64, 48)), expected)
    # In one call Pillow chooses the order of the passes; each rounds to bytes, and the second may
    # filter what the first rounded.
    together = np.asarray(image.resize((48, 64), filter_)).astype(int)
    assert np.abs(np.asarray(passes).astype(int) - together).max() <= 2


def test_bytes_become_the_nearest_fp32_of_their_255th() -> None:
    every_byte = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    scaled = scale_pixels(every_byte, "RGB")
    exact = np.array([byte / 255 for byte in range(256)]).astype(np.float32).reshape(16, 16)
    assert np.array_equal(scaled, np.stack([exact] * 3))


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    size=st.tuples(st.integers(32, 80), st.integers(32, 80)),
    fraction=st.sampled_from([256 / 288, 0.875, 0.888, 0.9, 1.0]),
    rule=st.sampled_from(["crop", "stretch"]),
)
def test_any_image_comes_out_at_exactly_the_size(
    width: int, height: int, size: tuple[int, int], fraction: float, rule: str
) -> None:
    rules = recipe(crop_fraction=fraction, resize=rule)
    image = Image.new("RGB", (width, height), (10, 20, 30))
    result = resize_and_crop(image, rules, size)
    assert (result.height, result.width) == size
    # A plain image stays plain: nothing outside it (black) is ever cropped in.
    assert result.getextrema() == ((10, 10), (20, 20), (30, 30))


@pytest.mark.parametrize(
    ("fraction", "size", "cover"),
    [(256 / 288, 256, 288), (224 / 256, 224, 256), (0.9, 256, 284), (0.888, 256, 288), (1.0, 9, 9)],
)
def test_what_the_scaled_image_must_cover(fraction: float, size: int, cover: int) -> None:
    assert recipe(crop_fraction=fraction).cover((size, size)) == (cover, cover)


@pytest.mark.parametrize("given_size", [(1, 5000), (5000, 1), (1, 20_000), (20_000, 3)])
def test_extreme_strips_give_their_center_without_a_giant_image(
    given_size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = photo(*given_size)
    largest = 0
    resize = Image.Image.resize

    def watched(self: Image.Image, size: tuple[int, int], *args: Any, **kwargs: Any) -> Image.Image:
        nonlocal largest
        largest = max(largest, *size)
        return resize(self, size, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "resize", watched)
    pixels = np.asarray(resize_and_crop(image, recipe(), (64, 64))).astype(int)
    assert pixels.shape == (64, 64, 3)
    assert largest <= 64 * 64
    x, y = given_size[0] // 2, given_size[1] // 2
    middle = np.asarray(image)[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].astype(int)
    assert (pixels.max((0, 1)) <= middle.max((0, 1)) + 1).all()
    assert (pixels.min((0, 1)) >= middle.min((0, 1)) - 1).all()


def test_a_single_pixel_fills_the_input() -> None:
    image = Image.new("RGB", (1, 1), (255, 0, 51))
    found = preprocess_image(image, recipe(channel_order="BGR"), (32, 32))
    assert found[:, 0, 0] == pytest.approx([0.2, 0.0, 1.0])
    assert np.ptp(found, axis=(1, 2)).max() == 0


@pytest.mark.parametrize(
    ("text", "size"),
    [("256", (256, 256)), ("192x320", (192, 320)), ("32X2048", (32, 2048)), ("0256", (256, 256))],
)
def test_image_sizes_are_height_by_width(text: str, size: tuple[int, int]) -> None:
    assert parse_image_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "256x",
        "x256",
        "1x2x3",
        "25.6",
        "-256",
        "+256",
        " 256",
        "two",
        "2²",
        "٢٥٦",
        "1e3",
        "9" * 5000,
    ],
)
def test_sizes_that_are_no_whole_numbers_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"not a whole number or HxW"):
        parse_image_size(text)


@pytest.mark.parametrize("text", ["31", "2049", "0", "256x31", "2049x256", "999999"])
def test_sizes_out_of_range_are_refused_with_the_range(text: str) -> None:
    with pytest.raises(UsageError, match=r"32.*2048"):
        parse_image_size(text)


# What each EXIF orientation asks the reader to do (Exif 2.3, tag 0x0112).
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda p: np.rot90(p),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_photos_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    image, path = photo(6, 4), tmp_path / "photo.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    expected = UPRIGHT[orientation](np.asarray(image))
    assert np.array_equal(np.asarray(load_image(path)), expected)


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(0)
    return image


def palette(**options: object) -> tuple[Image.Image, dict[str, object]]:
    return photo(8, 6).quantize(16), options


def rgb(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))


GRAY = photo(8, 6).convert("L")
WIDE = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1365
KINDS: dict[str, tuple[Image.Image, str, dict[str, Any], np.ndarray]] = {
    "gray": (GRAY, "png", {}, np.stack([np.asarray(GRAY)] * 3, axis=-1)),
    "gray+alpha": (with_alpha(GRAY), "png", {}, np.stack([np.asarray(GRAY)] * 3, axis=-1)),
    "rgba": (with_alpha(photo(8, 6)), "png", {}, np.asarray(photo(8, 6))),
    "palette": (*palette()[:1], "png", {}, rgb(palette()[0])),
    "palette+alpha": (*palette()[:1], "png", {"transparency": bytes(16)}, rgb(palette()[0])),
    "gif+alpha": (*palette()[:1], "gif", {"transparency": 0}, rgb(palette()[0])),
    "bilevel": (GRAY.convert("1"), "png", {}, rgb(GRAY.convert("1"))),
    "cmyk": (photo(8, 6).convert("CMYK"), "tiff", {}, rgb(photo(8, 6).convert("CMYK"))),
    "gray16": (
        Image.fromarray(WIDE),
        "png",
        {},
        np.stack([(WIDE // 256).astype(np.uint8)] * 3, -1),
    ),
    "gray16-tiff": (
        Image.fromarray(WIDE),
        "tiff",
        {},
        np.stack([(WIDE // 256).astype(np.uint8)] * 3, -1),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_every_mode_become_rgb_without_their_alpha(tmp_path: Path, kind: str) -> None:
    image, suffix, options, expected = KINDS[kind]
    path = tmp_path / f"image.{suffix}"
    image.save(path, **options)
    loaded = load_image(path)
    assert loaded.mode == "RGB"
    assert np.array_equal(np.asarray(loaded), expected)


def test_the_first_frame_of_an_animation_counts(tmp_path: Path) -> None:
    path = tmp_path / "animation.gif"
    red, blue = (Image.new("RGB", (4, 4), color) for color in ("red", "blue"))
    red.save(path, save_all=True, append_images=[blue])
    assert load_image(path).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_32_bit_pixels_have_no_brightness_and_are_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "depth.tiff"
    Image.new(mode, (4, 4)).save(path)
    with pytest.raises(ImageError, match=f"mode {mode}"):
        load_image(path)


def png_header(width: int, height: int) -> bytes:
    """A valid PNG start that claims a size, with no pixels behind it."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + struct.pack(">I", 10)
        + b"IDAT"
        + bytes(14)
    )


@pytest.mark.parametrize("size", [(20_000, 20_000), (2**31 - 1, 2**31 - 1), (128_000_001, 1)])
def test_a_giant_image_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "giant.png"
    path.write_bytes(png_header(*size))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match=r"giant\.png.* pixels"):
        load_image(path)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 100 * 1024, "1.2 GB would be needed to decode it"


def test_a_photo_larger_than_pillows_own_warning_limit_loads_quietly(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 10_000)).save(path)
    assert load_image(path).size == (10_000, 10_000)
    assert not recwarn.list


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_a_truncated_photo_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "photo.jpg"
    photo(200, 150).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ImageError, match=r"photo\.jpg"):
        load_image(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an image"),
        (b"not an image", "not an image"),
        (b"%PDF-1.7\n", "not an image"),
        (None, "No such file"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "file.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=f"{message}|{path.name}.*{message}"):
        load_image(path)


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a folder"):
        load_image(tmp_path)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "DDS"])
def test_damaged_images_are_read_or_refused_and_nothing_else(tmp_path: Path, format_: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    options = {"exif": exif} if format_ in ("JPEG", "PNG", "WEBP", "AVIF") else {}
    buffer = io.BytesIO()
    photo(20, 16).save(buffer, format_, **options)
    content = buffer.getvalue()
    path = tmp_path / "image"
    unexpected: set[str] = set()
    for position in range(min(len(content), 320)):
        for value in (0, 255):
            damaged = bytearray(content)
            damaged[position] = value
            path.write_bytes(damaged)
            try:
                load_image(path)
            except ImageError:
                pass
            except Exception as error:
                unexpected.add(repr(error))
    assert unexpected == set()


def test_exif_that_cannot_be_written_back_does_not_end_in_a_traceback(tmp_path: Path) -> None:
    # Pillow rewrites the EXIF of a turned image, and fails on a tag whose value has another type.
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0100] = 5
    path = tmp_path / "photo.jpg"
    photo(8, 6).save(path, exif=exif)
    content = bytearray(path.read_bytes())
    entry = content.index(b"\x01\x00\x00\x04" if b"MM" in content[:40] else b"\x00\x01\x04\x00")
    content[entry + 3 if b"MM" in content[:40] else entry + 2] = 2
    path.write_bytes(content)
    with contextlib.suppress(ImageError):
        assert load_image(path).mode == "RGB"
