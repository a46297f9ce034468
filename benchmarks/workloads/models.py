"""Whole networks: any models x targets x precisions x image sizes x batches, in turn.

The weights are random: latency does not depend on them. Every artifact is a verified bundle of
``mobilevit-export``; PyTorch runs the reference model as it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.plan import Candidate, FactorySource, FileSource, Source
from benchmarks.harness.runners import eager, runtime_of
from benchmarks.workloads.bundles import subject_of
from benchmarks.workloads.reuse import images_digest, make_once, recipe
from benchmarks.workloads.targets import ModelTarget
from converters.job.options import ExportOptions
from converters.job.precisions import PRECISIONS, Precision
from converters.targets.base import get_target
from mobilevit_edge.errors import ConversionError, MissingPackageError, UsageError
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.formats.manifest import MaskForm
from mobilevit_edge.formats.report import LatencyRow, Subject
from mobilevit_edge.head_specs import OutputStride
from mobilevit_edge.specs import split_name

EXPERIMENT: Final = "models"
_NOISE_IMAGES: Final = 8
"""The fewest images that calibration accepts."""
_MAX_REASON: Final = 200


@dataclass(frozen=True)
class Variant:
    """One row of the report. ``image_size`` is (height, width).

    ``output_stride`` and ``mask`` are those of a head for masks; ``None`` for the defaults.
    """

    model: str
    target: ModelTarget
    precision: Precision
    image_size: tuple[int, int]
    batch: int
    output_stride: OutputStride | None = None
    mask: MaskForm | None = None

    @property
    def name(self) -> str:
        """The row's id, and the name of its bundle's folder."""
        height, width = self.image_size
        size = str(height) if height == width else f"{height}x{width}"
        batch = "" if self.batch == 1 else f"-batch{self.batch}"
        stride = "" if self.output_stride is None else f"-stride{self.output_stride}"
        mask = "" if self.mask is None else f"-{self.mask}"
        return f"{self.model}{stride}-{self.target}-{self.precision}-{size}{batch}{mask}"


def variants(
    models: Sequence[str],
    targets: Sequence[ModelTarget],
    precisions: Sequence[Precision],
    image_sizes: Sequence[tuple[int, int]],
    batches: Sequence[int],
    *,
    output_strides: Sequence[OutputStride | None] = (None,),
    masks: Sequence[MaskForm | None] = (None,),
) -> tuple[Variant, ...]:
    """Every combination, each once, model by model; the last two are of heads for masks alone."""
    found = (
        Variant(model, target, precision, size, batch, *_of_head(model, target, stride, mask))
        for model, stride, size, batch, mask, target, precision in product(
            models, output_strides, image_sizes, batches, masks, targets, precisions
        )
    )
    return tuple(dict.fromkeys(found))


def _of_head(
    model: str, target: ModelTarget, stride: OutputStride | None, mask: MaskForm | None
) -> tuple[OutputStride | None, MaskForm | None]:
    """What of these the model and the target have; PyTorch runs networks, which answer logits."""
    if split_name(model)[0] not in ("deeplabv3", "pspnet"):
        return None, None
    return stride, None if target == "torch" else mask


def model_candidates(
    wanted: Sequence[Variant],
    artifacts: Path,
    calibration: Path | None,
    show: Callable[[str], None],
) -> tuple[Candidate, ...]:
    """A candidate for each variant; if it cannot be made, its row says why.

    Args:
        wanted: the rows.
        artifacts: folder of bundles; those that would be made the same are used again.
        calibration: images for int8; ``None`` means noise.
        show: shows the running step.

    Raises:
        OutputError: something else is in the place of a bundle.
    """
    candidates = []
    with _calibration_images(calibration) as images:
        for number, variant in enumerate(wanted, 1):
            show(f"making {variant.name}, {number} of {len(wanted)}")
            candidates.append(_candidate(variant, artifacts, images))
    return tuple(candidates)


def reference_run(
    model: str, height: int, width: int, batch: int, output_stride: OutputStride | None = None
) -> Callable[[], object]:
    """One inference of a reference model; the factory of PyTorch's candidates."""
    import torch

    from mobilevit_edge.models.network import create_model

    torch.manual_seed(0)
    head, backbone = split_name(model)
    network = create_model(backbone, head=head, output_stride=output_stride)
    return eager(network, torch.rand(batch, 3, height, width))


def _candidate(variant: Variant, artifacts: Path, calibration: Path) -> Candidate:
    if variant.target == "torch":
        return _torch_candidate(variant)
    folder = artifacts / variant.name
    missing = FileSource(variant.target, str(folder))
    reason = get_target(variant.target).why_not_measured()
    if reason is not None:
        return _candidate_of(variant, _subject(variant), missing, reason)
    try:
        bundle = _bundle(variant, folder, calibration)
    except (ConversionError, MissingPackageError, UsageError) as error:
        return _candidate_of(variant, _subject(variant), missing, str(error))
    source = FileSource(variant.target, str(bundle.model_path.resolve()))
    return _candidate_of(variant, subject_of(bundle), source)


def _torch_candidate(variant: Variant) -> Candidate:
    import torch

    from mobilevit_edge.counting import complexity
    from mobilevit_edge.models.network import create_model

    head, backbone = split_name(variant.model)
    with torch.device("meta"):
        network = create_model(backbone, head=head, output_stride=variant.output_stride)
    counts = complexity(network, variant.image_size)
    height, width = variant.image_size
    arguments: dict[str, Any] = {
        "model": variant.model,
        "height": height,
        "width": width,
        "batch": variant.batch,
        "output_stride": variant.output_stride,
    }
    return _candidate_of(
        variant,
        _subject(variant, parameters=counts.parameters, macs=counts.macs),
        FactorySource(f"{__name__}:{reference_run.__name__}", arguments),
        None if variant.precision == "fp32" else "the reference models run only in fp32",
    )


def _subject(
    variant: Variant, *, parameters: int | None = None, macs: int | None = None
) -> Subject:
    return Subject(
        model=variant.model,
        target=variant.target,
        precision=variant.precision,
        image_size=variant.image_size,
        batch=variant.batch,
        attributes=_attributes(variant),
        parameters=parameters,
        macs=macs,
    )


def _attributes(variant: Variant) -> dict[str, str]:
    """What else tells a row of a head apart."""
    of_head = {"output stride": variant.output_stride, "mask": variant.mask}
    return {name: str(value) for name, value in of_head.items() if value is not None}


def _candidate_of(
    variant: Variant, subject: Subject, source: Source, not_run: str | None = None
) -> Candidate:
    row = LatencyRow(
        id=variant.name,
        experiment=EXPERIMENT,
        subject=subject,
        runtime=runtime_of(variant.target),
        not_run=None if not_run is None else not_run[:_MAX_REASON],
    )
    return Candidate(row, source)


def _bundle(variant: Variant, folder: Path, calibration: Path) -> Bundle:
    """The variant's bundle, made unless it is there as it would be made now.

    Raises:
        OutputError: something else is in its place.
        ConversionError, MissingPackageError, UsageError: it cannot be made.
    """
    from converters.bundling.pipeline import export_bundle

    assert variant.target != "torch"
    calibrated = PRECISIONS[variant.precision].calibrated
    options = ExportOptions(
        target=variant.target,
        weights="random",
        output=folder,
        model=variant.model,
        precision=variant.precision,
        image_size=variant.image_size,
        batch=variant.batch,
        calibration=calibration if calibrated else None,
        output_stride=variant.output_stride,
        mask=variant.mask,
    )
    made_of = recipe(
        variant.target,
        variant=asdict(variant),
        calibration=images_digest(calibration) if calibrated else None,
    )
    make_once(folder, made_of, lambda _: export_bundle(options))
    return read_bundle(folder)


@contextmanager
def _calibration_images(given: Path | None) -> Iterator[Path]:
    """A folder of images: the given one, or noise."""
    if given is not None:
        yield given
        return
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_NOISE_IMAGES):
            pixels = rng.integers(0, 256, (288, 288, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(Path(folder) / f"noise{number}.png")
        yield Path(folder)
