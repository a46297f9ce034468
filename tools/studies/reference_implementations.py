"""The models as transformers implements them: what a user would export without this project."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mobilevit_edge.head_specs import DeepLabV3Spec
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import ModelSpec
from mobilevit_edge.weights.saving import named_weights


class Logits(nn.Module):
    """A network of transformers as ``[B, 3, H, W] -> [B, classes]``.

    With a head for masks, as ``[B, classes, h, w]`` of low resolution.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(pixel_values=x).logits  # type: ignore[no-any-return]


def transformers_implementation(model: MobileViT) -> nn.Module | None:
    """The same architecture and weights in transformers; ``None`` where that has none.

    It has neither V3 nor heads but DeepLabV3. Under that, it leaves out the dilations inside V2's
    blocks, which change what is computed and not how much.
    """
    spec = model.spec
    if spec.generation == 3 or not isinstance(spec.head, DeepLabV3Spec | None):
        return None
    network = _untrained(spec, model.num_classes)
    network.load_state_dict(named_weights(model, "transformers"))
    return Logits(network).eval()


def _untrained(spec: ModelSpec, classes: int) -> nn.Module:
    from transformers import (
        MobileViTConfig,
        MobileViTForImageClassification,
        MobileViTForSemanticSegmentation,
        MobileViTV2Config,
        MobileViTV2ForImageClassification,
        MobileViTV2ForSemanticSegmentation,
    )

    head = spec.head
    # Untyped: the hints of the configs lack some keywords of their base class.
    settings: dict[str, Any] = {"num_labels": classes, "image_size": 256}
    if isinstance(head, DeepLabV3Spec):
        settings |= {
            "output_stride": head.output_stride,
            "aspp_out_channels": head.width,
            "atrous_rates": list(head.rates),
        }
    network: nn.Module
    if spec.generation == 2:
        width = int(spec.name.rsplit("_", 1)[1]) / 100
        v2 = MobileViTV2Config(width_multiplier=width, **settings)
        network = (
            MobileViTV2ForSemanticSegmentation if head else MobileViTV2ForImageClassification
        )(v2)
        return network
    channels = [spec.stem_channels, *(stage.channels for stage in spec.stages)]
    v1 = MobileViTConfig(
        hidden_sizes=[stage.block.dim for stage in spec.stages if stage.block is not None],
        # Without the expansion before a classifier, its width says nothing.
        neck_hidden_sizes=[*channels, spec.pre_head_channels or channels[-1]],
        expand_ratio=float(spec.expansion),
        **settings,
    )
    network = (MobileViTForSemanticSegmentation if head else MobileViTForImageClassification)(v1)
    return network
