"""An artifact that is open in a runtime: to answer images, or to be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mobilevit_edge.formats.report import OperatorTime

Array: TypeAlias = npt.NDArray[Any]
Run: TypeAlias = Callable[[Array], Array]
"""One inference: the input as the manifest describes it -> outputs ``[B, num_outputs]``."""

PROFILE_WARM_UP: Final = 3
"""Inferences before those that a profile counts."""
_NOISE_SEED: Final = 0


@dataclass(frozen=True)
class LoadedModel:
    """An artifact that answers; ``runtime`` names what runs it, with its version.

    ``is_reference``: it is evaluated here in place of a runtime that exists only on devices.
    ``takes``: the shape of its input, ``None`` for a dimension that is dynamic or not told, where
    the runtime says it.
    """

    run: Run
    runtime: str
    is_reference: bool = False
    takes: tuple[int | None, ...] | None = None

    def fits(self, shape: Sequence[int | None]) -> bool:
        """Whether its input can be of this shape, as far as it is known."""
        if self.takes is None:
            return True
        return len(self.takes) == len(shape) and all(
            own in (None, length) for own, length in zip(self.takes, shape, strict=True)
        )


@dataclass(frozen=True)
class TensorSpec:
    """An input of a model file; an open batch counts as one, open sides as the file says."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Session(Protocol):
    """A model file in its runtime, in this process, with one thread."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Its inputs, in order."""

    @property
    def threads(self) -> int | None:
        """Threads in effect, if the runtime says."""

    def bind(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """One inference on these inputs, with nothing around the runtime's own call."""


def longest_first(operators: Iterable[OperatorTime]) -> tuple[OperatorTime, ...]:
    """Operators of a profile by the time they take, then by name."""
    return tuple(sorted(operators, key=lambda operator: (-operator.total_ns, operator.name)))


def noise_inputs(specs: Sequence[TensorSpec]) -> list[Array]:
    """Uniform noise for every input, the same every time: bytes, or numbers in 0..1."""
    rng = np.random.default_rng(_NOISE_SEED)
    return [_noise(rng, spec) for spec in specs]


def _noise(rng: np.random.Generator, spec: TensorSpec) -> Array:
    if spec.dtype == np.uint8:
        return rng.integers(0, 256, spec.shape, dtype=np.uint8)
    return rng.random(spec.shape).astype(spec.dtype)
