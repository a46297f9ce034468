"""Classifying images with a bundle, following nothing but its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from converters.targets.base import Array, LoadedModel
from mobilevit_edge.errors import BundleError, ConversionError, VerificationError
from mobilevit_edge.formats.bundle import Bundle, InputInfo, golden_image
from mobilevit_edge.preprocess import Preprocessing, load_image, resize_and_crop, scale_pixels


@dataclass(frozen=True)
class ClassScore:
    """One class of an answer; ``value`` is the bundle's output, ``probability`` its softmax."""

    index: int
    label: str
    value: float
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The best classes for one image, best first."""

    image: str
    classes: tuple[ClassScore, ...]


def predict(
    bundle: Bundle, loaded: LoadedModel, images: Sequence[Path], *, top_k: int
) -> list[Prediction]:
    """Classify every image.

    Raises:
        ImageError: an image cannot be read.
    """
    return [
        Prediction(
            str(path), top_classes(bundle, run_image(bundle, loaded, load_image(path)), top_k)
        )
        for path in images
    ]


def run_image(bundle: Bundle, loaded: LoadedModel, image: Image.Image) -> Array:
    """The bundle's outputs for an RGB image of any size: ``[num_outputs]``."""
    info = bundle.manifest.input
    size = bundle.manifest.model.image_size
    resized = resize_and_crop(image, preprocessing_of(info, size), size)
    return run_pixels(bundle, loaded, np.asarray(resized))


def run_pixels(bundle: Bundle, loaded: LoadedModel, pixels: Array) -> Array:
    """The bundle's outputs for ``[H, W, 3]`` RGB bytes of its size: ``[num_outputs]``.

    Raises:
        BundleError: the model does not take what its manifest says.
    """
    try:
        outputs = loaded.run(input_array(bundle.manifest.input, pixels))
    except ConversionError as error:
        raise BundleError(f"{bundle.path}: its manifest does not fit its model: {error}") from error
    if outputs.shape[1:] != (bundle.manifest.model.outputs,):
        raise BundleError(f"{bundle.path}: the model gives {outputs.shape}, not what it says")
    return outputs[0]  # type: ignore[no-any-return]


def check_golden(bundle: Bundle, loaded: LoadedModel) -> None:
    """The bundle's self-test.

    Raises:
        VerificationError: this machine's runtime answers otherwise than the reference did.
    """
    golden = bundle.manifest.golden
    pixels = golden_image(golden, bundle.manifest.model.image_size)
    outputs = run_pixels(bundle, loaded, pixels)
    worst = max(abs(float(outputs[e.index]) - e.value) for e in golden.expected)
    if not worst <= golden.tolerance:
        raise VerificationError(
            f"{bundle.path}: its self-test differs by {worst:.2e} on this machine, allowed is "
            f"{golden.tolerance:.2e}: export the bundle again with the versions installed here"
        )


def input_array(info: InputInfo, pixels: Array) -> Array:
    """``[H, W, 3]`` RGB bytes as the bundle's input, repeated over its fixed batch."""
    one = pixels if info.dtype == "uint8" else scale_pixels(pixels, info.channel_order)
    return np.repeat(one[None], info.shape[0] or 1, axis=0)


def preprocessing_of(info: InputInfo, size: tuple[int, int]) -> Preprocessing:
    """The preprocessing that a manifest describes."""
    return Preprocessing(
        channel_order=info.channel_order,
        resize=info.resize.rule,
        interpolation=info.resize.interpolation,
        crop_fraction=size[0] / info.resize.cover[0],
        image_size=size,
        provenance=info.provenance,
    )


def top_classes(bundle: Bundle, outputs: Array, top_k: int) -> tuple[ClassScore, ...]:
    """The ``top_k`` best classes of ``[num_outputs]``."""
    values = outputs.astype(np.float64)
    if bundle.manifest.output.activation == "softmax":
        probabilities = values
    else:
        exponentials = np.exp(values - values.max())
        probabilities = exponentials / exponentials.sum()
    order = np.argsort(-values, kind="stable")[:top_k]
    return tuple(
        ClassScore(int(i), bundle.labels[i], float(values[i]), float(probabilities[i]))
        for i in order
    )
