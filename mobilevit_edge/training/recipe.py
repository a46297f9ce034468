"""Every hyper-parameter of a training run, as data; no torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

from mobilevit_edge.errors import UsageError
from mobilevit_edge.preprocess import MAX_IMAGE_SIZE
from mobilevit_edge.specs import MIN_IMAGE_SIZE

Sampling: TypeAlias = Literal["multi-scale", "fixed", "switching"]
SAMPLINGS: Final[tuple[Sampling, ...]] = ("multi-scale", "fixed", "switching")
ScheduleName: TypeAlias = Literal["cosine", "poly"]
SCHEDULES: Final[tuple[ScheduleName, ...]] = ("cosine", "poly")

_PAPER_IMAGE_SIZE: Final = 256
_PAPER_SCALES: Final = (160, 192, 256, 288, 320)
_SCALE_STEP: Final = 32


def scales_for(image_size: int) -> tuple[int, ...]:
    """The V1 paper's five resolutions (section 4.1), in proportion to ``image_size``.

    Rounded to multiples of 32, the network's stride, without duplicates.
    """
    steps = (
        math.floor(scale * image_size / _PAPER_IMAGE_SIZE / _SCALE_STEP + 0.5)
        for scale in _PAPER_SCALES
    )
    return tuple(sorted({max(step * _SCALE_STEP, MIN_IMAGE_SIZE) for step in steps}))


@dataclass(frozen=True)
class Recipe:
    """What determines the result of a run, besides its data and its initial weights.

    Image sizes are sides of squares in pixels. ``batch_size`` holds at the largest of ``scales``
    and counts the images of all ranks together. ``learning_rate`` is the peak that ``warmup``
    (a share of all iterations) climbs to; ``schedule`` ends at ``final_rate`` times that peak.
    ``magnitude`` (0 to 1) is the strength of the ``operations`` that an image gets;
    ``crop_scale`` and ``crop_ratio`` bound a random crop's share of the area and its aspect.
    ``mixup`` and ``cutmix`` are the alphas of the shares in which images are mixed; 0 for not.
    ``gradient_norm`` is what gradients are clipped to.
    """

    epochs: int = 30
    batch_size: int = 64
    image_size: int = _PAPER_IMAGE_SIZE
    scales: tuple[int, ...] = _PAPER_SCALES
    sampling: Sampling = "multi-scale"
    class_balanced: bool = False
    learning_rate: float = 0.002
    weight_decay: float = 0.01
    warmup: float = 0.05
    schedule: ScheduleName = "cosine"
    final_rate: float = 0.01
    label_smoothing: float = 0.1
    ema_decay: float = 0.9995
    gradient_norm: float = 10.0
    operations: int = 2
    magnitude: float = 0.3
    crop_scale: tuple[float, float] = (0.25, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    mixup: float = 0.0
    cutmix: float = 0.0
    flip: bool = True
    freeze_backbone: bool = False
    validation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                option = "--" + name.replace("_", "-")
                raise UsageError(f"{option} {value} is out of range: {low} to {high}")
        if not self.scales or any(a >= b for a, b in pairwise(self.scales)):
            raise UsageError(f"--scales {self.scales}: give each size once, smallest first")
        for side in (self.image_size, *self.scales):
            if not MIN_IMAGE_SIZE <= side <= MAX_IMAGE_SIZE:
                raise UsageError(
                    f"image size {side} is out of range: {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE}"
                )
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise UsageError(
                f"--crop-scale {low} {high}: give two shares of the area, the smaller first"
            )

    @property
    def training_sizes(self) -> tuple[int, ...]:
        """The resolutions that iterations draw from, smallest first."""
        return (self.image_size,) if self.sampling == "fixed" else self.scales

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, for files."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """The inverse of :meth:`as_json`.

        Raises:
            UsageError: unknown or missing hyper-parameters, or values out of range.
        """
        names = {field.name for field in fields(cls)}
        # Runs from before there was a choice had the default.
        values = {name: getattr(cls, name) for name in _LATER} | dict(values)
        if values.keys() != names:
            different = ", ".join(sorted(values.keys() ^ names))
            raise UsageError(
                f"the run's recipe does not have this version's hyper-parameters ({different}): "
                f"continue it with the version that started it"
            )
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**plain)


MASKS: Final[Mapping[str, Any]] = {
    "epochs": 50,
    "batch_size": 16,
    "image_size": 512,
    "learning_rate": 0.0005,
    "weight_decay": 0.05,
    "label_smoothing": 0.0,
}
"""Defaults for masks that differ from those for classes: CVNets' for PASCAL VOC."""
_LATER: Final = ("schedule", "mixup", "cutmix")


def make_recipe(given: Mapping[str, Any], *, for_masks: bool = False) -> Recipe:
    """The recipe of a new run: ``given`` hyper-parameters, and defaults for the others.

    The default of ``scales`` follows ``image_size``.

    Raises:
        UsageError: a value is out of range, or images with masks are to be mixed.
    """
    recipe = Recipe(**{**(MASKS if for_masks else {}), **given})
    if for_masks and (recipe.mixup or recipe.cutmix):
        raise UsageError("--mixup and --cutmix mix images of one class each: not those with masks")
    return recipe if "scales" in given else replace(recipe, scales=scales_for(recipe.image_size))


_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "epochs": (1, 100_000),
    "batch_size": (2, 65_536),
    "learning_rate": (1e-9, 10.0),
    "weight_decay": (0.0, 10.0),
    "warmup": (0.0, 0.9),
    "final_rate": (0.0, 1.0),
    "label_smoothing": (0.0, 0.9),
    "ema_decay": (0.0, 0.999999),
    "gradient_norm": (1e-3, 1e6),
    "operations": (0, 10),
    "magnitude": (0.0, 1.0),
    "mixup": (0.0, 10.0),
    "cutmix": (0.0, 10.0),
    "validation_share": (0.01, 0.9),
    "seed": (0, 2**32 - 1),
}
