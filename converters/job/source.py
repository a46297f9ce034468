"""The first step of an export: a model ready to convert, and all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import nn

from converters.job.options import ExportOptions
from mobilevit_edge.errors import CheckpointError, UsageError
from mobilevit_edge.formats.bundle import SourceInfo
from mobilevit_edge.input_contract import InputContract, network_input
from mobilevit_edge.labels import resolve_labels
from mobilevit_edge.models.network import MobileViT, create_model, find_spec
from mobilevit_edge.preprocess import Preprocessing
from mobilevit_edge.specs import ModelSpec
from mobilevit_edge.weights.checkpoint import HUB_PREFIX, read_checkpoint
from mobilevit_edge.weights.loading import detect_spec, load_model
from mobilevit_edge.weights.provenance import RANDOM_WEIGHTS, labels_of, preprocessing_of

RANDOM: Final = "random"
RANDOM_SEED: Final = 0
_CALIBRATION_SIZE: Final = 64
_OVERRIDES: Final = ("channel_order", "resize", "interpolation")


@dataclass(frozen=True)
class SourceModel:
    """The reference model with everything the manifest needs to say about its input and output.

    ``outputs`` is the length of an output: classes, or features where there is no classifier.
    """

    model: MobileViT
    outputs: int
    image_size: tuple[int, int]
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    labels_source: str
    origin: SourceInfo

    @property
    def spec(self) -> ModelSpec:
        """The model's architecture."""
        return self.model.spec

    def network_input(self, batch: int | None) -> InputContract:
        """What the reference network takes."""
        return network_input(self.preprocessing, self.image_size, batch)


def load_source(options: ExportOptions) -> SourceModel:
    """Read the checkpoint and resolve what the options leave open.

    Raises:
        CheckpointError, LabelsError: the inputs are unusable or contradict each other.
        UsageError: random weights without a model name, or an unknown model.
    """
    weights = str(options.weights)
    try:
        if weights == RANDOM:
            model, preprocessing, carried_labels, origin = _random(options.model)
        else:
            checkpoint = read_checkpoint(weights)
            spec = detect_spec(checkpoint) if options.model == "auto" else find_spec(options.model)
            preprocessing = preprocessing_of(checkpoint, spec)
            model = load_model(checkpoint, model=spec.name)
            carried_labels = labels_of(checkpoint)
            origin = SourceInfo(
                origin=_public_origin(checkpoint.origin),
                naming=checkpoint.naming,
                part=checkpoint.wrapper,
                sha256=checkpoint.sha256,
            )
    except ValueError as error:
        raise UsageError(str(error)) from error
    outputs = model.num_classes or _feature_width(model)
    if outputs < 1:
        raise CheckpointError(f"{weights}: the model has no outputs")
    given = None if options.labels is None else str(options.labels)
    labels, labels_source = resolve_labels(given, carried_labels, outputs)
    preprocessing = _overridden(preprocessing, options)
    return SourceModel(
        model=model.requires_grad_(False),
        outputs=outputs,
        image_size=options.image_size or preprocessing.image_size,
        preprocessing=preprocessing,
        labels=labels,
        labels_source=labels_source,
        origin=origin,
    )


def _overridden(preprocessing: Preprocessing, options: ExportOptions) -> Preprocessing:
    """The preprocessing with what the user has set instead."""
    given = {name: getattr(options, name) for name in _OVERRIDES}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        return preprocessing
    provenance = f"{preprocessing.provenance}; {', '.join(changes)} set by the user"
    return replace(preprocessing, **changes, provenance=provenance)


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
