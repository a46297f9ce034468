"""The models as transformers implements them: what a user would export without this project."""

from __future__ import annotations

from typing import Any, Final

from torch import Tensor, nn

from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import ModelSpec
from mobilevit_edge.weights.saving import named_weights

_CLASSES: Final[dict[str, Any]] = {"num_labels": 1000}
"""Untyped: the hints of the configs lack this keyword of their base class."""


class Logits(nn.Module):
    """A transformers classifier as ``[B, 3, H, W] -> [B, classes]``."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(pixel_values=x).logits  # type: ignore[no-any-return]


def transformers_implementation(model: MobileViT) -> nn.Module | None:
    """The same architecture and weights in transformers, which has no V3: then ``None``."""
    if model.spec.generation == 3:
        return None
    classifier = _untrained(model.spec)
    classifier.load_state_dict(named_weights(model, "transformers"))
    return Logits(classifier).eval()


def _untrained(spec: ModelSpec) -> nn.Module:
    from transformers import (
        MobileViTConfig,
        MobileViTForImageClassification,
        MobileViTV2Config,
        MobileViTV2ForImageClassification,
    )

    if spec.generation == 2:
        width = int(spec.name.rsplit("_", 1)[1]) / 100
        v2 = MobileViTV2Config(width_multiplier=width, image_size=256, **_CLASSES)
        network: nn.Module = MobileViTV2ForImageClassification(v2)
        return network
    early = [spec.stem_channels, spec.stages[0].channels, spec.stages[1].channels]
    late = [stage.channels for stage in spec.stages[2:]]
    assert spec.pre_head_channels is not None
    v1 = MobileViTConfig(
        hidden_sizes=[stage.block.dim for stage in spec.stages if stage.block is not None],
        neck_hidden_sizes=[*early, *late, spec.pre_head_channels],
        expand_ratio=float(spec.expansion),
        image_size=256,
        **_CLASSES,
    )
    network = MobileViTForImageClassification(v1)
    return network
