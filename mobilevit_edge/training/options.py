"""What ``mobilevit-train`` is asked to do, as data; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mobilevit_edge.errors import UsageError
from mobilevit_edge.training.heads import HeadOptions, mask_head
from mobilevit_edge.training.recipe import Recipe


@dataclass(frozen=True)
class NewRun:
    """A run to start in ``folder`` on the class folders of ``data``, or on its images and masks.

    Without ``weights`` (see :func:`mobilevit_edge.weights.checkpoint.read_checkpoint`) the network
    starts from scratch; without ``validation`` a share of each class is held out.
    """

    folder: Path
    data: Path
    model: str
    recipe: Recipe
    validation: Path | None = None
    weights: str | None = None
    head: HeadOptions = field(default_factory=HeadOptions)

    def __post_init__(self) -> None:
        if mask_head(self.model, self.head) is not None and self.recipe.class_balanced:
            raise UsageError("--class-balanced draws the classes of images: a mask has several")
        if self.recipe.freeze_backbone and self.weights is None:
            raise UsageError("--freeze-backbone trains only the classifier: it needs --weights")


@dataclass(frozen=True)
class ResumedRun:
    """The run in ``folder``, to be continued.

    ``data`` and ``validation`` say where its images are now, if they were moved. All else that is
    given must be what the run was started with; ``recipe`` holds hyper-parameters by name.
    ``head`` is what is set of a head for masks.
    """

    folder: Path
    data: Path | None = None
    model: str | None = None
    validation: Path | None = None
    weights: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    head: HeadOptions = field(default_factory=HeadOptions)


@dataclass(frozen=True)
class Machine:
    """How this machine does the work; a resumed run may use another one.

    ``workers`` processes prepare images, the main process where 0; torch computes with ``threads``,
    its own choice where ``None``.
    """

    workers: int = 0
    threads: int | None = None
