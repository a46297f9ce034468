"""The bundle's self-test: one image and its answers, which every device must repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from converters.checks.dense import clear_pixels, dense_expectations
from converters.checks.detections import detection_expectations
from converters.targets.loaded import Array, LoadedModel
from converters.targets.scale import largest_of
from mobilevit_edge.boxes import BOX_VALUES, as_rows, detect
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.formats.golden import encode_pixels, enlarge, golden_image, golden_pixels
from mobilevit_edge.formats.manifest import Expected, Golden
from mobilevit_edge.input_contract import Pixels

if TYPE_CHECKING:
    from converters.job.job import ExportJob

_TOP: Final = 5


def make_golden(
    job: ExportJob, reference: Callable[[Pixels], Array], loaded: LoadedModel | None
) -> Golden:
    """The self-test, answered by the reference.

    A quantized artifact, which must be given as ``loaded``, answers for itself: the pattern is not
    an image that it was calibrated on, so how near it comes to the reference there says nothing,
    but every device must repeat its answer.
    """
    pixels = golden_pixels()
    enlarged = enlarge(pixels, job.source.image_size)
    if job.precision.quantized:
        assert loaded is not None
        outputs = loaded.run(job.artifact_input.repeated(enlarged))[0]
    else:
        outputs = reference(enlarged)
    if job.answer == "labels":
        # Where the reference is surest; a quantized artifact says itself of what.
        labels = outputs if job.precision.quantized else None
        logits = reference(enlarged) if job.precision.quantized else outputs
        expected, tolerance = clear_pixels(job, logits, labels)
    elif job.answer == "nms":
        rows = outputs
        if not job.precision.quantized:
            found = detect(outputs[:, :BOX_VALUES], outputs[:, BOX_VALUES:], job.rules)
            rows = as_rows(found, job.output.sides[0])
        expected, tolerance = detection_expectations(job, rows)
    elif job.answer is not None:
        expected, tolerance = dense_expectations(job, outputs)
    else:
        top = np.argsort(-outputs, kind="stable")[:_TOP]
        expected = tuple(
            Expected(int(index), job.source.labels[index], float(outputs[index])) for index in top
        )
        tolerance = job.precision.device_tolerance * largest_of(outputs)
    return Golden(
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        pixels_base64=encode_pixels(pixels),
        answered_by="artifact" if job.precision.quantized else "reference",
        expected=expected,
        tolerance=tolerance,
    )


def check_golden(bundle: Bundle, run: Callable[[Pixels], Array]) -> None:
    """Take the self-test of a bundle whose outputs ``run`` computes.

    Raises:
        VerificationError: this machine's runtime does not answer as the reference did.
    """
    golden = bundle.manifest.golden
    outputs = run(golden_image(golden, bundle.manifest.model.image_size))
    flat = outputs.reshape(-1).astype(np.float64)
    places = [expected.index for expected in golden.expected]
    values = np.array([expected.value for expected in golden.expected])
    differences = np.abs(flat[places] - values)
    remedy = "export the bundle again with the versions installed here"
    # NaN compares false: it must not pass.
    if not (differences <= golden.tolerance).all():
        raise VerificationError(
            f"{bundle.path}: its self-test differs by {differences.max():.2e} on this machine, "
            f"allowed is {golden.tolerance:.2e}: {remedy}"
        )
    # Those of a head are some of many; a classifier's are its best.
    if bundle.manifest.head is not None:
        return
    among_best = flat <= values.min() + golden.tolerance
    among_best[places] = True
    if not among_best.all():
        raise VerificationError(
            f"{bundle.path}: its self-test finds class {int(among_best.argmin())} on this machine, "
            f"which is not among the best: {remedy}"
        )
