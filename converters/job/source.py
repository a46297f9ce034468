"""The first step of an export: a model ready to convert, and all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from converters.job.options import ExportOptions
from mobilevit_edge.errors import CheckpointError, UsageError
from mobilevit_edge.formats.manifest import SourceInfo, Task
from mobilevit_edge.head_specs import HeadName, SSDLiteSpec
from mobilevit_edge.input_contract import InputContract, network_input
from mobilevit_edge.labels import IMAGENET, resolve_labels
from mobilevit_edge.models.network import MobileViT, create_model, find_spec
from mobilevit_edge.normalization import Normalization, for_channels, preset
from mobilevit_edge.preprocess import CHANNELS, COLOR_ORDERS, Preprocessing
from mobilevit_edge.specs import ModelSpec, split_name, with_head_called
from mobilevit_edge.weights.checkpoint import HUB_PREFIX, Checkpoint, read_checkpoint
from mobilevit_edge.weights.head_settings import HeadSettings, find_head
from mobilevit_edge.weights.loading import load_model, spec_for
from mobilevit_edge.weights.provenance import (
    BOXES_SIZE,
    MASKS_SIZE,
    RANDOM_WEIGHTS,
    is_multilabel,
    labels_of,
    preprocessing_of,
)

RANDOM: Final = "random"
RANDOM_SEED: Final = 0
_CALIBRATION_SIZE: Final = 64
_DATA_SETS: Final[Mapping[HeadName | None, tuple[str, ...]]] = {
    None: (IMAGENET,),
    "deeplabv3": ("voc", "ade20k"),
    "pspnet": ("voc", "ade20k"),
    "ssdlite": ("coco",),
}
"""Whose classes are meant by as many outputs, if nothing says it."""
_MAX_LEFT_OUT: Final = 16
_OVERRIDES: Final = ("channel_order", "resize", "interpolation")
_NORMALIZATIONS: Final = ("normalize", "mean", "std")


@dataclass(frozen=True)
class SourceModel:
    """The reference model with everything the manifest needs to say about its input and output.

    ``outputs`` is the length of an output: classes, or features where there is no classifier.
    ``multilabel`` says that each of them was trained by itself; ``head_provenance`` where what
    shapes do not tell of a head for masks or boxes comes from.
    """

    model: MobileViT
    outputs: int
    image_size: tuple[int, int]
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    labels_source: str
    origin: SourceInfo
    multilabel: bool = False
    head_provenance: str = ""

    @property
    def task(self) -> Task:
        """What the outputs mean."""
        if self.spec.head is not None:
            return "detection" if self.spec.head.name == "ssdlite" else "segmentation"
        if self.model.num_classes == 0:
            return "embedding"
        return "multilabel" if self.multilabel or self.outputs == 1 else "classification"

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
    multilabel, head_provenance = False, ""
    settings = HeadSettings(options.output_stride, options.rates, options.mask_resize)
    try:
        if weights == RANDOM:
            model, preprocessing, carried_labels, origin = _random(options.model, settings)
            head_provenance = origin.origin
        else:
            checkpoint = read_checkpoint(weights)
            spec = spec_for(checkpoint, options.model, settings)
            preprocessing = preprocessing_of(checkpoint, spec)
            model = load_model(checkpoint, model=spec)
            head_provenance = _head_provenance(checkpoint, spec, settings)
            carried_labels = labels_of(checkpoint)
            multilabel = is_multilabel(checkpoint)
            origin = SourceInfo(
                origin=_public_origin(checkpoint.origin),
                naming=checkpoint.naming,
                part=checkpoint.wrapper,
                sha256=checkpoint.sha256,
                left_out=left_out(checkpoint.ignored),
            )
    except ValueError as error:
        raise UsageError(str(error)) from error
    outputs = model.num_classes or _feature_width(model)
    if outputs < 1:
        raise CheckpointError(f"{weights}: the model has no outputs")
    given = None if options.labels is None else str(options.labels)
    if model.num_classes > 0:
        likely = _DATA_SETS.get(None if model.spec.head is None else model.spec.head.name, ())
        labels, labels_source = resolve_labels(given, carried_labels, outputs, likely)
    elif given is not None:
        raise UsageError(f"{weights} has no classifier: its outputs are features, without --labels")
    else:
        labels = tuple(f"feature_{index}" for index in range(outputs))
        labels_source = "features, numbered"
    preprocessing = _overridden(preprocessing, options)
    source = SourceModel(
        model=model.requires_grad_(False),
        outputs=outputs,
        image_size=options.fixed_size or preprocessing.image_size,
        preprocessing=preprocessing,
        labels=labels,
        labels_source=labels_source,
        origin=origin,
        multilabel=multilabel,
        head_provenance=head_provenance,
    )
    _check_activation(source, options)
    return source


def _head_provenance(checkpoint: Checkpoint, spec: ModelSpec, settings: HeadSettings) -> str:
    found = find_head(checkpoint, spec, settings)
    return "" if found is None else found.provenance


def left_out(names: Sequence[str]) -> tuple[str, ...]:
    """The first of the tensors that are not part of the network, and how many more there are."""
    shown = tuple(names[:_MAX_LEFT_OUT])
    more = len(names) - len(shown)
    return (*shown, f"and {more} more") if more else shown


def _check_activation(source: SourceModel, options: ExportOptions) -> None:
    if options.activation != "none" and source.spec.head is not None:
        raise UsageError(f"{options.weights} has a head for {source.task}: leave out --activation")
    if options.activation != "none" and source.task == "embedding":
        raise UsageError(
            f"{options.weights} has no classifier: its outputs are features, leave out --activation"
        )
    if options.activation == "softmax" and source.outputs == 1:
        raise UsageError(
            "softmax of a single output is always 1: pass --activation sigmoid, or leave it out"
        )


def _overridden(preprocessing: Preprocessing, options: ExportOptions) -> Preprocessing:
    """The preprocessing with what the user has set instead."""
    given = [name for name in (*_OVERRIDES, *_NORMALIZATIONS) if getattr(options, name) is not None]
    if not given:
        return preprocessing
    order = preprocessing.channel_order
    if options.channel_order is not None and order not in COLOR_ORDERS:
        raise UsageError(
            f"leave out --channel-order: {options.weights} takes images of {CHANNELS[order]} "
            f"channels, {order}"
        )
    changes: dict[str, Any] = {n: getattr(options, n) for n in given if n in _OVERRIDES}
    changed = replace(preprocessing, **changes)
    return replace(
        changed,
        normalization=_normalization(changed, options),
        provenance=f"{preprocessing.provenance}; {', '.join(given)} set by the user",
    )


def _normalization(preprocessing: Preprocessing, options: ExportOptions) -> Normalization:
    """What the user has set, in the order of the model's channels, or else the source's own."""
    own = preprocessing.normalization
    channels = CHANNELS[preprocessing.channel_order]
    try:
        if options.normalize is not None:
            reverse = preprocessing.channel_order == "BGR"
            return preset(options.normalize, reverse=reverse, channels=channels)
        return Normalization(
            own.mean if options.mean is None else for_channels(options.mean, channels),
            own.std if options.std is None else for_channels(options.std, channels),
        )
    except ValueError as error:
        raise UsageError(f"--mean, --std and --normalize: {error}") from error


def _random(name: str, settings: HeadSettings) -> tuple[MobileViT, Preprocessing, None, SourceInfo]:
    if name == "auto":
        raise UsageError("--weights random needs --model NAME; mobilevit-export --list shows names")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        model = create_model(_with_settings(find_spec(name), settings))
        calibrate_batch_norm_statistics(model)
    origin = f"random weights (seed {RANDOM_SEED})"
    preprocessing = RANDOM_WEIGHTS
    if model.spec.head is not None:
        size = BOXES_SIZE if model.spec.head.name == "ssdlite" else MASKS_SIZE
        preprocessing = replace(preprocessing, resize="stretch", image_size=size)
    return model, preprocessing, None, SourceInfo(origin, None, "", None, ())


def _with_settings(spec: ModelSpec, settings: HeadSettings) -> ModelSpec:
    """``spec`` with what the user has set of its head.

    Raises:
        ValueError: it has no such head.
    """
    if settings == HeadSettings():
        return spec
    head, backbone = split_name(spec.name)
    if spec.head is None or spec.head.name == "ssdlite" or head is None:
        raise ValueError(f"{spec.name} has no head for masks: leave out the options of one")
    stride = settings.output_stride or spec.head.output_stride
    made = with_head_called(find_spec(backbone), head, stride)
    changes = {"rates": settings.rates, "resize": settings.mask_resize}
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return replace(made, head=replace(made.head, **given))  # type: ignore[type-var]
    except TypeError as error:
        raise ValueError(f"{spec.name} has no rates: leave out --rates") from error


def calibrate_batch_norm_statistics(model: MobileViT) -> None:
    """Give batch norms the statistics of noise images.

    Without them activations shrink from layer to layer, below what fp16 holds. A head for boxes
    goes on halving its maps: in small images all of theirs are one pixel, hardly different from
    image to image, and what is divided by that grows beyond all numbers in larger ones.
    """
    has_boxes = isinstance(model.spec.head, SSDLiteSpec)
    side = BOXES_SIZE[0] if has_boxes else _CALIBRATION_SIZE
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # a plain average instead of a moving one
    with torch.no_grad():
        model.train()(torch.rand(8, model.spec.in_channels, side, side))
    for norm in norms:
        norm.momentum = 0.1
    model.eval()


def _feature_width(model: MobileViT) -> int:
    return model.spec.pre_head_channels or model.spec.stages[-1].channels


def _public_origin(origin: str) -> str:
    """The origin without folders of this machine."""
    return origin if origin.startswith(HUB_PREFIX) else Path(origin).name
