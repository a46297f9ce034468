"""Parts that work on maps with channels last."""

from __future__ import annotations

from torch import Tensor, nn

from converters.rewrites.algebra import make_conv, matrix_of


class PixelConv(nn.Module):
    """A 1x1 convolution of a map with channels last. ``[B, H, W, in] -> [B, H, W, out]``.

    Weight ``[out, in, 1, 1]`` and bias are where those of a convolution are.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    @classmethod
    def from_linear(cls, layer: nn.Linear) -> PixelConv:
        """The same function of the last axis."""
        weight, bias = matrix_of(layer)
        return cls(
            make_conv(weight, None if layer.bias is None else bias, dtype=layer.weight.dtype)
        )

    def forward(self, x: Tensor) -> Tensor:
        # [B, H, W, in] -> [B, in, H, W] -> [B, out, H, W] -> [B, H, W, out]
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # type: ignore[no-any-return]
