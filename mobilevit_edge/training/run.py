"""What identifies a run, and the files in its folder."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch

from mobilevit_edge.errors import CheckpointError, MobileViTEdgeError
from mobilevit_edge.files import write_atomically
from mobilevit_edge.head_specs import DeepLabV3Spec, MaskSpec, PSPNetSpec
from mobilevit_edge.normalization import NOT_NORMALIZED, Normalization
from mobilevit_edge.preprocess import ChannelOrder, Preprocessing
from mobilevit_edge.reading import open_regular
from mobilevit_edge.specs import ModelSpec
from mobilevit_edge.training.heads import trained_spec
from mobilevit_edge.training.recipe import Recipe

_FORMAT: Final = 1
_MAX_STATE_BYTES: Final = 8 * 1024**3
STATE: Final = "state.pt"
RECIPE: Final = "recipe.json"


@dataclass(frozen=True)
class TrainingRun:
    """What defines a run: it can be continued only if none of this has changed.

    ``data``, ``validation`` and ``weights`` are the command's arguments, folders as absolute paths;
    ``fingerprint`` identifies the images.
    """

    model: str
    recipe: Recipe
    data: str
    validation: str | None
    weights: str | None
    classes: tuple[str, ...]
    channel_order: ChannelOrder
    fingerprint: str
    world_size: int
    normalization: Normalization = NOT_NORMALIZED
    head: MaskSpec | None = None

    @property
    def spec(self) -> ModelSpec:
        """The architecture for images in color."""
        return trained_spec(self.model, self.head)

    @property
    def preprocessing(self) -> Preprocessing:
        """How evaluation, and every export of the checkpoint, prepares an image.

        It takes the whole center square: small images, such as CIFAR's, have no border to spare.
        For masks it is the whole image, stretched, as in CVNets.
        """
        side = self.recipe.image_size
        return Preprocessing(
            channel_order=self.channel_order,
            resize="crop" if self.head is None else "stretch",
            interpolation="bilinear",
            crop_fraction=1.0,
            image_size=(side, side),
            provenance="mobilevit-train",
            normalization=self.normalization,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, for files."""
        return {**asdict(self), "classes": list(self.classes), "recipe": self.recipe.as_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingRun:
        """The inverse of :meth:`as_json`."""
        changed = {
            "recipe": Recipe.from_json(values["recipe"]),
            "classes": tuple(values["classes"]),
        }
        # A run from before there was normalization has none.
        if "normalization" in values:
            mean, std = (tuple(values["normalization"][name]) for name in ("mean", "std"))
            changed["normalization"] = Normalization(mean, std)
        if values.get("head") is not None:
            changed["head"] = _head_from_json(values["head"])
        return cls(**{**values, **changed})


def _head_from_json(values: Mapping[str, Any]) -> MaskSpec:
    plain: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return DeepLabV3Spec(**plain) if plain["name"] == "deeplabv3" else PSPNetSpec(**plain)


@dataclass(frozen=True)
class Position:
    """How far a run has come: ``step`` iterations into ``epoch``, both from 0.

    ``images``, ``loss_sum`` (over images) and ``seconds`` count the epoch so far.
    """

    epoch: int = 0
    step: int = 0
    images: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class State:
    """Everything needed to continue a run. ``history`` holds a row for each finished epoch.

    ``learner`` is :meth:`mobilevit_edge.training.learner.Learner.state`.
    """

    run: TrainingRun
    position: Position
    learner: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...] = field(default=())


def save_state(folder: Path, state: State) -> None:
    """Write ``state.pt`` in one step.

    Raises:
        OutputError: the disk is full or read-only; the last good state is untouched.
    """
    content = {
        "format": _FORMAT,
        "run": state.run.as_json(),
        "position": asdict(state.position),
        "history": [dict(row) for row in state.history],
        "learner": dict(state.learner),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(folder / STATE, lambda path: path.write_bytes(buffer.getvalue()))


def load_state(folder: Path, device: torch.device) -> State:
    """The state that :func:`save_state` wrote, read without executing anything inside it.

    Raises:
        CheckpointError: it is missing, damaged, or of another format.
        UsageError: its recipe is of another version of this program.
    """
    path = folder / STATE
    if not path.exists():
        raise CheckpointError(
            f"{folder} holds no run to continue (no {STATE}); start one with --output {folder}"
        )
    with open_regular(path, _MAX_STATE_BYTES, CheckpointError) as file:
        return _read_state(file, path, device)


def _read_state(file: BinaryIO, path: Path, device: torch.device) -> State:
    try:
        content = torch.load(file, map_location=device, weights_only=True)
        found = content["format"]
        if found != _FORMAT:
            raise CheckpointError(
                f"{path} is of format {found!r:.60}, this version reads {_FORMAT}: "
                f"continue the run with the version of mobilevit-edge that began it"
            )
        return State(
            run=TrainingRun.from_json(content["run"]),
            position=Position(**content["position"]),
            learner=content["learner"],
            history=tuple(content["history"]),
        )
    except MobileViTEdgeError:
        raise
    # Damaged archives raise whatever zipfile and the unpickler raise, with advice on their own use.
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be read: it is damaged, or not the state of a run; start a new run "
            f"with --output, and with --weights {path.parent}/checkpoint to go on from its best"
        ) from error


def write_recipe(folder: Path, run: TrainingRun) -> None:
    """Write ``recipe.json``, which tells people what the run is."""
    text = json.dumps(run.as_json(), indent=2, ensure_ascii=False) + "\n"
    # Of a path that is not UTF-8 this makes JSON's own escapes.
    content = text.encode("utf-8", "backslashreplace")
    write_atomically(folder / RECIPE, lambda path: path.write_bytes(content))
