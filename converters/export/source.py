"""The first step of an export: a model ready to convert, and all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import nn

from converters.export.options import ExportOptions
from mobilevit_edge.errors import CheckpointError, UsageError
from mobilevit_edge.formats.bundle import SourceInfo
from mobilevit_edge.labels import resolve_labels
from mobilevit_edge.models.network import MobileViT, create_model, find_spec
from mobilevit_edge.preprocess import Preprocessing
from mobilevit_edge.weights.checkpoint import HUB_PREFIX, read_checkpoint
from mobilevit_edge.weights.loading import detect_spec, load_model
from mobilevit_edge.weights.provenance import RANDOM_WEIGHTS, labels_of, preprocessing_of

RANDOM: Final = "random"
RANDOM_SEED: Final = 0
_CALIBRATION_SIZE: Final = 64


@dataclass(frozen=True)
class SourceModel:
    """The reference model with everything the manifest needs to say about its input and output."""

    model: MobileViT
    outputs: int
    image_size: tuple[int, int]
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    labels_source: str
    source: SourceInfo


def load_source(options: ExportOptions) -> SourceModel:
    """Read the checkpoint and resolve what the options leave open.

    Raises:
        CheckpointError, LabelsError: the inputs are unusable or contradict each other.
        UsageError: random weights without a model name, or an unknown model.
    """
    try:
        if options.weights == RANDOM:
            model, preprocessing, carried_labels, source = _random(options.model)
        else:
            checkpoint = read_checkpoint(options.weights)
            spec = detect_spec(checkpoint) if options.model == "auto" else find_spec(options.model)
            preprocessing = preprocessing_of(checkpoint, spec)
            model = load_model(checkpoint, model=spec.name)
            carried_labels = labels_of(checkpoint)
            source = SourceInfo(
                origin=_public_origin(checkpoint.origin),
                naming=checkpoint.naming,
                part=checkpoint.wrapper,
                sha256=checkpoint.sha256,
            )
    except ValueError as error:
        raise UsageError(str(error)) from error

    overrides = {
        name: value
        for name in ("channel_order", "resize", "interpolation")
        if (value := getattr(options, name)) is not None
    }
    if overrides:
        changed = ", ".join(overrides)
        preprocessing = replace(
            preprocessing,
            **overrides,
            provenance=f"{preprocessing.provenance}; {changed} set by the user",
        )
    outputs = model.num_classes or _feature_width(model)
    if outputs < 1:
        raise CheckpointError(f"{options.weights}: the model has no outputs")
    labels, labels_source = resolve_labels(options.labels, carried_labels, outputs)
    return SourceModel(
        model=model.requires_grad_(False),
        outputs=outputs,
        image_size=options.image_size or preprocessing.image_size,
        preprocessing=preprocessing,
        labels=labels,
        labels_source=labels_source,
        source=source,
    )


def _random(name: str) -> tuple[MobileViT, Preprocessing, None, SourceInfo]:
    if name == "auto":
        raise UsageError("--weights random needs --model NAME; mobilevit-export --list shows names")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        model = create_model(name)
        calibrate_batch_norm_statistics(model)
    origin = f"random weights (seed {RANDOM_SEED})"
    return model, RANDOM_WEIGHTS, None, SourceInfo(origin, None, "", None)


def calibrate_batch_norm_statistics(model: MobileViT) -> None:
    """Give batch norms the statistics of noise images.

    Without them activations shrink from layer to layer, below what fp16 holds.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # a plain average instead of a moving one
    with torch.no_grad():
        model.train()(torch.rand(8, 3, _CALIBRATION_SIZE, _CALIBRATION_SIZE))
    for norm in norms:
        norm.momentum = 0.1
    model.eval()


def _feature_width(model: MobileViT) -> int:
    return model.spec.pre_head_channels or model.spec.stages[-1].channels


def _public_origin(origin: str) -> str:
    """The origin without folders of this machine."""
    return origin if origin.startswith(HUB_PREFIX) else Path(origin).name
