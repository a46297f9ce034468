"""What an artifact makes of the output of a head for masks or boxes, and what that looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilevit_edge import boxes
from mobilevit_edge.formats.manifest import AnswerForm, MaskForm
from mobilevit_edge.head_specs import MaskSpec, SSDLiteSpec
from mobilevit_edge.models.layers import resize_map
from mobilevit_edge.models.network import MobileViT

Size: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class OutputShape:
    """Of one image's answer."""

    dtype: Literal["float32", "int32"]
    sides: tuple[int, ...]


class MaskAnswer(nn.Module):
    """``[B, C, h, w]`` logits of a head -> what ``form`` says of an image of ``image_size``.

    ``logits`` are those themselves, ``full-logits`` ``[B, C, H, W]`` by the head's own rule, and
    ``labels`` the best class of each pixel, ``[B, H, W]`` int32.
    """

    def __init__(self, form: MaskForm, head: MaskSpec, image_size: Size) -> None:
        super().__init__()
        self.form = form
        self.head = head
        self.image_size = image_size

    def forward(self, logits: Tensor) -> Tensor:
        match self.form:
            case "logits":
                return logits
            case "full-logits":
                return self.enlarged(logits)
            case "labels":
                return self.enlarged(logits).argmax(1).to(torch.int32)

    def enlarged(self, logits: Tensor) -> Tensor:
        """``[B, C, h, w] -> [B, C, H, W]``."""
        rule, stride = self.head.resize, self.head.output_stride
        if rule != "half-pixel-nearest":
            return resize_map(logits, self.image_size, align_corners=rule == "aligned")
        size = (logits.shape[2] * stride, logits.shape[3] * stride)
        enlarged = resize_map(logits, size, align_corners=False)
        if size == self.image_size:
            return enlarged
        return F.interpolate(enlarged, size=self.image_size, mode="nearest")


class BoxAnswer(nn.Module):
    """``[B, N, 4 + C]`` of a head -> boxes as corners in shares of the image, and probabilities."""

    centers: Tensor
    sizes: Tensor

    def __init__(self, head: SSDLiteSpec, maps: Sequence[Size]) -> None:
        super().__init__()
        anchors = torch.from_numpy(boxes.anchors(head, maps))
        self.head = head
        # [N, 2] -> [1, N, 2]; contiguous, since litert_torch writes a view's whole storage.
        self.register_buffer("centers", anchors[None, :, :2].contiguous())
        self.register_buffer("sizes", anchors[None, :, 2:].contiguous())

    def forward(self, rows: Tensor) -> Tensor:
        centers = rows[..., :2] * (self.sizes * self.head.center_variance) + self.centers
        halves = torch.exp(rows[..., 2:4] * self.head.size_variance) * (self.sizes / 2)
        scores = torch.softmax(rows[..., 4:], dim=-1)
        return torch.cat((centers - halves, centers + halves, scores), dim=-1)


def make_answer(model: MobileViT, form: AnswerForm | None, image_size: Size) -> nn.Module:
    """What follows the network in the artifact, up to the suppression of boxes."""
    head = model.spec.head
    if head is None or form is None or form == "raw":
        return nn.Identity()
    if isinstance(head, SSDLiteSpec):
        return BoxAnswer(head, model.head_maps(image_size))
    assert form in ("logits", "full-logits", "labels")
    return MaskAnswer(form, head, image_size)


def output_shape(
    model: MobileViT, outputs: int, form: AnswerForm | None, image_size: Size
) -> OutputShape:
    """Shape and type of the artifact's answer to one image."""
    match form:
        case None:
            return OutputShape("float32", (outputs,))
        case "labels":
            return OutputShape("int32", image_size)
        case "full-logits":
            return OutputShape("float32", (outputs, *image_size))
        case "logits":
            return OutputShape("float32", (outputs, *model.mask_size(image_size)))
        case "raw" | "decoded" | "nms":
            maps = model.head_maps(image_size)
            assert isinstance(model.spec.head, SSDLiteSpec)
            cells = model.spec.head.anchors_per_cell
            rows = sum(h * w * each for (h, w), each in zip(maps, cells, strict=True))
            if form == "nms":
                most = min(boxes.DetectionRules().detections, rows * (outputs - 1))
                return OutputShape("float32", (most, boxes.DETECTION_VALUES))
            return OutputShape("float32", (rows, boxes.BOX_VALUES + outputs))
