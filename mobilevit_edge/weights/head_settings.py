"""What a checkpoint's head is: from names and shapes, and from what lies beside them.

Shapes do not tell the output stride, the dilations of DeepLabV3's pyramid, or how logits become a
mask. A config beside the weights does: transformers' ``config.json``, or the ``.yaml`` that CVNets
writes. Without one, the released checkpoints of the code whose names the file carries decide, and
the provenance says that they did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar, cast

from mobilevit_edge.boxes import BOX_VALUES
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.head_specs import (
    MASK_RESIZES,
    OUTPUT_STRIDES,
    RATES,
    DeepLabV3Spec,
    HeadSpec,
    MaskResize,
    OutputStride,
    PSPNetSpec,
    SSDLiteSpec,
)
from mobilevit_edge.specs import ModelSpec
from mobilevit_edge.weights.checkpoint import Checkpoint
from mobilevit_edge.weights.head_naming import has_v01_names, head_key, kind_of_head

Value = TypeVar("Value")

_YAML: Final = "model.segmentation."
_ADE20K_CLASSES: Final = 150
_NARROW: Final = 256
_MAX_RATE: Final = 512
_MAX_WIDTH: Final = 8192
"""A small file can claim any shape."""


@dataclass(frozen=True)
class HeadSettings:
    """What shapes do not tell of a head for masks; ``None`` where nothing says it."""

    output_stride: OutputStride | None = None
    rates: tuple[int, int, int] | None = None
    mask_resize: MaskResize | None = None


@dataclass(frozen=True)
class FoundHead:
    """A checkpoint's head, its classes, and where what shapes do not tell comes from."""

    spec: HeadSpec
    classes: int
    provenance: str


def find_head(
    checkpoint: Checkpoint, backbone: ModelSpec, given: HeadSettings | None = None
) -> FoundHead | None:
    """The head of a checkpoint on ``backbone``; ``None`` if it classifies.

    Args:
        checkpoint: as it was read.
        backbone: the architecture that its other tensors have.
        given: what the user has set.

    Raises:
        CheckpointError: a head that is none of those known here, or a config with values that no
            head has.
        ValueError: something is set that the head does not have.
    """
    given = given or HeadSettings()
    kind = kind_of_head(checkpoint.tensors)
    set_by_user = [entry.name for entry in fields(given) if getattr(given, entry.name) is not None]
    if kind in (None, "ssdlite") and set_by_user:
        what = "has no head for masks" if kind is None else "has a head for boxes"
        listed = ", ".join(f"--{name.replace('_', '-')}" for name in set_by_user)
        raise ValueError(f"{checkpoint.origin} {what}: leave out {listed}")
    match kind:
        case None:
            return None
        case "ssdlite":
            spec = SSDLiteSpec()
            return FoundHead(spec, classes_of(checkpoint, spec), "anchors as CVNets has them")
        case "pspnet":
            if given.rates is not None:
                raise ValueError(f"{checkpoint.origin} has a PSPNet head: leave out --rates")
            probe: HeadSpec = PSPNetSpec(16, "aligned")
            width = _size(checkpoint, probe, "head.fusion.conv.weight")
        case "deeplabv3":
            probe = DeepLabV3Spec(16, 0, RATES[16], _default_resize(checkpoint))
            width = _size(checkpoint, probe, "head.project.conv.weight")
    if width > _MAX_WIDTH:
        raise CheckpointError(
            f"{checkpoint.origin}: its {kind} head claims {width} channels; at most {_MAX_WIDTH} "
            f"are supported"
        )
    classes = classes_of(checkpoint, probe)
    found = _Settled(checkpoint, given, backbone, width, classes)
    stride = found.output_stride()
    resize = found.value("mask_resize", _default_resize(checkpoint), "how its code resizes masks")
    if kind == "pspnet":
        return FoundHead(PSPNetSpec(stride, resize, width), classes, found.provenance)
    rates = found.value("rates", RATES[stride], f"as released at output stride {stride}")
    return FoundHead(DeepLabV3Spec(stride, width, rates, resize), classes, found.provenance)


def classes_of(checkpoint: Checkpoint, head: HeadSpec) -> int:
    """How many classes a head of this kind has in ``checkpoint``.

    Raises:
        CheckpointError: it has no such head.
    """
    if not isinstance(head, SSDLiteSpec):
        return _size(checkpoint, head, "head.classifier.weight")
    outputs = _size(checkpoint, head, "head.levels.0.predict.weight")
    return outputs // head.anchors_per_cell[0] - BOX_VALUES


def _size(checkpoint: Checkpoint, head: HeadSpec, key: str) -> int:
    """The first dimension of a weight of the head."""
    name = head_key(key, head, checkpoint.naming)
    tensor = checkpoint.tensors.get(name)
    if tensor is None or tensor.ndim != 4:
        raise CheckpointError(
            f"{checkpoint.origin}: its {head.name} head has no {name}, or not that of a "
            f"convolution; use a complete checkpoint"
        )
    return int(tensor.shape[0])


def _default_resize(checkpoint: Checkpoint) -> MaskResize:
    if checkpoint.naming == "transformers":
        return "half-pixel"
    return "half-pixel-nearest" if has_v01_names(checkpoint.tensors) else "aligned"


class _Settled:
    """Settings one by one: the user's, or the config's, or the released checkpoints'."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        given: HeadSettings,
        backbone: ModelSpec,
        width: int,
        classes: int,
    ) -> None:
        self._given, self._backbone = given, backbone
        self._width, self._classes = width, classes
        self._config = _configured(checkpoint)
        self._said: list[str] = []

    @property
    def provenance(self) -> str:
        """Where each value comes from."""
        return "; ".join(self._said)

    def value(self, name: str, default: Value, why: str) -> Value:
        """The setting ``name``, or else ``default``, for the reason ``why``."""
        for origin, settings in (("set by the user", self._given), self._config):
            value = getattr(settings, name)
            if value is not None:
                self._say(name, value, origin)
                return cast(Value, value)
        self._say(name, default, f"inferred: {why}")
        return default

    def output_stride(self) -> OutputStride:
        """The output stride, inferred from what else is known where nothing says it."""
        rates = self._given.rates or self._config[1].rates
        if rates == RATES[8]:
            return self.value("output_stride", 8, "that of these rates")
        if self._classes == _ADE20K_CLASSES and self._width != _NARROW:
            return self.value("output_stride", 8, "as released for ADE20K")
        if self._backbone.layout == "tokens" and self._width != _NARROW:
            return self.value("output_stride", 8, "as released for V1 with this width")
        return self.value("output_stride", 16, "as most released checkpoints")

    def _say(self, name: str, value: object, origin: str) -> None:
        shown = "/".join(map(str, value)) if isinstance(value, tuple) else value
        self._said.append(f"{name.replace('_', ' ')} {shown} ({origin})")


def _configured(checkpoint: Checkpoint) -> tuple[str, HeadSettings]:
    """What the config beside the weights says, and its name."""
    name, config = checkpoint.head_config or ("no config", {})
    try:
        if checkpoint.naming == "transformers":
            return name, _from_transformers(config) if config else HeadSettings()
        return name, _from_cvnets(config)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint.origin}: {name} beside it describes no head ({error}); correct or "
            f"remove it"
        ) from error


def _from_transformers(config: Mapping[str, Any]) -> HeadSettings:
    """Of ``config.json``, which leaves out what is transformers' default."""
    return HeadSettings(
        output_stride=_one_of(config.get("output_stride", 32), OUTPUT_STRIDES, "output_stride"),
        rates=_rates(config.get("atrous_rates", [6, 12, 18]), "atrous_rates"),
        mask_resize=_optional(config, "mask_resize", _mask_resize),
    )


def _from_cvnets(config: Mapping[str, Any]) -> HeadSettings:
    """Of a ``.yaml``, nested or with dotted names; of a ``config.json`` with plain names."""
    found = dict(config)
    for name, value in config.items():
        if name.startswith(_YAML):
            found.setdefault(name.removeprefix(_YAML), value)
    if "deeplabv3.aspp_rates" in found:
        found["rates"] = found["deeplabv3.aspp_rates"]
    return HeadSettings(
        output_stride=_optional(
            found, "output_stride", lambda v: _one_of(v, OUTPUT_STRIDES, "output_stride")
        ),
        rates=_optional(found, "rates", lambda v: _rates(v, "rates")),
        mask_resize=_optional(found, "mask_resize", _mask_resize),
    )


def _optional(config: Mapping[str, Any], name: str, read: Callable[[Any], Value]) -> Value | None:
    return None if config.get(name) is None else read(config[name])


def _mask_resize(value: Any) -> MaskResize:
    return _one_of(value, MASK_RESIZES, "mask_resize")


def _one_of(value: Any, choices: Sequence[Value], name: str) -> Value:
    # 16.0 and True are equal to whole numbers, and are none.
    if type(value) is not type(choices[0]) or value not in choices:
        raise ValueError(f"{name} {value!r:.100} is none of {', '.join(map(str, choices))}")
    return value


def _rates(value: Any, name: str) -> tuple[int, int, int]:
    fits = isinstance(value, list | tuple) and len(value) == len(RATES[16])
    if not fits or not all(type(rate) is int and 1 <= rate <= _MAX_RATE for rate in value):
        raise ValueError(f"{name} {str(value)[:100]} is not three whole numbers")
    first, second, third = value
    return first, second, third
