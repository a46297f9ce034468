"""The folder that ``mobilevit-export --weights`` takes, and the weights a run starts from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.files import folder_transaction
from mobilevit_edge.head_specs import DeepLabV3Spec, HeadSpec, MaskSpec, SSDLiteSpec
from mobilevit_edge.models.network import MobileViT, create_model
from mobilevit_edge.preprocess import Preprocessing
from mobilevit_edge.specs import ModelSpec, split_name, with_in_channels
from mobilevit_edge.training.run import TrainingRun
from mobilevit_edge.weights.checkpoint import Checkpoint, read_checkpoint
from mobilevit_edge.weights.loading import (
    channel_count,
    detect_spec,
    load_backbone,
    load_model,
)
from mobilevit_edge.weights.provenance import RANDOM_WEIGHTS, labels_of, preprocessing_of
from mobilevit_edge.weights.saving import save_weights

FOLDER: Final = "checkpoint"
_TRAINED_CHANNELS: Final = (1, 3)
_WEIGHTS: Final = "model.safetensors"
_CONFIG: Final = "config.json"


def write_checkpoint(folder: Path, network: MobileViT, run: TrainingRun) -> None:
    """Put ``network`` into ``folder``/checkpoint.

    The config stays the same throughout a run, so only the first checkpoint is a new folder; later
    ones replace the weights file in one step.

    Raises:
        OutputError: the disk is full or read-only; the last good checkpoint is untouched.
    """
    target = folder / FOLDER
    if target.is_dir():
        save_weights(network, target / _WEIGHTS)
        return
    config = {
        "model": run.model,
        "label_names": list(run.classes),
        "preprocessing": _settings(run.preprocessing),
        **_head_settings(run.head),
    }
    with folder_transaction(target) as fresh:
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        (fresh / _CONFIG).write_text(text, encoding="utf-8")
        save_weights(network, fresh / _WEIGHTS)


def _settings(preprocessing: Preprocessing) -> dict[str, object]:
    settings = asdict(preprocessing)
    del settings["provenance"]
    return settings


def _head_settings(head: MaskSpec | None) -> dict[str, object]:
    """What shapes do not tell, as :mod:`mobilevit_edge.weights.head_settings` reads it."""
    if head is None:
        return {}
    rates = {"rates": list(head.rates)} if isinstance(head, DeepLabV3Spec) else {}
    return {"output_stride": head.output_stride, "mask_resize": head.resize, **rates}


def read_start(model: str, weights: str) -> Checkpoint:
    """The checkpoint at ``weights``; a model for masks may start from a classifier.

    Raises:
        CheckpointError: unreadable, of another model, or for images that training does not make.
    """
    checkpoint = read_checkpoint(weights)
    found = detect_spec(checkpoint)
    head, backbone = split_name(model)
    # Under a head, the backbone of any model will do.
    own = found.name if head is None else split_name(found.name)[1]
    if own != backbone:
        fitting = own if head is None else f"{head}_{own}"
        raise CheckpointError(
            f"{weights} is a checkpoint of {found.name}, not of {model}: "
            f"pass --model {fitting}, or another checkpoint"
        )
    if found.in_channels not in _TRAINED_CHANNELS:
        raise CheckpointError(
            f"{weights} takes images of {found.in_channels} channels: training reads photos, in "
            f"color or in gray"
        )
    return checkpoint


def starting_network(
    spec: ModelSpec,
    classes: tuple[str, ...],
    checkpoint: Checkpoint | None,
    notice: Callable[[str], None],
) -> tuple[MobileViT, Preprocessing]:
    """The network before its first step, and how its weights expect images.

    A checkpoint's classifier is kept if it has as many classes, and the same ones where the
    checkpoint names them; otherwise the classifier starts at random.

    Args:
        spec: the architecture, for images in color.
        classes: names of the classes to train on.
        checkpoint: weights to start from; ``None`` for random ones.
        notice: called with a sentence for the user if the classifier starts at random.

    Raises:
        CheckpointError: the checkpoint's contents cannot be understood.
    """
    if checkpoint is None:
        return create_model(spec, num_classes=len(classes)), RANDOM_WEIGHTS
    spec = with_in_channels(spec, channel_count(checkpoint))
    network = create_model(spec, num_classes=len(classes))
    found = detect_spec(checkpoint)
    preprocessing = preprocessing_of(checkpoint, found)
    if spec.head is not None and not _same_head(found.head, spec.head):
        load_backbone(network, checkpoint)
        notice(f"{checkpoint.origin}: the head starts at random, since the checkpoint has another")
        return network, preprocessing
    source = load_model(checkpoint, model=found)
    count, labels = source.num_classes, labels_of(checkpoint)
    state = source.state_dict()
    if count == len(classes) and labels in (None, classes):
        network.load_state_dict(state)
        return network, preprocessing
    # The last layer alone knows the classes.
    last = "head." if spec.head is None else "head.classifier."
    network.load_state_dict(
        {key: tensor for key, tensor in state.items() if not key.startswith(last)}, strict=False
    )
    notice(
        f"{checkpoint.origin}: the classifier starts at random, since the checkpoint has "
        f"{'other class names' if count == len(classes) else f'{count} classes'} "
        f"(here: {len(classes)} classes)"
    )
    return network, preprocessing


def _same_head(found: HeadSpec | None, wanted: HeadSpec) -> bool:
    """Whether a checkpoint's head for masks has the tensors of the one that is trained."""
    if found is None or isinstance(found, SSDLiteSpec) or isinstance(wanted, SSDLiteSpec):
        return False
    return (found.name, found.width) == (wanted.name, wanted.width)
