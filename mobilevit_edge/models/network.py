"""The network that all generations share: stem, five stages, and a head."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor, nn

from mobilevit_edge.head_specs import (
    HeadName,
    HeadSpec,
    OutputStride,
    SSDLiteSpec,
    default_classes,
)
from mobilevit_edge.models.blocks import MapBlock, TokenBlock
from mobilevit_edge.models.detection import SSDLiteHead
from mobilevit_edge.models.layers import (
    ConvNormAct,
    GlobalAveragePool,
    InvertedResidual,
    init_weights,
)
from mobilevit_edge.models.segmentation import DeepLabV3Head, PSPNetHead
from mobilevit_edge.specs import (
    PATCH,
    SPECS,
    Attention,
    ModelSpec,
    StageSpec,
    split_name,
    v3_ablation,
    with_attention,
    with_head,
    with_head_called,
)

IMAGENET_CLASSES = 1000
NATIVE_IMAGE_SIZE = 256
"""Side in pixels for which Linformer units are sized."""


def _stage(spec: StageSpec, in_channels: int, *, expansion: int, out_stride: int) -> nn.Sequential:
    parts: list[nn.Module] = [
        InvertedResidual(
            in_channels if index == 0 else spec.channels,
            spec.channels,
            stride=spec.stride if index == 0 else 1,
            expansion=expansion,
            dilation=spec.dilation,
        )
        for index in range(spec.repeats)
    ]
    if spec.block is not None:
        if spec.block.layout == "tokens":
            max_tokens = (NATIVE_IMAGE_SIZE // out_stride // PATCH) ** 2
            parts.append(TokenBlock(spec.block, spec.channels, max_tokens=max_tokens))
        else:
            parts.append(MapBlock(spec.block, spec.channels))
    return nn.Sequential(*parts)


def _dense_head(spec: ModelSpec, head: HeadSpec, num_classes: int) -> nn.Module:
    if num_classes < 1:
        raise ValueError(f"a {head.name} head needs classes, got num_classes={num_classes}")
    *_, before, last = (stage.channels for stage in spec.stages)
    match head.name:
        case "deeplabv3":
            return DeepLabV3Head(head, last, num_classes)
        case "pspnet":
            return PSPNetHead(head, last, num_classes)
        case "ssdlite":
            return SSDLiteHead(head, (before, last), num_classes)


class MobileViT(nn.Module):
    """A MobileViT of any generation, with any head.

    ``[B, C, H, W]`` -> logits ``[B, num_classes]``, or with a head for masks the low-resolution
    ones, ``[B, num_classes, h, w]``, or with one for boxes ``[B, anchors, 4 + num_classes]``
    (:class:`~mobilevit_edge.models.detection.SSDLiteHead`).

    C is the spec's ``in_channels``, 3 in every published model. Pixels are expected in 0..1 without
    mean subtraction, in the channel order that the weights' source used. With ``num_classes=0``
    there is no classifier, and the output is the pooled feature vector.
    """

    def __init__(self, spec: ModelSpec, num_classes: int) -> None:
        super().__init__()
        self.spec = spec
        self.num_classes = num_classes
        self.stem = ConvNormAct(spec.in_channels, spec.stem_channels, 3, stride=2)
        channels = spec.stem_channels
        for index, (stage, stride) in enumerate(zip(spec.stages, spec.strides, strict=True), 1):
            self.add_module(
                f"layer{index}",
                _stage(stage, channels, expansion=spec.expansion, out_stride=stride),
            )
            channels = stage.channels
        if spec.head is not None:
            self.head: nn.Module = _dense_head(spec, spec.head, num_classes)
            return
        self.pre_head: nn.Module = nn.Identity()
        if spec.pre_head_channels is not None:
            self.pre_head = ConvNormAct(channels, spec.pre_head_channels, 1)
            channels = spec.pre_head_channels
        self.pool: nn.Module = GlobalAveragePool()
        self.head = nn.Linear(channels, num_classes) if num_classes else nn.Identity()

    def stages(self) -> Iterator[tuple[str, nn.Module]]:
        """``stem``, ``layer1`` ... ``layer5`` with their modules, in order."""
        yield "stem", self.stem
        for index in range(1, len(self.spec.stages) + 1):
            yield f"layer{index}", self.get_submodule(f"layer{index}")

    def forward_stages(self, x: Tensor) -> dict[str, Tensor]:
        """Output of every stage by name: strides 2, 2, 4, 8, 16, 32 unless a head keeps less."""
        outputs: dict[str, Tensor] = {}
        for name, stage in self.stages():
            x = stage(x)
            outputs[name] = x
        return outputs

    def head_maps(self, image_size: tuple[int, int]) -> list[tuple[int, int]]:
        """(height, width) of the maps that a head for boxes reads, for images of that size."""
        return list(_box_maps(self.spec, image_size))

    def mask_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the logits of a head for masks, for images of that size."""
        return _mask_size(self.spec, image_size)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map before the head, which for a pooled one is of stride 32."""
        for _, stage in self.stages():
            x = stage(x)
        return x if self.spec.head is not None else self.pre_head(x)

    def forward(self, x: Tensor) -> Tensor:
        match self.spec.head:
            case None:
                return self.head(self.pool(self.forward_features(x)))  # type: ignore[no-any-return]
            case SSDLiteSpec():
                # The maps of strides 16 and 32.
                *_, before, last = self.forward_stages(x).values()
                return self.head(before, last)  # type: ignore[no-any-return]
            case _:
                return self.head(self.forward_features(x))  # type: ignore[no-any-return]


# An export asks for these some six times.
@lru_cache
def _box_maps(spec: ModelSpec, image_size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    model, x = _without_memory(spec, image_size)
    if not isinstance(model.head, SSDLiteHead):
        raise ValueError(f"{spec.name} has no head for boxes")  # noqa: TRY004  of a spec
    *_, before, last = model.forward_stages(x).values()
    return tuple((y.shape[2], y.shape[3]) for y in model.head.maps(before, last))


@lru_cache
def _mask_size(spec: ModelSpec, image_size: tuple[int, int]) -> tuple[int, int]:
    model, x = _without_memory(spec, image_size)
    y = model(x)
    return y.shape[2], y.shape[3]


def _without_memory(spec: ModelSpec, image_size: tuple[int, int]) -> tuple[MobileViT, Tensor]:
    """A model whose answers have shapes alone, whatever its classes, and an input for it."""
    x = torch.empty(1, spec.in_channels, *image_size, device="meta")
    return create_meta_model(spec, 2), x


def find_spec(name: str) -> ModelSpec:
    """The spec called ``name``: one of the 19 models, or a row of V3's ablation.

    With the name of a head before it, as in ``deeplabv3_mobilevit_xxs``, it is the backbone under
    that head, as the authors trained it.

    Raises:
        ValueError: no model has that name; the message lists those that exist.
    """
    head, backbone = split_name(name)
    specs = {**SPECS, **v3_ablation()}
    if backbone not in specs:
        raise ValueError(f"unknown model {name!r}; choose one of: {', '.join(SPECS)}")
    spec = specs[backbone]
    return spec if head is None else with_head_called(spec, head)


def create_model(
    name: str | ModelSpec,
    *,
    num_classes: int | None = None,
    attention: Attention | None = None,
    head: HeadName | HeadSpec | None = None,
    output_stride: OutputStride | None = None,
) -> MobileViT:
    """A model with fresh random weights, in eval mode.

    Args:
        name: one of :func:`list_models`, a row of :func:`mobilevit_edge.specs.v3_ablation`, or
            your own spec; a head's name may stand before it, as in ``deeplabv3_mobilevit_xxs``.
        num_classes: outputs of the classifier; 0 leaves a pooled classifier out. Default: those
            of ImageNet (1000), for masks PASCAL VOC's (21), for boxes COCO's (81), the last two
            with a background, which is class 0.
        attention: swaps the attention unit inside every block; ``None`` keeps the model's own.
        head: ``deeplabv3`` or ``pspnet`` for masks, ``ssdlite`` for boxes, or your own spec of one;
            ``None`` classifies.
        output_stride: of a head for masks, 8, 16 or 32: pixels of the image to one of its logits.

    Raises:
        ValueError: unknown name, head, output stride or attention, or a unit that the model's
            blocks cannot hold.
    """
    spec = find_spec(name) if isinstance(name, str) else name
    if attention is not None:
        spec = with_attention(spec, attention)
    spec = _under_head(spec, head, output_stride)
    if num_classes is None:
        num_classes = IMAGENET_CLASSES if spec.head is None else default_classes(spec.head.name)
    if num_classes < 0:
        raise ValueError(f"num_classes must not be negative, got {num_classes}")
    model = MobileViT(spec, num_classes)
    model.apply(init_weights)
    if isinstance(model.head, SSDLiteHead):
        model.head.init_predictions()
    return model.eval()


def _under_head(
    spec: ModelSpec, head: HeadName | HeadSpec | None, output_stride: OutputStride | None
) -> ModelSpec:
    if spec.head is not None:
        if head is not None:
            raise ValueError(f"{spec.name} has a head already: pass the backbone's name")
        if output_stride not in (None, spec.output_stride):
            name, backbone = split_name(spec.name)
            raise ValueError(
                f"{spec.name} has output stride {spec.output_stride}: pass {backbone!r} with "
                f"head={name!r} and output_stride={output_stride}"
            )
        return spec
    if head is None:
        if output_stride is not None:
            raise ValueError("output_stride belongs to a head for masks: pass head as well")
        return spec
    if isinstance(head, str):
        return with_head_called(spec, head, output_stride)
    if output_stride is not None:
        raise ValueError("output_stride is part of the head's spec: leave it out")
    return with_head(spec, head)


def create_meta_model(spec: ModelSpec, num_classes: int) -> MobileViT:
    """A model without memory for its weights, in eval mode: to count, or to load weights into."""
    with torch.device("meta"):
        return MobileViT(spec, num_classes).eval()


def list_models() -> list[str]:
    """Names of the 19 models."""
    return list(SPECS)
