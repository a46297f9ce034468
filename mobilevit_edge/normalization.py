"""Mean and standard deviation: what is subtracted from an image in 0..1, and what divides the rest.

One number for each channel, in the order of the model's channels.
"""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

NormalizationName: TypeAlias = Literal["imagenet", "half", "none"]
NORMALIZATION_NAMES: Final[tuple[NormalizationName, ...]] = get_args(NormalizationName)

Channels: TypeAlias = tuple[float, ...]
"""One number for each channel of a model."""

_COLORS: Final = 3
_LARGEST_MEAN: Final = 255.0
_STD_RANGE: Final = (1 / 1024, 1024.0)
"""A network fed with bytes as they are has 1/255."""


@dataclass(frozen=True)
class Normalization:
    """``(x - mean) / std`` for ``x`` in 0..1; one number for each channel of the model.

    Raises:
        ValueError: another number of means than of deviations, or values that no training uses.
    """

    mean: Channels
    std: Channels

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean {self.mean} and std {self.std} have different lengths")
        low, high = _STD_RANGE
        for value in self.mean:
            if not abs(value) <= _LARGEST_MEAN:
                raise ValueError(
                    f"mean {value} is not between -{_LARGEST_MEAN} and {_LARGEST_MEAN}"
                )
        for value in self.std:
            if not low <= value <= high:
                raise ValueError(f"std {value} is not between {low:.4f} and {high:.0f}")

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return not self.subtracts and all(value == 1 for value in self.std)

    @property
    def subtracts(self) -> bool:
        """Whether any mean is not zero."""
        return any(value != 0 for value in self.mean)

    def reversed(self) -> Normalization:
        """The same for channels in the opposite order, as RGB and BGR."""
        return Normalization(self.mean[::-1], self.std[::-1])

    def __str__(self) -> str:
        if self.is_identity:
            return "not normalized"
        return f"mean {_listed(self.mean)}, std {_listed(self.std)}"


def identity(channels: int) -> Normalization:
    """No normalization of this many channels."""
    return Normalization((0.0,) * channels, (1.0,) * channels)


NOT_NORMALIZED: Final = identity(_COLORS)

PRESETS: Final[Mapping[NormalizationName, Normalization]] = {
    "imagenet": Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": NOT_NORMALIZED,
}
"""By name, for red, green and blue."""


def fitted(normalization: Normalization, channels: int) -> Normalization:
    """What is meant by a normalization of one or three channels for a model of ``channels``.

    A single number counts for every channel. Gray takes the mean over the colors, which is what a
    gray image has in each of them.

    Raises:
        ValueError: another number of values.
    """
    given = len(normalization.mean)
    if given == channels:
        return normalization
    if given == 1:
        return Normalization(normalization.mean * channels, normalization.std * channels)
    if given == _COLORS and normalization.is_identity:
        return identity(channels)
    if given == _COLORS and channels == 1:
        return Normalization(
            (math.fsum(normalization.mean) / _COLORS,), (math.fsum(normalization.std) / _COLORS,)
        )
    raise ValueError(f"{given} values for a model of {channels} channels")


def preset(name: NormalizationName, *, reverse: bool, channels: int) -> Normalization:
    """A normalization by name for a model of ``channels`` channels, with blue first if ``reverse``.

    Raises:
        ValueError: colors are not what the channels are.
    """
    found = PRESETS[name]
    try:
        return fitted(found.reversed() if reverse else found, channels)
    except ValueError as error:
        raise ValueError(
            f"{name!r} has three channels and the model {channels}: pass --mean and --std instead"
        ) from error


def for_channels(values: Sequence[float], channels: int) -> Channels:
    """``values`` for each channel; a single one counts for all.

    Raises:
        ValueError: another number of values.
    """
    if len(values) == 1:
        return (float(values[0]),) * channels
    if len(values) != channels:
        raise ValueError(f"{len(values)} values for a model of {channels} channels")
    return tuple(float(value) for value in values)


def parse_channels(text: str) -> Channels:
    """``M`` or ``M,M,M`` as numbers."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 4 or not all(re.fullmatch(r"-?[0-9]{1,4}(\.[0-9]{1,12})?", p) for p in parts):
        raise ArgumentTypeError(
            f"{text!r} is not a number or one for each channel, such as 0.485,0.456,0.406"
        )
    return tuple(float(part) for part in parts)


def _listed(values: Channels) -> str:
    shown = values[:1] if len(set(values)) == 1 else values
    return "/".join(f"{value:g}" for value in shown)
