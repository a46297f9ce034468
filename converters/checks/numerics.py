"""Comparing an artifact, as written, with the PyTorch reference."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from converters.export.options import QUANTIZED, ExportOptions, Precision
from converters.export.source import SourceModel
from converters.targets.base import Array, LoadedModel
from mobilevit_edge.errors import ImageError, VerificationError
from mobilevit_edge.formats.bundle import (
    Expected,
    Golden,
    Verification,
    VerificationCase,
    encode_pixels,
    enlarge,
    golden_pixels,
)
from mobilevit_edge.preprocess import load_image, resize_and_crop, scale_pixels

MAX_RELATIVE_ERROR: Final = {
    # Ten times what the order of sums alone moves in the widest model (2e-6); ONNX Runtime, which
    # sums in sequence, comes to 1.1e-5 there with or without rewrites.
    "fp32": 2e-5,
    # 11 bits a value, 5e-4, grown over some sixty layers in sequence.
    "fp16": 2e-2,
    "int8": 0.5,
    "int8-dynamic": 0.5,
    "int8-weight-only": 0.1,
    # Sixteen or 64 values for a whole tensor: labeled photos judge them.
    "palette-6bit": 0.5,
    "palette-4bit": 1.5,
}
IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_MAX_PHOTOS: Final = 32
_RANDOM_CASES: Final = 3
_SAME_ARTIFACT: Final = 0.1
"""Of the largest output: int8 kernels of two processors round ties and scales differently, up to
0.063 between x86 and ARM with random weights (docs/arm.md)."""
_CASES_AN_OUTLIER: Final = 10
_SEED: Final = 20260
_TOP: Final = 5

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A named image at the network's size: ``[H, W, 3]`` RGB bytes."""

    name: str
    pixels: Pixels


def find_images(path: Path) -> list[Path]:
    """``path`` itself, or every image file below it, in a fixed order.

    Raises:
        ImageError: nothing there, or no image below the folder.
    """
    if not path.exists():
        raise ImageError(f"no image or folder at {path}")
    if path.is_file():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise ImageError(f"no images below {path} (looked for {', '.join(IMAGE_SUFFIXES)})")
    return found


def verification_cases(prepared: SourceModel, options: ExportOptions) -> Iterator[Case]:
    """Noise, the golden pattern, and up to 32 photos spread over ``--verify``.

    Static int8 holds for images like those it was calibrated on: photos alone, of ``--verify`` or
    else of ``--calibration``, where unreadable ones are passed over.
    """
    height, width = prepared.image_size
    if options.precision != "int8":
        rng = np.random.default_rng(_SEED)
        for index in range(_RANDOM_CASES):
            yield Case(f"noise {index}", rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        yield Case("golden", enlarge(golden_pixels(), prepared.image_size))
    if options.verify is not None:
        yield from _photos(options.verify, prepared, skip_unreadable=False)
    elif options.calibration is not None:
        yield from _photos(options.calibration, prepared, skip_unreadable=True)


def _photos(folder: Path, prepared: SourceModel, *, skip_unreadable: bool) -> Iterator[Case]:
    found = find_images(folder)
    for path in found[:: max(1, -(-len(found) // _MAX_PHOTOS))]:
        try:
            pixels = load_pixels(path, prepared)
        except ImageError:
            if not skip_unreadable:
                raise
            continue
        yield Case(path.name, pixels)


def load_pixels(path: Path, prepared: SourceModel) -> Pixels:
    """An image file at the network's size: ``[H, W, 3]`` RGB bytes.

    Raises:
        ImageError: it cannot be read.
    """
    image = resize_and_crop(load_image(path), prepared.preprocessing, prepared.image_size)
    return np.asarray(image)


class Reference:
    """The reference model in float64, so that only the artifact's own rounding is measured."""

    def __init__(self, prepared: SourceModel, *, softmax: bool) -> None:
        self._model = copy.deepcopy(prepared.model).double()
        self._channel_order = prepared.preprocessing.channel_order
        self._softmax = softmax

    def __call__(self, pixels: Pixels) -> Array:
        """``[H, W, 3]`` RGB bytes -> ``[num_outputs]``."""
        x = torch.from_numpy(scale_pixels(pixels, self._channel_order)).double()
        with torch.inference_mode():
            y = self._model(x[None])[0]
            return (torch.softmax(y, dim=-1) if self._softmax else y).numpy()


def module_input(prepared: SourceModel, options: ExportOptions, images: Sequence[Pixels]) -> Array:
    """Images as one input of the deployed module: the artifact's, but for Core ML's image input."""
    if options.raw_input:
        return np.stack(images)
    order = prepared.preprocessing.channel_order
    return np.stack([scale_pixels(pixels, order) for pixels in images])


def artifact_input(
    prepared: SourceModel, options: ExportOptions, images: Sequence[Pixels]
) -> Array:
    """Images of ``[H, W, 3]`` RGB bytes as one input of the artifact."""
    if options.takes_pixels:
        return np.stack(images)
    return module_input(prepared, options, images)


def verify(
    loaded: LoadedModel,
    prepared: SourceModel,
    options: ExportOptions,
    reference: Callable[[Pixels], Array],
    cases: Sequence[Case],
) -> Verification:
    """Run every case through the artifact and the reference.

    Raises:
        VerificationError: an output that is not finite or has another shape, an error above the
            precision's threshold, or another top class where the reference is surer than that. A
            quantized artifact may be beyond in one of ten cases: there are photos of which the
            model itself is unsure, and their largest output is small.
    """
    threshold = MAX_RELATIVE_ERROR[options.precision]
    # A dynamic batch is tried with two different images: one would hide a mixed-up batch.
    size = options.batch or 2
    results = []
    for start in range(0, len(cases), size):
        batch = [cases[(start + i) % len(cases)] for i in range(size)]
        x = artifact_input(prepared, options, [case.pixels for case in batch])
        outputs = loaded.run(x)
        if outputs.shape != (size, prepared.outputs):
            raise VerificationError(
                f"the artifact's output has shape {outputs.shape}, "
                f"expected {(size, prepared.outputs)}"
            )
        for case, actual in zip(batch, outputs, strict=True):
            results.append(compare(case.name, actual, reference(case.pixels), threshold))
    # The last batch may be filled up with cases that were seen before: judged, not told.
    _judge(results, options)
    return Verification(
        by="reference" if loaded.is_reference else "runtime",
        runtime=loaded.runtime,
        max_relative_error=threshold,
        cases=tuple(results[: len(cases)]),
    )


def outliers(cases: Sequence[VerificationCase], threshold: float) -> list[VerificationCase]:
    """Those beyond the threshold or of another top class, the worst first."""
    found = [case for case in cases if case.relative_error > threshold or not case.same_top1]
    return sorted(found, key=lambda case: -case.relative_error)


def _judge(results: Sequence[VerificationCase], options: ExportOptions) -> None:
    for result in results:
        if not math.isfinite(result.relative_error):
            raise VerificationError(
                f"{result.name}: the artifact gives NaN or Inf in {options.precision}; "
                f"export with --precision fp32"
            )
    threshold = MAX_RELATIVE_ERROR[options.precision]
    beyond = outliers(results, threshold)
    quantized = options.precision in QUANTIZED
    if len(beyond) <= (len(results) // _CASES_AN_OUTLIER if quantized else 0):
        return
    worst = beyond[0]
    others = f"; so do {len(beyond) - 1} more of {len(results)} inputs" if beyond[1:] else ""
    if worst.relative_error <= threshold:
        raise VerificationError(f"{worst.name}: the artifact's top class is another one")
    raise VerificationError(
        f"{worst.name}: the artifact differs from the reference by {worst.relative_error:.1e} of "
        f"the largest output, allowed is {threshold:.0e} in {options.precision}{others}"
        f"{f'. {advice(options)}' if quantized else ''}"
    )


def advice(options: ExportOptions) -> str:
    """What to try where an artifact's precision costs too much."""
    match options.precision:
        case "int8":
            return "Calibrate on more images like these, or keep layers: --int8-keep auto"
        case "fp32":
            return "Check --channel-order and --resize against what the model was trained with"
        case _:
            return "Export with a higher precision"


def compare(name: str, actual: Array, expected: Array, threshold: float) -> VerificationCase:
    """Errors of one output vector.

    ``same_top1`` asks for the same best class, unless the reference's lead over its second is
    within twice the ``threshold``: there, allowed rounding may exchange them.
    """
    absolute = float(np.abs(actual.astype(np.float64) - expected).max())
    largest = float(np.abs(expected).max())
    relative = absolute / largest if largest > 0 else absolute
    same = int(actual.argmax()) == int(expected.argmax())
    if not same and expected.size > 1:
        second, first = np.sort(expected)[-2:]
        same = bool(first - second <= 2 * threshold * largest)
    return VerificationCase(name, relative, absolute, same)


def device_tolerance(precision: Precision) -> float:
    """How far two devices' answers may lie apart with one artifact, of the largest output."""
    return _SAME_ARTIFACT if precision in QUANTIZED else MAX_RELATIVE_ERROR[precision]


def make_golden(
    prepared: SourceModel, options: ExportOptions, reference: Reference, loaded: LoadedModel | None
) -> Golden:
    """The bundle's self-test, answered by the reference.

    A quantized artifact answers for itself: the pattern is no image that it was calibrated on, so
    how near it comes to the reference there says nothing, but every device must repeat its answer.
    """
    pixels = golden_pixels()
    enlarged = enlarge(pixels, prepared.image_size)
    if options.precision in QUANTIZED:
        assert loaded is not None
        size = options.batch or 1
        outputs = loaded.run(artifact_input(prepared, options, [enlarged] * size))[0]
    else:
        outputs = reference(enlarged)
    top = np.argsort(-outputs, kind="stable")[:_TOP]
    return Golden(
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        pixels_base64=encode_pixels(pixels),
        answered_by="artifact" if options.precision in QUANTIZED else "reference",
        expected=tuple(
            Expected(int(index), prepared.labels[index], float(outputs[index])) for index in top
        ),
        tolerance=device_tolerance(options.precision) * max(float(np.abs(outputs).max()), 1e-6),
    )
