"""Comparing an artifact, as written, with the PyTorch reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from converters.backend import Array, LoadedModel, Run
from converters.options import ExportOptions
from converters.prepare import Prepared
from mobilevit_edge.bundle import (
    Expected,
    Golden,
    Verification,
    VerificationCase,
    encode_pixels,
    enlarge,
    golden_pixels,
)
from mobilevit_edge.errors import ImageError, VerificationError
from mobilevit_edge.preprocess import load_image, resize_and_crop, scale_pixels

MAX_RELATIVE_ERROR: Final = {
    # About ten times what the order of fp32 sums alone moves (1e-6 between peers).
    "fp32": 1e-5,
    # 11 bits a value, 5e-4, grown over some sixty layers in sequence.
    "fp16": 2e-2,
}
IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_MAX_PHOTOS: Final = 32
_RANDOM_CASES: Final = 3
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


def verification_cases(prepared: Prepared, photos: Path | None) -> Iterator[Case]:
    """Noise, the golden pattern, and up to 32 photos spread over ``photos``."""
    height, width = prepared.image_size
    rng = np.random.default_rng(_SEED)
    for index in range(_RANDOM_CASES):
        yield Case(f"noise {index}", rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    yield Case("golden", enlarge(golden_pixels(), prepared.image_size))
    if photos is not None:
        found = find_images(photos)
        for path in found[:: max(1, -(-len(found) // _MAX_PHOTOS))]:
            image = resize_and_crop(load_image(path), prepared.preprocessing, prepared.image_size)
            yield Case(path.name, np.asarray(image))


def reference_output(prepared: Prepared, pixels: Pixels, *, softmax: bool) -> Array:
    """What the reference model answers for ``[H, W, 3]`` RGB bytes: ``[num_outputs]``."""
    x = scale_pixels(pixels, prepared.preprocessing.channel_order)
    with torch.inference_mode():
        y = prepared.model(torch.from_numpy(x)[None])[0]
        return (torch.softmax(y, dim=-1) if softmax else y).numpy()


def artifact_input(prepared: Prepared, options: ExportOptions, pixels: Pixels) -> Array:
    """``[H, W, 3]`` RGB bytes as the artifact takes them, repeated over its fixed batch."""
    one: Array = pixels
    if not options.raw_input:
        one = scale_pixels(pixels, prepared.preprocessing.channel_order)
    return np.repeat(one[None], options.batch or 1, axis=0)


def verify(
    loaded: LoadedModel, prepared: Prepared, options: ExportOptions, cases: Sequence[Case]
) -> Verification:
    """Run every case through the artifact and the reference.

    Raises:
        VerificationError: an output that is not finite, an error above the precision's threshold,
            or another top-1 class where the reference is surer than the error.
    """
    threshold = MAX_RELATIVE_ERROR[options.precision]
    results = []
    for case in cases:
        expected = reference_output(prepared, case.pixels, softmax=options.softmax)
        actual = _run(loaded.run, artifact_input(prepared, options, case.pixels))
        result = compare(case.name, actual, expected)
        if not np.isfinite(actual).all():
            raise VerificationError(
                f"{case.name}: the artifact gives NaN or Inf in {options.precision}; "
                f"export with --precision fp32"
            )
        if result.relative_error > threshold:
            raise VerificationError(
                f"{case.name}: the artifact differs from the reference by "
                f"{result.relative_error:.1e} of the largest output, allowed is {threshold:.0e} "
                f"in {options.precision}"
            )
        if not result.same_top1:
            raise VerificationError(f"{case.name}: the artifact's top class is another one")
        results.append(result)
    return Verification(loaded.runtime, threshold, tuple(results))


def _run(run: Run, x: Array) -> Array:
    """Outputs for the first image; all images of the batch are the same and must agree."""
    y = run(x)
    if y.shape[0] != x.shape[0] or not np.allclose(y, y[:1], rtol=1e-4, atol=1e-4, equal_nan=True):
        raise VerificationError("the artifact answers differently for equal images of one batch")
    return y[0]  # type: ignore[no-any-return]


def compare(name: str, actual: Array, expected: Array) -> VerificationCase:
    """Errors of one output vector.

    ``same_top1`` is judged only where the reference's lead over its second class exceeds twice the
    error: below that, rounding alone may exchange them.
    """
    absolute = float(np.abs(actual.astype(np.float64) - expected).max())
    largest = float(np.abs(expected).max())
    relative = absolute / largest if largest > 0 else absolute
    same = int(actual.argmax()) == int(expected.argmax())
    if not same and expected.size > 1:
        second, first = np.sort(expected)[-2:]
        same = bool(first - second <= 2 * absolute)
    return VerificationCase(name, relative, absolute, same)


def make_golden(prepared: Prepared, options: ExportOptions) -> Golden:
    """The bundle's self-test, answered by the reference."""
    pixels = golden_pixels()
    outputs = reference_output(
        prepared, enlarge(pixels, prepared.image_size), softmax=options.softmax
    )
    top = np.argsort(-outputs, kind="stable")[:_TOP]
    tolerance = MAX_RELATIVE_ERROR[options.precision] * max(float(np.abs(outputs).max()), 1e-6)
    return Golden(
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        pixels_base64=encode_pixels(pixels),
        expected=tuple(
            Expected(int(index), prepared.labels[index], float(outputs[index])) for index in top
        ),
        tolerance=tolerance,
    )
