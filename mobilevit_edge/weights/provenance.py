"""What belongs to a checkpoint besides its weights: preprocessing and labels.

Weights say nothing about the channel order they were trained with. A Hugging Face folder contains
its processor's settings, and ``mobilevit-train`` writes its own into config.json; elsewhere the
naming scheme shows which code made the file, and the evaluation settings of that code apply.
``docs/explanation/preprocessing.md`` holds the evidence for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast, get_args

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.head_specs import SSDLiteSpec
from mobilevit_edge.normalization import NOT_NORMALIZED, Normalization, fitted, for_channels
from mobilevit_edge.preprocess import (
    CHANNELS,
    MAX_COVER,
    MAX_IMAGE_SIZE,
    ChannelOrder,
    Interpolation,
    Preprocessing,
    ResizeRule,
)
from mobilevit_edge.specs import MIN_IMAGE_SIZE, ModelSpec
from mobilevit_edge.weights.checkpoint import Checkpoint
from mobilevit_edge.weights.head_naming import has_v01_names
from mobilevit_edge.weights.naming import Naming

RANDOM_WEIGHTS: Final = Preprocessing(
    "RGB", "crop", "bilinear", 256 / 288, (256, 256), "random weights: nothing was trained"
)

_CVNETS_BGR: Final = Preprocessing(
    "BGR",
    "crop",
    "bilinear",
    256 / 288,
    (256, 256),
    "CVNets v0.1: images read with OpenCV (BGR), resized to 288, cropped to 256",
)
_CVNETS_RGB: Final = Preprocessing(
    "RGB",
    "crop",
    "bicubic",
    256 / 288,
    (256, 256),
    "CVNets v0.2: images read with Pillow (RGB), resized to 288, cropped to 256",
)
_TIMM: Final = Preprocessing(
    "RGB", "crop", "bicubic", 0.9, (256, 256), "timm: RGB, bicubic, crop fraction 0.9"
)
_TIMM_V2: Final = replace(
    _TIMM, crop_fraction=0.888, provenance="timm: RGB, bicubic, crop fraction 0.888"
)
_TRANSFORMERS_V1: Final = replace(
    _CVNETS_BGR, provenance="inferred (no preprocessor_config.json): CVNets v0.1's weights, BGR"
)
_TRANSFORMERS_V2: Final = replace(
    _CVNETS_RGB,
    provenance="inferred (no preprocessor_config.json): CVNets v0.2's weights, RGB; a model "
    "fine-tuned with transformers' processor needs channel order BGR",
)
_OPENMMLAB: Final = replace(
    _CVNETS_BGR,
    provenance="mmpretrain: images read with OpenCV (BGR), resized to 288, cropped to 256",
)
_FLIPPED_V2_NOTE: Final = (
    "; it flips to BGR, while the original V2 weights were trained on RGB: right for a model "
    "fine-tuned with this processor, probably wrong for Apple's own"
)

OWN_SETTINGS: Final = "preprocessing"
"""The key of config.json under which ``mobilevit-train`` writes :class:`Preprocessing`'s fields."""

_ORDERS: Final[Mapping[int, ChannelOrder]] = {1: "GRAY", 4: "RGBA"}
"""Of networks that take other images than colors, by the number of their channels."""
_RESCALE_TOLERANCE: Final = 1e-4
_PILLOW_FILTERS: Final[Mapping[int, Interpolation]] = {2: "bilinear", 3: "bicubic"}


MASKS_SIZE: Final = (512, 512)
BOXES_SIZE: Final = (320, 320)
_TRANSFORMERS_MASKS: Final = 512 / 544


def head_preprocessing(checkpoint: Checkpoint, spec: ModelSpec) -> Preprocessing:
    """What the code behind a checkpoint with a head for masks or boxes does to images.

    CVNets v0.1, which V1 and MobileViTv3's XXS, XS and S come from, reads BGR; v0.2, which trained
    all others and V1 at output stride 8 as well, RGB. Both stretch images in training, v0.2 keeps
    their proportions when it segments single ones, which an input of a fixed size cannot.
    """
    boxes = isinstance(spec.head, SSDLiteSpec)
    on_tokens = spec.layout == "tokens"
    if checkpoint.naming == "transformers":
        base = _TRANSFORMERS_V1 if on_tokens else _TRANSFORMERS_V2
        return replace(base, crop_fraction=_TRANSFORMERS_MASKS, image_size=MASKS_SIZE)
    old = on_tokens and (boxes or has_v01_names(checkpoint.tensors))
    base = _CVNETS_BGR if old else _CVNETS_RGB
    size = BOXES_SIZE if boxes else MASKS_SIZE
    said = (
        f"{'inferred: ' if spec.generation == 3 or on_tokens > old else ''}"
        f"CVNets {'v0.1' if old else 'v0.2'}: images read with "
        f"{'OpenCV (BGR)' if old else 'Pillow (RGB)'}, stretched to {size[0]}x{size[1]}"
    )
    return replace(
        base, resize="stretch", interpolation="bilinear", image_size=size, provenance=said
    )


def default_preprocessing(naming: Naming, spec: ModelSpec) -> Preprocessing:
    """What the code behind a naming scheme does to images for models of this family."""
    on_maps = spec.layout == "maps"
    match naming:
        case "cvnets":
            base = _CVNETS_RGB if on_maps else _CVNETS_BGR
            if spec.generation == 3:
                version = "v0.2" if on_maps else "v0.1"
                note = f"inferred: MobileViTv3's code for this model is built on CVNets {version}"
                return replace(base, provenance=note)
            return base
        case "timm":
            return _TIMM_V2 if on_maps else _TIMM
        case "transformers":
            return _TRANSFORMERS_V2 if on_maps else _TRANSFORMERS_V1
        case "openmmlab":
            return _OPENMMLAB


def preprocessing_of(checkpoint: Checkpoint, spec: ModelSpec) -> Preprocessing:
    """The preprocessing in the config of ``checkpoint``, or else that of its source.

    Channels are those that the network of ``spec`` takes.

    Raises:
        CheckpointError: its config asks for something that this package does not do, such as
            padding images.
    """
    try:
        found = _for_channels(_configured(checkpoint, spec), spec.in_channels)
        _refuse_extremes(found, spec.in_channels)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise CheckpointError(
            f"{checkpoint.origin}: its preprocessing config cannot be understood "
            f"({error!r:.300}); correct it, or pass the weights file itself"
        ) from error
    return found


def _refuse_extremes(found: Preprocessing, channels: int) -> None:
    """Refuse what no bundle of a network of ``channels`` channels can say.

    Raises:
        ValueError: its image size, what the scaled image covers, or its channels.
    """
    if any(
        type(side) is not int or not MIN_IMAGE_SIZE <= side <= MAX_IMAGE_SIZE
        for side in found.image_size
    ):
        raise ValueError(
            f"image size {found.image_size}: sides are whole numbers from {MIN_IMAGE_SIZE} to "
            f"{MAX_IMAGE_SIZE}"
        )
    if not 1 / MAX_COVER <= found.crop_fraction <= 1:
        raise ValueError(
            f"crop fraction {found.crop_fraction} is not between {1 / MAX_COVER} and 1"
        )
    if CHANNELS[found.channel_order] != channels:
        raise ValueError(f"channel order {found.channel_order} for images of {channels} channels")


def _for_channels(found: Preprocessing, channels: int) -> Preprocessing:
    """``found``, which may be meant for colors, for images of ``channels`` channels.

    Raises:
        ValueError: its normalization has another number of values.
    """
    return replace(
        found,
        channel_order=_ORDERS.get(channels, found.channel_order),
        normalization=fitted(found.normalization, channels),
    )


def _configured(checkpoint: Checkpoint, spec: ModelSpec) -> Preprocessing:
    if spec.head is None:
        default = default_preprocessing(checkpoint.naming, spec)
    else:
        default = head_preprocessing(checkpoint, spec)
    if checkpoint.config is not None and OWN_SETTINGS in checkpoint.config:
        return _from_own_config(checkpoint.config[OWN_SETTINGS])
    if checkpoint.naming == "transformers" and checkpoint.processor is not None:
        found = _from_processor(checkpoint.processor, default)
        if found.channel_order != default.channel_order == "RGB":
            return replace(found, provenance=found.provenance + _FLIPPED_V2_NOTE)
        return found
    if checkpoint.naming == "timm" and checkpoint.config is not None:
        return _from_timm_config(checkpoint.config, default)
    return default


def _from_own_config(settings: Any) -> Preprocessing:
    """The settings that ``mobilevit-train`` writes."""
    if not isinstance(settings, Mapping):
        raise TypeError(f"{OWN_SETTINGS} is {settings!r} instead of an object")
    for name, allowed in (
        ("channel_order", get_args(ChannelOrder)),
        ("resize", get_args(ResizeRule)),
        ("interpolation", get_args(Interpolation)),
    ):
        if settings[name] not in allowed:
            raise ValueError(f"{name} {settings[name]!r} is not one of {', '.join(allowed)}")
    height, width = settings["image_size"]
    return Preprocessing(
        channel_order=settings["channel_order"],
        resize=settings["resize"],
        interpolation=settings["interpolation"],
        crop_fraction=float(settings["crop_fraction"]),
        image_size=(height, width),
        provenance="config.json of the checkpoint, written by mobilevit-train",
        normalization=_own_normalization(settings),
    )


def _own_normalization(settings: Mapping[str, Any]) -> Normalization:
    if "normalization" not in settings:  # before it could be anything but none
        return NOT_NORMALIZED
    given = settings["normalization"]
    return _normalization(given["mean"], given["std"])


def _normalization(mean: Any, std: Any, *, scale: float = 1.0) -> Normalization:
    """A config's mean and deviation, of pixels that were divided by ``scale`` less than to 0..1."""
    values = [
        tuple(float(value) / scale for value in (given if isinstance(given, Sequence) else [given]))
        for given in (mean, std)
    ]
    most = max(map(len, values))
    # One number of the two counts for all channels of the other.
    return Normalization(*(for_channels(channels, most) for channels in values))


def labels_of(checkpoint: Checkpoint) -> tuple[str, ...] | None:
    """Class labels in the checkpoint's config or beside its weights, unless they are generated."""
    config = checkpoint.config or {}
    names = config.get("label_names")
    if isinstance(names, list):
        return tuple(str(name) for name in names)
    by_index = config.get("id2label")
    if not isinstance(by_index, Mapping):
        return checkpoint.labels
    try:
        labels = tuple(str(by_index[key]) for key in sorted(by_index, key=int))
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint.origin}: id2label in its config.json has keys that are not numbers"
        ) from error
    generated = tuple(f"LABEL_{index}" for index in range(len(labels)))
    return None if labels == generated else labels


def is_multilabel(checkpoint: Checkpoint) -> bool:
    """Whether its config says that each class was trained by itself, as transformers' can."""
    return (checkpoint.config or {}).get("problem_type") == "multi_label_classification"


def _from_processor(processor: Mapping[str, Any], default: Preprocessing) -> Preprocessing:
    """The settings in transformers' ``preprocessor_config.json``."""
    size = _side(processor["size"]) if "size" in processor else None
    crop = _side(processor["crop_size"]) if "crop_size" in processor else default.image_size[0]
    # Absent means true, as in transformers, which also ignores the older name do_flip_channels;
    # the processors of other models do not flip.
    kind = processor.get("image_processor_type") or processor.get("feature_extractor_type") or ""
    flips = processor.get("do_flip_channel_order", not kind or str(kind).startswith("MobileVi"))
    crops = processor.get("do_center_crop", True)
    resample = int(processor.get("resample", 2))
    if resample not in _PILLOW_FILTERS:
        raise ValueError(f"resample filter {resample} is neither bilinear (2) nor bicubic (3)")
    side = crop if crops else (size or crop)
    if size is not None and size < side:
        raise ValueError(f"it pads images of side {size} to {side} with black")
    # transformers stretches to a size of height and width; only a shortest edge keeps proportions.
    stretches = isinstance(processor.get("size"), Mapping) and "height" in processor["size"]
    if stretches and size != side:
        raise ValueError(f"it stretches images to {size} and then crops {side}")
    return Preprocessing(
        channel_order="BGR" if flips else "RGB",
        resize="stretch" if stretches else "crop",
        interpolation=_PILLOW_FILTERS[resample],
        crop_fraction=side / size if size else default.crop_fraction,
        image_size=(side, side),
        provenance="preprocessor_config.json of the checkpoint",
        normalization=_processor_normalization(processor, flips=flips),
    )


def _processor_normalization(processor: Mapping[str, Any], *, flips: bool) -> Normalization:
    """What it does to the values of pixels, in units of 0 to 1 and in the model's channel order."""
    factor = 1.0
    if processor.get("do_rescale", True):
        factor = float(processor.get("rescale_factor", 1 / 255))
    # A byte times the factor is the byte in 0..1 times this.
    scale = factor * 255
    if abs(scale - 1) <= _RESCALE_TOLERANCE:
        scale = 1.0
    mean, std = 0.0, 1.0
    if processor.get("do_normalize", False):
        mean, std = processor["image_mean"], processor["image_std"]
    # transformers normalizes red, green and blue, and flips afterwards.
    found = _normalization(mean, std, scale=scale)
    return found.reversed() if flips else found


def _side(value: object) -> int:
    """A side in pixels from an int, ``{"shortest_edge": n}`` or ``{"height": n, "width": n}``."""
    if isinstance(value, Mapping):
        sides = set(value.values())
        if len(sides) != 1:
            raise ValueError(f"sizes that are not square are not supported: {dict(value)}")
        value = sides.pop()
    side = int(cast(int, value))
    if side < 1:
        raise ValueError(f"size {side}")
    return side


def _from_timm_config(config: Mapping[str, Any], default: Preprocessing) -> Preprocessing:
    """Timm's ``config.json``: settings at the top level or under ``pretrained_cfg``."""
    settings = {**config, **config.get("pretrained_cfg", {})}
    interpolation = settings.get("interpolation", default.interpolation)
    if interpolation not in _PILLOW_FILTERS.values():
        raise ValueError(f"interpolation {interpolation!r} is neither bilinear nor bicubic")
    _, height, width = settings.get("input_size", (3, *default.image_size))
    return Preprocessing(
        channel_order="RGB",
        resize="stretch" if settings.get("crop_mode") == "squash" else "crop",
        interpolation=interpolation,
        crop_fraction=float(settings.get("crop_pct") or default.crop_fraction),
        image_size=(height, width),
        provenance="timm config.json of the checkpoint",
        normalization=_normalization(settings.get("mean", 0), settings.get("std", 1)),
    )
