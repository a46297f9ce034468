"""Answering images with a bundle, following nothing but its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from converters.checks.self_test import check_golden
from converters.dense_answers import DetectedBox, Mask, boxes_of, labels_in, mask_of
from converters.targets.bundles import load_bundle_model
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import BundleError, ConversionError, ImageError
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.input_contract import InputContract, Pixels, contract_of
from mobilevit_edge.preprocess import load_image


@dataclass(frozen=True)
class ClassScore:
    """One class of an answer.

    ``value`` is the bundle's output, ``probability`` what its task makes of it: the softmax of all
    outputs, or the sigmoid of this one.
    """

    index: int
    label: str
    value: float
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The best classes for one image, best first, or the features of a model without classes.

    With a head for masks ``mask``, whose classes are those of the most pixels, and how large a
    share of the pixels is their probability; with one for boxes ``detections``, the surest first.
    """

    image: str
    classes: tuple[ClassScore, ...]
    embedding: tuple[float, ...] = ()
    mask: Mask | None = None
    detections: tuple[DetectedBox, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """An image that cannot be read, and why."""

    image: str
    error: str


@dataclass(frozen=True)
class Answers:
    """What became of every image: answered, or not to be read; each in the given order."""

    predictions: tuple[Prediction, ...]
    unreadable: tuple[Unreadable, ...]

    def require_all(self) -> None:
        """Raises ImageError, with every reason, if an image cannot be read."""
        if self.unreadable:
            raise ImageError("\n".join(image.error for image in self.unreadable))


@dataclass(frozen=True)
class Photo:
    """An image at the model's size, and (height, width) that it came in."""

    pixels: Pixels
    size: tuple[int, int]


class Classifier:
    """A bundle that has passed its self-test and answers images.

    Raises:
        UsageError: it was lowered for a delegate that runs only on devices.
        MissingPackageError: its runtime is not installed.
        VerificationError: this machine's runtime does not answer as the reference did.
    """

    def __init__(self, bundle: Bundle, loaded: LoadedModel | None = None) -> None:
        self.bundle = bundle
        self.loaded = load_bundle_model(bundle) if loaded is None else loaded
        manifest = bundle.manifest
        self.input: InputContract = contract_of(manifest.input, manifest.model.image_size)
        check_golden(bundle, self.outputs)

    def classify(self, paths: Sequence[Path], top_k: int) -> Answers:
        """The ``top_k`` best classes of every image file that can be read, in their order."""
        predictions: list[Prediction] = []
        unreadable: list[Unreadable] = []
        readable: list[tuple[Path, Photo]] = []
        for number, path in enumerate(paths, 1):
            try:
                readable.append((path, self.load(path)))
            except ImageError as error:
                unreadable.append(Unreadable(str(path), str(error)))
            if len(readable) == (self.input.batch or 1) or (readable and number == len(paths)):
                outputs = self.outputs_of_all([photo.pixels for _, photo in readable])
                predictions += [
                    self.prediction(str(path), row, top_k, photo.size)
                    for (path, photo), row in zip(readable, outputs, strict=True)
                ]
                readable = []
        return Answers(tuple(predictions), tuple(unreadable))

    def load(self, path: Path) -> Photo:
        """An image file as the model takes it.

        Raises:
            ImageError: it cannot be read.
        """
        image = load_image(path, alpha=self.input.channel_order == "RGBA")
        return Photo(self.input.resized(image), (image.height, image.width))

    def prediction(
        self, image: str, outputs: Array, top_k: int, size: tuple[int, int]
    ) -> Prediction:
        """What one image's outputs say about it.

        Args:
            image: its name.
            outputs: ``[num_outputs]``, or a head's answer.
            top_k: how many classes are of interest.
            size: (height, width) of the photo.
        """
        match self.bundle.manifest.task:
            case "embedding":
                return Prediction(image, (), tuple(outputs.astype(float).tolist()))
            case "segmentation":
                mask = mask_of(self.bundle, self.input, outputs, size)
                return Prediction(image, self._shares(mask, top_k), mask=mask)
            case "detection":
                found = boxes_of(self.bundle, self.input, outputs, size)
                return Prediction(image, (), detections=found)
            case _:
                return Prediction(image, self.top_classes(outputs, top_k))

    def _shares(self, mask: Mask, top_k: int) -> tuple[ClassScore, ...]:
        """The classes of the most pixels, with the share of those that the network has seen."""
        labels = mask.labels
        seen = labels[labels >= 0]
        counts = np.bincount(seen, minlength=len(self.bundle.labels))
        order = np.argsort(-counts, kind="stable")[:top_k]
        shares = counts / max(seen.size, 1)
        return tuple(
            ClassScore(int(i), self.bundle.labels[i], float(shares[i]), float(shares[i]))
            for i in order
            if counts[i]
        )

    def outputs_of(self, image: Image.Image) -> Array:
        """The outputs for an RGB image of any size: ``[num_outputs]``."""
        return self.outputs(self.input.resized(image))

    def outputs(self, pixels: Pixels) -> Array:
        """The outputs for ``[H, W, 3]`` RGB bytes of the bundle's size: ``[num_outputs]``.

        Raises:
            BundleError: the model does not take, or give, what its manifest says.
        """
        return self.outputs_of_all([pixels])[0]  # type: ignore[no-any-return]

    def outputs_of_all(self, images: Sequence[Pixels]) -> Array:
        """The outputs for at most a batch of images as in :meth:`outputs`: ``[N, num_outputs]``.

        Raises:
            BundleError: the model does not take, or give, what its manifest says.
        """
        path, manifest = self.bundle.path, self.bundle.manifest
        missing = max((self.input.batch or 1) - len(images), 0)
        try:
            outputs = self.loaded.run(self.input.batch_of([*images, *([images[-1]] * missing)]))
        except ConversionError as error:
            raise BundleError(f"{path}: its manifest does not fit its model: {error}") from error
        wanted = manifest.output
        shape = (len(images) + missing, *wanted.shape[1:])
        # A stranger's model may even give a list of tensors.
        is_array = isinstance(outputs, np.ndarray)
        kind = np.dtype(wanted.dtype).kind
        if not (is_array and outputs.dtype.kind == kind and outputs.shape == shape):
            given = f"{outputs.dtype} {list(outputs.shape)}" if is_array else "no tensor"
            raise BundleError(
                f"{path}: the model gives {given}, its manifest says "
                f"{wanted.dtype} {list(shape)}: export it again"
            )
        labels = labels_in(manifest.head, outputs)
        if not ((labels >= 0) & (labels < len(self.bundle.labels))).all():
            raise BundleError(
                f"{path}: the model gives classes beyond its {len(self.bundle.labels)} labels: "
                f"export it again"
            )
        return outputs[: len(images)]

    def top_classes(self, outputs: Array, top_k: int) -> tuple[ClassScore, ...]:
        """The ``top_k`` best classes of ``[num_outputs]``."""
        values = outputs.astype(np.float64)
        manifest = self.bundle.manifest
        if manifest.output.activation != "none":
            probabilities = values
        elif manifest.task == "multilabel":
            probabilities = sigmoid(values)
        else:
            exponentials = np.exp(values - values.max())
            probabilities = exponentials / exponentials.sum()
        order = np.argsort(-values, kind="stable")[:top_k]
        return tuple(
            ClassScore(int(i), self.bundle.labels[i], float(values[i]), float(probabilities[i]))
            for i in order
        )


def sigmoid(logits: Array) -> Array:
    """``1 / (1 + exp(-logits))`` without overflow."""
    # exp(-|x|) is at most 1; for negative x it is exp(x) / (1 + exp(x)).
    small = np.exp(-np.abs(logits))
    probabilities: Array = np.where(logits >= 0, 1.0, small) / (1.0 + small)
    return probabilities


def cosine_similarities(predictions: Sequence[Prediction]) -> Array:
    """Of every two embeddings: ``[images, images]``, 1 on the diagonal."""
    vectors = np.array([prediction.embedding for prediction in predictions], np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.maximum(norms, np.finfo(np.float64).tiny)
    return directions @ directions.T  # type: ignore[no-any-return]
