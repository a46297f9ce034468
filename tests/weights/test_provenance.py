"""Preprocessing that belongs to a checkpoint: per source, per config, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.normalization import NOT_NORMALIZED, PRESETS
from mobilevit_edge.preprocess import Preprocessing
from mobilevit_edge.specs import SPECS
from mobilevit_edge.weights.checkpoint import Checkpoint
from mobilevit_edge.weights.naming import NAMINGS, Naming
from mobilevit_edge.weights.provenance import default_preprocessing, preprocessing_of

V1, V2 = SPECS["mobilevit_s"], SPECS["mobilevitv2_100"]
# Apple's own files on the hub say this.
APPLE = {
    "crop_size": {"height": 256, "width": 256},
    "do_center_crop": True,
    "do_flip_channel_order": True,
    "do_rescale": True,
    "do_resize": True,
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 288},
}


def of(
    naming: Naming,
    *,
    config: dict[str, Any] | None = None,
    processor: dict[str, Any] | None = None,
    model: str = "mobilevit_s",
) -> Preprocessing:
    checkpoint = Checkpoint("here", naming, {}, "", (), config=config, processor=processor)
    return preprocessing_of(checkpoint, SPECS[model])


@pytest.mark.parametrize(
    ("naming", "model", "order", "interpolation", "fraction"),
    [
        ("cvnets", "mobilevit_xxs", "BGR", "bilinear", 256 / 288),
        ("cvnets", "mobilevitv2_050", "RGB", "bicubic", 256 / 288),
        ("cvnets", "mobilevitv3_s_l2", "BGR", "bilinear", 256 / 288),
        ("cvnets", "mobilevitv3_075", "RGB", "bicubic", 256 / 288),
        ("timm", "mobilevit_xxs", "RGB", "bicubic", 0.9),
        ("timm", "mobilevitv2_200", "RGB", "bicubic", 0.888),
        ("transformers", "mobilevit_xs", "BGR", "bilinear", 256 / 288),
        ("transformers", "mobilevitv2_100", "RGB", "bicubic", 256 / 288),
        ("openmmlab", "mobilevit_xxs", "BGR", "bilinear", 256 / 288),
    ],
)
def test_without_a_config_the_sources_own_evaluation_applies(
    naming: Naming, model: str, order: str, interpolation: str, fraction: float
) -> None:
    found = of(naming, model=model)
    assert (found.channel_order, found.interpolation) == (order, interpolation)
    assert (found.resize, found.image_size) == ("crop", (256, 256))
    assert found.crop_fraction == pytest.approx(fraction)


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("name", list(SPECS))
def test_every_model_of_every_source_says_where_its_rules_come_from(
    name: str, naming: Naming
) -> None:
    found = default_preprocessing(naming, SPECS[name])
    inferred = naming == "transformers" or (naming == "cvnets" and SPECS[name].generation == 3)
    assert found.provenance.startswith("inferred") == inferred


def test_apples_processor_resizes_to_288_and_crops_256_in_bgr() -> None:
    found = of("transformers", processor=APPLE)
    assert found.channel_order == "BGR"
    assert found.cover((256, 256)) == (288, 288)
    assert (found.resize, found.interpolation, found.image_size) == ("crop", "bilinear", (256, 256))
    assert found.provenance == "preprocessor_config.json of the checkpoint"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"do_flip_channel_order": False}, {"channel_order": "RGB"}),
        ({"resample": 3}, {"interpolation": "bicubic"}),
        ({"size": 288, "crop_size": 256}, {"image_size": (256, 256), "crop_fraction": 256 / 288}),
        ({"size": {"shortest_edge": 256}}, {"crop_fraction": 1.0}),
        (
            {"size": {"shortest_edge": 320}, "crop_size": {"height": 288, "width": 288}},
            {"image_size": (288, 288), "crop_fraction": 0.9},
        ),
        ({"do_center_crop": False, "size": {"shortest_edge": 224}}, {"image_size": (224, 224)}),
        ({"do_normalize": True, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}, {}),
        ({"do_normalize": False, "image_mean": [0.5, 0.5, 0.5]}, {}),
    ],
)
def test_a_processors_settings_are_followed(
    changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = of("transformers", processor=APPLE | changes)
    assert {key: getattr(found, key) for key in expected} == expected


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET = {"do_normalize": True, "image_mean": list(MEAN), "image_std": list(STD)}


@pytest.mark.parametrize(
    ("changes", "mean", "std"),
    [
        ({}, (0, 0, 0), (1, 1, 1)),
        # Given without being asked for: transformers writes these into every config.
        (IMAGENET | {"do_normalize": None}, (0, 0, 0), (1, 1, 1)),
        (IMAGENET | {"do_flip_channel_order": False}, MEAN, STD),
        (IMAGENET, MEAN[::-1], STD[::-1]),
        ({"do_normalize": True, "image_mean": 0.5, "image_std": 0.25}, (0.5,) * 3, (0.25,) * 3),
        # Bytes as they are, and from 0 to 2.
        ({"do_rescale": False}, (0, 0, 0), (1 / 255,) * 3),
        ({"rescale_factor": 1 / 127.5}, (0, 0, 0), (0.5,) * 3),
        (
            {"do_rescale": False, "do_normalize": True, "image_mean": 127.5, "image_std": 127.5},
            (0.5,) * 3,
            (0.5,) * 3,
        ),
    ],
)
def test_what_a_processor_does_to_values_is_followed(
    changes: dict[str, Any], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    found = of("transformers", processor=APPLE | changes).normalization
    assert found.mean == pytest.approx(mean)
    assert found.std == pytest.approx(std)


def test_only_mobilevits_processors_flip_where_nothing_is_said() -> None:
    settings = {key: value for key, value in APPLE.items() if key != "do_flip_channel_order"}
    for kind, order in (("MobileViTImageProcessor", "BGR"), ("ViTImageProcessor", "RGB")):
        found = of("transformers", processor=settings | {"image_processor_type": kind})
        assert found.channel_order == order


def test_a_processor_with_height_and_width_stretches_as_transformers_does() -> None:
    # transformers' resize keeps proportions for shortest_edge only.
    size = {"height": 256, "width": 256}
    found = of("transformers", processor=APPLE | {"size": size})
    assert (found.resize, found.image_size) == ("stretch", (256, 256))


def test_a_flip_on_v2_weights_is_followed_but_called_doubtful() -> None:
    found = of("transformers", processor=APPLE, model="mobilevitv2_100")
    assert found.channel_order == "BGR"
    assert "probably wrong" in found.provenance


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"do_normalize": True, "image_std": [0.5, 0.5, 0.5]}, "image_mean"),
        ({"do_normalize": True, "image_mean": [0, 0], "image_std": 1}, "2 values"),
        ({"do_normalize": True, "image_mean": 0, "image_std": [0, 1, 1]}, "std 0.0"),
        ({"do_normalize": True, "image_mean": "x", "image_std": 1}, "could not convert"),
        ({"rescale_factor": 0}, "cannot be understood"),
        ({"rescale_factor": "much"}, "could not convert"),
        ({"resample": 0}, "resample filter 0"),
        ({"resample": "bilinear"}, "bilinear"),
        ({"size": {"height": 256, "width": 320}}, "not square"),
        ({"size": {}}, "not square"),
        ({"size": None}, "cannot be understood"),
        ({"crop_size": 0}, "size 0"),
        ({"crop_size": -256}, "size -256"),
        ({"size": {"shortest_edge": 224}}, "pads"),
        ({"size": {"shortest_edge": 256 * 5}}, r"crop fraction 0\.2 is not between 0\.25 and 1"),
        ({"size": 10**9, "crop_size": 10**9}, "image size .*whole numbers from 32 to 2048"),
        ({"image_processor_type": 7, "size": 10}, "pads"),
    ],
)
def test_what_a_processor_asks_and_this_package_does_not_do_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=f"here.*preprocessing config.*({message})"):
        of("transformers", processor=APPLE | changes)


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: {"pretrained_cfg": c}])
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"channel_order": "RGB", "interpolation": "bicubic", "crop_fraction": 0.9}),
        ({"crop_pct": 1.0}, {"crop_fraction": 1.0}),
        ({"crop_pct": 0.8, "interpolation": "bilinear"}, {"interpolation": "bilinear"}),
        ({"input_size": [3, 192, 320]}, {"image_size": (192, 320)}),
        ({"crop_mode": "squash"}, {"resize": "stretch"}),
        ({"mean": [0, 0, 0], "std": [1, 1, 1]}, {"normalization": NOT_NORMALIZED}),
        ({"mean": MEAN, "std": STD}, {"normalization": PRESETS["imagenet"]}),
        ({"mean": [0.5] * 3, "std": [0.5] * 3}, {"normalization": PRESETS["half"]}),
    ],
)
def test_timms_config_is_followed(
    config: dict[str, Any], expected: dict[str, Any], wrap: Any
) -> None:
    found = of("timm", config={"architecture": "mobilevit_s"} | wrap(config))
    assert {key: getattr(found, key) for key in expected} == expected
    assert found.provenance == "timm config.json of the checkpoint"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"mean": [0.485, 0.456]}, "2 values"),
        ({"std": [0, 0, 0]}, "std 0.0"),
        ({"interpolation": "lanczos"}, "'lanczos' is neither"),
        ({"crop_pct": 1.5}, r"crop fraction 1\.5"),
        ({"crop_pct": 1e-4}, r"crop fraction 0\.0001"),
        ({"input_size": [3, 10**9, 10**9]}, "whole numbers from 32 to 2048"),
        ({"interpolation": "x" * 10**6}, "cannot be understood"),
        ({"crop_pct": "big"}, "cannot be understood"),
        ({"input_size": [256, 256]}, "cannot be understood"),
        ({"input_size": [3, 0, 256]}, "cannot be understood"),
        ({"mean": None, "std": 3}, "cannot be understood"),
    ],
)
def test_what_timms_config_asks_and_this_package_does_not_do_is_refused(
    config: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=f"here.*{message}"):
        of("timm", config={"pretrained_cfg": config})


def test_a_processor_of_another_source_is_not_used() -> None:
    assert of("cvnets", processor=APPLE | {"resample": 0}) == default_preprocessing("cvnets", V1)
    assert of("transformers", config={"mean": [9]}, model=V2.name) == default_preprocessing(
        "transformers", V2
    )


OWN = {
    "channel_order": "RGB",
    "resize": "crop",
    "interpolation": "bilinear",
    "crop_fraction": 0.9,
    "image_size": [64, 64],
    "normalization": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_fraction": 1e-4}, r"crop fraction 0\.0001 is not between 0\.25 and 1"),
        ({"channel_order": "GRAY"}, "channel order GRAY for images of 3 channels"),
        ({"channel_order": "RGBA"}, "channel order RGBA for images of 3 channels"),
        ({"image_size": [64, 64.0]}, "whole numbers from 32 to 2048"),
    ],
)
def test_what_our_own_config_cannot_say_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=f"here.*{message}"):
        of("cvnets", config={"preprocessing": OWN | changes})
    assert of("cvnets", config={"preprocessing": OWN}).image_size == (64, 64)
