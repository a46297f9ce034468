"""Strict loading of checkpoints into the reference models."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.models.network import MobileViT, create_meta_model, find_spec
from mobilevit_edge.specs import (
    INPUT_CHANNELS,
    SPECS,
    ModelSpec,
    split_name,
    with_head,
    with_in_channels,
)
from mobilevit_edge.weights.checkpoint import Checkpoint, Source, read_checkpoint
from mobilevit_edge.weights.head_naming import is_in_head
from mobilevit_edge.weights.head_settings import HeadSettings, classes_of, find_head
from mobilevit_edge.weights.naming import NAMINGS, Naming, source_keys

_MAX_LISTED: Final = 4
"""Names of each sort in a message."""
_MAX_NAME: Final = 100
_MAX_COMPARED: Final = 1000
_OTHER_MODEL: Final = "choose another model, or let it be recognized from the checkpoint"
_OTHER_STATE: Final = "remove from the state dict what is not the network's, or use a complete one"
_MAX_CLASSES: Final = 100_000
_WEIGHT_DTYPES: Final = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_HEAD_WEIGHT: Final = "head.weight"
_CLASSIFIER: Final = (_HEAD_WEIGHT, "head.bias")
_STEM_WEIGHT: Final = "stem.conv.weight"
_COUNTER: Final = "num_batches_tracked"


@dataclass(frozen=True)
class WeightsReport:
    """What was loaded. ``ignored`` lists the file's tensors outside the network."""

    model: str
    num_classes: int
    origin: str
    naming: Naming
    wrapper: str
    loaded: int
    ignored: tuple[str, ...]


def load_weights(
    model: MobileViT, source: Source, *, naming: Naming | str = "auto"
) -> WeightsReport:
    """Load ``source`` into ``model``; every parameter must be there and fit.

    Values in fp32 stay bit for bit: channel order and scale belong to preprocessing. Those in half
    precision are widened to it, those in fp64 rounded. ``num_batches_tracked``, which inference
    does not use, becomes 0 where it is missing or no whole number.

    Raises:
        CheckpointError: unreadable, weights that are not finite in fp32, or names or shapes that do
            not fit; the message lists them with both shapes and the nearest names.
    """
    return _load(model, read_checkpoint(source, naming=naming), way_out=_OTHER_MODEL)


def _load(model: MobileViT, checkpoint: Checkpoint, *, way_out: str) -> WeightsReport:
    state = _translated_state(checkpoint, model.spec, model.state_dict(), way_out)
    assign = any(parameter.is_meta for parameter in model.parameters())
    model.load_state_dict(state, assign=assign)
    return _report(model, checkpoint)


def _report(model: MobileViT, checkpoint: Checkpoint) -> WeightsReport:
    return WeightsReport(
        model=model.spec.name,
        num_classes=model.num_classes,
        origin=checkpoint.origin,
        naming=checkpoint.naming,
        wrapper=checkpoint.wrapper,
        loaded=len(checkpoint.tensors),
        ignored=checkpoint.ignored,
    )


def load_backbone(
    model: MobileViT, source: Source, *, naming: Naming | str = "auto"
) -> WeightsReport:
    """Load all of ``model`` but its head, which keeps its weights, from ``source``.

    The source may have another head, or none: a classifier of any origin gives its backbone to a
    model for masks or boxes. What is not the backbone's is reported as ignored.

    Raises:
        CheckpointError: unreadable, or a part of the backbone is missing or does not fit.
    """
    checkpoint = read_checkpoint(source, naming=naming)
    wanted = {
        key: tensor
        for key, tensor in model.state_dict().items()
        if not key.startswith(("head.", "pre_head."))
    }
    names = {name for key in wanted for name in source_keys(key, model.spec, checkpoint.naming)}
    used = {name: tensor for name, tensor in checkpoint.tensors.items() if name in names}
    unused = tuple(name for name in checkpoint.tensors if name not in names)
    backbone = replace(checkpoint, tensors=used, ignored=(*unused, *checkpoint.ignored))
    state = _translated_state(backbone, model.spec, wanted, _OTHER_MODEL)
    model.load_state_dict(state, strict=False)
    return _report(model, backbone)


def load_model(
    source: Source, *, model: str | ModelSpec = "auto", settings: HeadSettings | None = None
) -> MobileViT:
    """The right architecture with the right class count, loaded from ``source``, in eval mode.

    Args:
        source: see :func:`read_checkpoint`.
        model: a model's name, or ``"auto"`` to recognize it by names and shapes: then a head for
            masks or boxes and the channels of its images follow from the checkpoint. Or a spec,
            which tells them itself. The class count follows from the checkpoint in any case.
        settings: what shapes do not tell of a head for masks, in place of what the config beside
            the file, or else the code that wrote it, has; not beside a spec.

    Raises:
        CheckpointError: unreadable, not a known architecture, or it does not fit ``model``.
        ValueError: no model is called ``model``, or ``settings`` for a model without such a head,
            or beside a spec.
    """
    if isinstance(model, ModelSpec) and settings is not None:
        raise ValueError("a spec has its head's settings: pass the model's name, or no settings")
    checkpoint = read_checkpoint(source)
    spec = model if isinstance(model, ModelSpec) else spec_for(checkpoint, model, settings)
    built = create_meta_model(spec, class_count(checkpoint, spec))
    _load(built, checkpoint, way_out=_OTHER_STATE if model == "auto" else _OTHER_MODEL)
    return built.requires_grad_(True)


def spec_for(
    checkpoint: Checkpoint, model: str = "auto", settings: HeadSettings | None = None
) -> ModelSpec:
    """The architecture of a checkpoint, its head included; the arguments of :func:`load_model`.

    Raises:
        CheckpointError: none fits, or it has another head than ``model`` names.
        ValueError: no model is called ``model``, or ``settings`` for a model without such a head.
    """
    head, backbone = split_name(model)
    if model == "auto":
        spec = _detect_backbone(checkpoint)
    else:
        spec = with_in_channels(find_spec(backbone), channel_count(checkpoint))
    found = find_head(checkpoint, spec, settings)
    if head is not None and (found is None or found.spec.name != head):
        has = "no head for masks or boxes" if found is None else f"a {found.spec.name} head"
        raise CheckpointError(f"{checkpoint.origin} has {has}; {_OTHER_MODEL}")
    return spec if found is None else with_head(spec, found.spec)


def class_count(checkpoint: Checkpoint, spec: ModelSpec) -> int:
    """Outputs of the checkpoint's classifier; 0 if it has none.

    Raises:
        CheckpointError: more than any classifier has; a small file can claim any shape.
    """
    if spec.head is not None:
        key, classes = "its head", classes_of(checkpoint, spec.head)
        if classes < 1:
            raise CheckpointError(f"{checkpoint.origin}: its {spec.head.name} head has no classes")
    else:
        (key,) = source_keys(_HEAD_WEIGHT, spec, checkpoint.naming)
        weight = checkpoint.tensors.get(key)
        classes = 0 if weight is None or weight.ndim == 0 else int(weight.shape[0])
    if classes > _MAX_CLASSES:
        raise CheckpointError(
            f"{checkpoint.origin}: {key} claims {classes} classes; "
            f"at most {_MAX_CLASSES} are supported"
        )
    return classes


def channel_count(checkpoint: Checkpoint) -> int:
    """Channels of the images that the checkpoint's stem takes; 3 if it has no such stem.

    Raises:
        CheckpointError: images cannot have that many.
    """
    # The stem is called the same in all architectures.
    (key,) = source_keys(_STEM_WEIGHT, next(iter(SPECS.values())), checkpoint.naming)
    weight = checkpoint.tensors.get(key)
    if weight is None or weight.ndim != 4:
        return 3
    channels = int(weight.shape[1])
    if channels not in INPUT_CHANNELS:
        counts = ", ".join(str(count) for count in INPUT_CHANNELS)
        raise CheckpointError(
            f"{checkpoint.origin}: {key} {list(weight.shape)} takes images of {channels} channels; "
            f"only images of {counts} channels are supported"
        )
    return channels


def detect_spec(checkpoint: Checkpoint) -> ModelSpec:
    """The one architecture whose names and shapes the checkpoint has, its head included.

    For images of 1 or 4 channels it is a variant of that name with such a stem.

    Raises:
        CheckpointError: none fits; the message shows how the closest one differs.
    """
    return spec_for(checkpoint)


def _detect_backbone(checkpoint: Checkpoint) -> ModelSpec:
    """The architecture without regard to a head for masks or boxes."""
    channels = channel_count(checkpoint)
    shapes = _shapes(checkpoint)
    found = {key: s for key, s in shapes.items() if not is_in_head(key, checkpoint.naming)}
    is_dense = len(found) < len(shapes)
    (stem,) = source_keys(_STEM_WEIGHT, next(iter(SPECS.values())), checkpoint.naming)
    if channels != 3:
        found[stem] = (found[stem][0], 3, *found[stem][2:])
    width = found.get(stem, ())[:1]
    best: tuple[float, ModelSpec | None] = (-1.0, None)
    for spec in sorted(SPECS.values(), key=lambda spec: (spec.stem_channels,) != width):
        expected = _expected_shapes(spec, checkpoint.naming, is_dense)
        same = sum(found.get(key) == shape for key, shape in expected.items())
        score = same / len(expected.keys() | found.keys())
        if score > best[0]:
            best = (score, spec)
        classifier = {source_keys(key, spec, checkpoint.naming)[0] for key in _CLASSIFIER}
        if same == len(expected) and found.keys() - expected.keys() <= classifier:
            break  # Building the other models to compare takes a second.
    assert best[1] is not None
    expected = _expected_shapes(best[1], checkpoint.naming, is_dense)
    if all(found.get(key, shape) == shape for key, shape in expected.items()) and best[0] > 0.5:
        return with_in_channels(best[1], channels)
    difference = _difference(expected, found)
    raise CheckpointError(
        f"{checkpoint.origin} ({checkpoint.naming} naming) fits none of the {len(SPECS)} models; "
        f"nearest is {best[1].name}, which differs in:\n{difference}"
    )


@lru_cache(maxsize=2 * len(NAMINGS) * len(SPECS))
def _expected_shapes(
    spec: ModelSpec, naming: Naming, is_dense: bool
) -> Mapping[str, tuple[int, ...]]:
    """Shapes under ``naming`` of everything but the head and the batch counters."""
    if is_dense:
        spec = replace(spec, pre_head_channels=None)
    shapes: dict[str, tuple[int, ...]] = {}
    for key, tensor in create_meta_model(spec, 0).state_dict().items():
        if not key.endswith(_COUNTER):
            names = source_keys(key, spec, naming)
            shapes |= dict.fromkeys(names, _slice_shape(tensor, len(names)))
    return shapes


def _slice_shape(tensor: Tensor, slices: int) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    return shape if slices == 1 else (shape[0] // slices, *shape[1:])


def _shapes(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors but the batch counters, which play no part."""
    return {
        key: tuple(tensor.shape)
        for key, tensor in checkpoint.tensors.items()
        if not key.endswith(_COUNTER)
    }


def _translated_state(
    checkpoint: Checkpoint, spec: ModelSpec, wanted: Mapping[str, Tensor], way_out: str
) -> dict[str, Tensor]:
    """The checkpoint's tensors under our names, checked against the shapes of ``wanted``."""
    sources = {key: source_keys(key, spec, checkpoint.naming) for key in wanted}
    expected: dict[str, tuple[int, ...]] = {}
    for key, tensor in wanted.items():
        if not key.endswith(_COUNTER):
            shape = _slice_shape(tensor, len(sources[key]))
            expected |= dict.fromkeys(sources[key], shape)
    found = _shapes(checkpoint)
    if found != expected:
        raise CheckpointError(
            f"{checkpoint.origin} ({checkpoint.naming} naming) does not fit {spec.name}:\n"
            f"{_difference(expected, found)}\n{way_out}"
        )
    state = {}
    for key, tensor in wanted.items():
        if key.endswith(_COUNTER):
            state[key] = _as_counter(checkpoint.tensors.get(sources[key][0]), tensor)
        else:
            parts = [_as_parameter(name, checkpoint, tensor) for name in sources[key]]
            state[key] = parts[0] if len(parts) == 1 else torch.cat(parts)
    return state


def _as_counter(tensor: Tensor | None, like: Tensor) -> Tensor:
    usable = tensor is not None and tensor.dtype in (torch.int64, torch.int32)
    if tensor is None or not usable or tensor.shape != like.shape or tensor.is_meta:
        return torch.zeros((), dtype=like.dtype)
    return tensor.detach().to(dtype=like.dtype, copy=True)


def _as_parameter(name: str, checkpoint: Checkpoint, like: Tensor) -> Tensor:
    tensor = checkpoint.tensors[name]
    if tensor.layout != torch.strided or tensor.is_meta or tensor.dtype not in _WEIGHT_DTYPES:
        raise CheckpointError(
            f"{checkpoint.origin}: {name} is a {tensor.layout} {tensor.dtype} tensor on "
            f"{tensor.device}; plain {', '.join(map(str, _WEIGHT_DTYPES))} are expected"
        )
    # A contiguous copy: the source may be a view of a larger tensor, or be changed later.
    parameter = tensor.detach().to(dtype=like.dtype, copy=True).contiguous()
    if not torch.isfinite(parameter).all():
        raise CheckpointError(
            f"{checkpoint.origin}: {name} holds NaN or Inf, or what {like.dtype} has no room for; "
            f"training may have diverged: use an earlier checkpoint"
        )
    return parameter


def _difference(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> str:
    """A list of what is missing, unexpected or misshapen, with nearest names."""
    missing = [key for key in expected if key not in found]
    unexpected = [key for key in found if key not in expected]
    misshapen = [key for key in expected if key in found and found[key] != expected[key]]
    candidates = [key for key in unexpected if len(key) < _MAX_NAME][:_MAX_COMPARED]
    lines = [
        f"  wrong shape: {key} is {_shape(found[key])}, expected {_shape(expected[key])}"
        for key in misshapen[:_MAX_LISTED]
    ]
    for key in missing[:_MAX_LISTED]:
        near = difflib.get_close_matches(key, candidates, n=1)
        hint = f"; nearest is {near[0]} {_shape(found[near[0]])}" if near else ""
        lines.append(f"  missing: {key} {_shape(expected[key])}{hint}")
    lines += [
        f"  unexpected: {key[:_MAX_NAME]} {_shape(found[key])}" for key in unexpected[:_MAX_LISTED]
    ]
    total = len(missing) + len(unexpected) + len(misshapen)
    if total > len(lines):
        lines.append(f"  ... and {total - len(lines)} more")
    return "\n".join(lines)


def _shape(shape: tuple[int, ...]) -> str:
    return str(list(shape))[:_MAX_NAME]
