"""The lower bound of a model's latency: its convolutions, products and activations alone.

A network with the same convolutions, linear layers, matrix products and activations as the
reference, chained in the same shapes, and nothing else: no norms, residual sums, softmax, layout
changes, resizing or concatenations. Its outputs are meaningless. A runtime cannot be faster than
this with the same arithmetic; a rewrite that saves arithmetic can.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.workloads.lower_bound_heads import lower_bound_of_head, plain_conv
from mobilevit_edge.models.blocks import MapBlock, TokenBlock
from mobilevit_edge.models.layers import ConvNormAct, InvertedResidual
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import HEADS, PATCH, PHASES


class LowerBoundLayer(nn.Module):
    """The projections of one transformer layer; subclasses say what attention multiplies."""

    def __init__(self, dim: int, ffn_dim: int, *, query_dim: int) -> None:
        super().__init__()
        widths = {"query": query_dim, "key": dim, "value": dim, "out": dim}
        self.attention = nn.ModuleDict(
            {name: nn.Conv2d(dim, width, 1) for name, width in widths.items()}
        )
        self.ffn_in = nn.Conv2d(dim, ffn_dim, 1)
        self.ffn_out = nn.Conv2d(ffn_dim, dim, 1)

    def feed_forward(self, x: Tensor) -> Tensor:
        """``[B, d, H, W] -> same``."""
        return self.ffn_out(F.silu(self.ffn_in(x)))  # type: ignore[no-any-return]


class LowerBoundMapLayer(LowerBoundLayer):
    """A layer of the V2 family. ``[B, d, H, W] -> same``, and the scores before their softmax."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        unit = self.attention
        scores = unit["query"](x)
        x = unit["out"](unit["key"](F.relu(unit["value"](x))))
        return self.feed_forward(x), scores


class LowerBoundTokenLayer(LowerBoundLayer):
    """A layer of the V1 family. ``[B, d, H, W] -> same``, and the products of q, k and v."""

    def forward(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        unit = self.attention
        x = unit["out"](unit["value"](unit["key"](unit["query"](x))))
        q = torch.bmm(torch.bmm(q, k), v)
        return self.feed_forward(x), q


class LowerBoundMapBlock(nn.Module):
    """Products of a V2 family block. ``[B, C, H, W] -> same``, and its side outputs."""

    def __init__(self, block: MapBlock) -> None:
        super().__init__()
        d, channels = block.spec.dim, block.projection.conv.out_channels
        self.spatial = plain_conv(block.local.spatial)
        self.pointwise = block.local.pointwise
        self.layers = nn.ModuleList(
            LowerBoundMapLayer(d, block.spec.ffn_dim, query_dim=1) for _ in block.layers
        )
        self.projection = nn.Conv2d(d, channels, 1)
        self.local_projection = nn.Conv2d(d, channels, 1) if block.spec.fusion else None

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        local = x = self.pointwise(self.spatial(x))
        side: list[Tensor] = []
        for layer in self.layers:
            x, scores = layer(x)
            side.append(scores)
        if self.local_projection is not None:
            side.append(self.local_projection(local))
        return self.projection(x), side


class LowerBoundTokenBlock(nn.Module):
    """Products of a V1 family block, its linear layers as 1x1 convolutions.

    The attention's products run on inputs of their own (q, k transposed, v), so that nothing has to
    change its layout.
    """

    def __init__(self, block: TokenBlock) -> None:
        super().__init__()
        assert block.spec.fusion is not None
        d, channels = block.spec.dim, block.projection.conv.out_channels
        kernel = block.spec.fusion.kernel_size
        self.fuses_local = block.spec.fusion.features == "local"
        self.spatial = plain_conv(block.local.spatial)
        self.pointwise = block.local.pointwise
        self.layers = nn.ModuleList(
            LowerBoundTokenLayer(d, block.spec.ffn_dim, query_dim=d) for _ in block.layers
        )
        self.projection = nn.Conv2d(d, channels, 1)
        # One convolution over a concatenation is two over its parts.
        features = block.fusion.conv.in_channels - channels
        self.fuse_features = nn.Conv2d(features, channels, kernel, padding=kernel // 2)
        self.fuse_projected = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, list[Tensor]]:
        entrance, local = x, self.pointwise(self.spatial(x))
        x = local
        for layer in self.layers:
            x, q = layer(x, q, k, v)
        side = self.fuse_features(local if self.fuses_local else entrance)
        return F.silu(self.fuse_projected(F.silu(self.projection(x)))), [q, side]


class LowerBoundNetwork(nn.Module):
    """The whole network's products, with modules named as in the network itself.

    The first input is the image, the others are V1's q, k, v.
    """

    def __init__(self, model: MobileViT) -> None:
        super().__init__()
        self.stem = plain_conv(model.stem)
        self.stages = [name for name, _ in model.stages() if name != "stem"]
        for name in self.stages:
            parts = model.get_submodule(name).children()
            self.add_module(name, nn.ModuleList(_lower_bound_of(part) for part in parts))
        # Heads for masks and boxes have none.
        pre_head = getattr(model, "pre_head", None)
        self.pre_head: nn.Module = nn.Identity()
        if isinstance(pre_head, ConvNormAct):
            self.pre_head = plain_conv(pre_head)
        self.head = lower_bound_of_head(model.head)

    def forward(self, x: Tensor, *attention: Tensor) -> list[Tensor]:
        # Everything computed is an output: a runtime drops what nobody reads.
        outputs: list[Tensor] = []
        before = x = self.stem(x)
        for name in self.stages:
            before = x
            for part in self.get_submodule(name).children():
                if isinstance(part, LowerBoundTokenBlock):
                    x, side = part(x, *attention[:3])
                    attention = attention[3:]
                    outputs += side
                elif isinstance(part, LowerBoundMapBlock):
                    x, side = part(x)
                    outputs += side
                else:
                    x = part(x)
        return [*self.head(before, self.pre_head(x)), *outputs]


def _lower_bound_of(part: nn.Module) -> nn.Module:
    match part:
        case InvertedResidual():
            return nn.Sequential(*map(plain_conv, (part.expand, part.depthwise, part.project)))
        case MapBlock():
            return LowerBoundMapBlock(part)
        case TokenBlock():
            return LowerBoundTokenBlock(part)
        case _:
            raise ValueError(f"there is no lower bound for a {type(part).__name__}")


def lower_bound_inputs(model: MobileViT, image_size: int) -> tuple[Tensor, ...]:
    """Inputs of :class:`LowerBoundNetwork` for one square image."""
    inputs = [torch.rand(1, 3, image_size, image_size)]
    stride = 2
    for stage in model.spec.stages:
        stride *= stage.stride
        if stage.block is not None and stage.block.layout == "tokens":
            tokens = (image_size // stride // PATCH) ** 2
            flat, head_dim = PHASES * HEADS, stage.block.dim // HEADS
            shapes = ((tokens, head_dim), (head_dim, tokens), (tokens, head_dim))
            # Small values: products in a chain must not overflow.
            inputs += [0.1 * torch.rand(flat, *shape) for shape in shapes]
    return tuple(inputs)
