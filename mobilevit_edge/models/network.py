"""The network that all generations share: stem, five stages, pooled head."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mobilevit_edge.models.blocks import MapBlock, TokenBlock
from mobilevit_edge.models.layers import (
    ConvNormAct,
    GlobalAveragePool,
    InvertedResidual,
    init_weights,
)
from mobilevit_edge.specs import (
    PATCH,
    SPECS,
    Attention,
    ModelSpec,
    StageSpec,
    v3_ablation,
    with_attention,
)

NATIVE_IMAGE_SIZE = 256
"""Side in pixels for which Linformer units are sized."""


def _stage(spec: StageSpec, in_channels: int, *, expansion: int, out_stride: int) -> nn.Sequential:
    parts: list[nn.Module] = [
        InvertedResidual(
            in_channels if index == 0 else spec.channels,
            spec.channels,
            stride=spec.stride if index == 0 else 1,
            expansion=expansion,
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


class MobileViT(nn.Module):
    """A MobileViT classifier of any generation. ``[B, C, H, W] -> [B, num_classes]`` logits.

    C is the spec's ``in_channels``, 3 in every published model. Pixels are expected in 0..1 without
    mean subtraction, in the channel order that the weights' source used. With ``num_classes=0``
    there is no classifier, and the output is the pooled feature vector.
    """

    def __init__(self, spec: ModelSpec, num_classes: int) -> None:
        super().__init__()
        self.spec = spec
        self.num_classes = num_classes
        self.stem = ConvNormAct(spec.in_channels, spec.stem_channels, 3, stride=2)
        channels, stride = spec.stem_channels, 2
        for index, stage in enumerate(spec.stages, start=1):
            stride *= stage.stride
            self.add_module(
                f"layer{index}",
                _stage(stage, channels, expansion=spec.expansion, out_stride=stride),
            )
            channels = stage.channels
        self.pre_head: nn.Module = nn.Identity()
        if spec.pre_head_channels is not None:
            self.pre_head = ConvNormAct(channels, spec.pre_head_channels, 1)
            channels = spec.pre_head_channels
        self.pool: nn.Module = GlobalAveragePool()
        self.head: nn.Module = nn.Linear(channels, num_classes) if num_classes else nn.Identity()

    def stages(self) -> Iterator[tuple[str, nn.Module]]:
        """``stem``, ``layer1`` ... ``layer5`` with their modules, in order."""
        yield "stem", self.stem
        for index in range(1, len(self.spec.stages) + 1):
            yield f"layer{index}", self.get_submodule(f"layer{index}")

    def forward_stages(self, x: Tensor) -> dict[str, Tensor]:
        """Output of every stage by name, for dense heads: strides 2, 2, 4, 8, 16, 32."""
        outputs: dict[str, Tensor] = {}
        for name, stage in self.stages():
            x = stage(x)
            outputs[name] = x
        return outputs

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map before pooling, of stride 32."""
        for _, stage in self.stages():
            x = stage(x)
        return self.pre_head(x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.forward_features(x)))  # type: ignore[no-any-return]


def find_spec(name: str) -> ModelSpec:
    """The spec called ``name``: one of the 19 models, or a row of V3's ablation.

    Raises:
        ValueError: no model has that name; the message lists those that exist.
    """
    specs = {**SPECS, **v3_ablation()}
    if name not in specs:
        raise ValueError(f"unknown model {name!r}; choose one of: {', '.join(SPECS)}")
    return specs[name]


def create_model(
    name: str | ModelSpec, *, num_classes: int = 1000, attention: Attention | None = None
) -> MobileViT:
    """A model with fresh random weights, in eval mode.

    Args:
        name: one of :func:`list_models`, a row of :func:`mobilevit_edge.specs.v3_ablation`, or
            your own spec.
        num_classes: outputs of the classifier; 0 leaves the classifier out.
        attention: swaps the attention unit inside every block; ``None`` keeps the model's own.

    Raises:
        ValueError: unknown name or attention, or a unit that the model's blocks cannot hold.
    """
    spec = find_spec(name) if isinstance(name, str) else name
    if num_classes < 0:
        raise ValueError(f"num_classes must not be negative, got {num_classes}")
    if attention is not None:
        spec = with_attention(spec, attention)
    model = MobileViT(spec, num_classes)
    model.apply(init_weights)
    return model.eval()


def create_meta_model(spec: ModelSpec, num_classes: int) -> MobileViT:
    """A model without memory for its weights, in eval mode: to count, or to load weights into."""
    with torch.device("meta"):
        return MobileViT(spec, num_classes).eval()


def list_models() -> list[str]:
    """Names of the 19 models."""
    return list(SPECS)
