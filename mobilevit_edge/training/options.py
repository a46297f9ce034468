"""What ``mobilevit-train`` is asked to do, as data; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mobilevit_edge.errors import UsageError
from mobilevit_edge.specs import SPECS
from mobilevit_edge.training.recipe import Recipe


@dataclass(frozen=True)
class NewRun:
    """A run to start in ``folder`` on the class folders of ``data``.

    Without ``weights`` (see :func:`mobilevit_edge.weights.checkpoint.read_checkpoint`) the network
    starts from scratch; without ``validation`` a share of each class is held out.
    """

    folder: Path
    data: Path
    model: str
    recipe: Recipe
    validation: Path | None = None
    weights: str | None = None

    def __post_init__(self) -> None:
        if self.model not in SPECS:
            raise UsageError(f"unknown model {self.model!r}; choose one of: {', '.join(SPECS)}")
        if self.recipe.freeze_backbone and self.weights is None:
            raise UsageError("--freeze-backbone trains only the classifier: it needs --weights")


@dataclass(frozen=True)
class ResumedRun:
    """The run in ``folder``, to be continued.

    ``data`` and ``validation`` say where its images are now, if they were moved. All else that is
    given must be what the run was started with; ``recipe`` holds hyper-parameters by name.
    """

    folder: Path
    data: Path | None = None
    model: str | None = None
    validation: Path | None = None
    weights: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    """How this machine does the work; a resumed run may use another one.

    ``workers`` processes prepare images, the main process where 0; torch computes with ``threads``,
    its own choice where ``None``.
    """

    workers: int = 0
    threads: int | None = None
