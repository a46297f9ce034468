"""Names of heads for masks and boxes in the schemes of other codebases.

CVNets' classifier of DeepLabV3 is called otherwise in v0.1, which trained V1 and MobileViTv3's XXS,
XS and S, and in v0.2. timm and OpenMMLab have no such heads on MobileViT.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from mobilevit_edge.head_specs import HeadName, HeadSpec, SSDLiteSpec
from mobilevit_edge.weights.names import Naming

_ROOTS: Final[Mapping[Naming, tuple[str, ...]]] = {
    "cvnets": ("seg_head", "extra_layers", "ssd_heads"),
    "transformers": ("segmentation_head",),
}
"""First words of the names of heads."""
_AUXILIARY: Final = re.compile(r"seg_head\.aux_head\.|auxiliary_head\.")
"""What helps to train a head and plays no part afterwards."""
_KINDS: Final[Mapping[str, HeadName]] = {
    "seg_head.aspp.": "deeplabv3",
    "segmentation_head.aspp.": "deeplabv3",
    "seg_head.psp_layer.": "pspnet",
    "ssd_heads.": "ssdlite",
}
_V01_CLASSIFIER: Final = "seg_head.classifier.classifier."

_ASPP: Final = "seg_head.aspp.aspp_layer."
_HF_ASPP: Final = "segmentation_head.aspp."
_EXTRA: Final = ("os_64", "os_128", "os_256")


@dataclass(frozen=True)
class _Rule:
    """``pattern`` of a part of our head, and the path of the part in the other code."""

    pattern: str
    path: str


_CLASSIFIER: Final = _Rule(r"classifier", "seg_head.classifier.block.conv")
_CVNETS: Final[Mapping[HeadName, tuple[_Rule, ...]]] = {
    "deeplabv3": (
        _Rule(r"branches\.([0-3])\.(\w+)", _ASPP + r"convs.\1.block.\2"),
        _Rule(r"branches\.4\.project\.(\w+)", _ASPP + r"convs.4.aspp_pool.conv_1x1.block.\1"),
        _Rule(r"project\.(\w+)", _ASPP + r"project.block.\1"),
        _CLASSIFIER,
    ),
    "pspnet": (
        _Rule(r"branches\.(\d)\.project\.(\w+)", r"seg_head.psp_layer.psp_branches.\1.1.block.\2"),
        _Rule(r"fusion\.(\w+)", r"seg_head.psp_layer.fusion.0.block.\1"),
        _CLASSIFIER,
    ),
    "ssdlite": (
        _Rule(r"extra\.(\d)\.depthwise\.(\w+)", r"extra_layers.{extra\1}.dw_conv.block.\2"),
        _Rule(r"extra\.(\d)\.pointwise\.(\w+)", r"extra_layers.{extra\1}.pw_conv.block.\2"),
        _Rule(r"pooled\.project", "extra_layers.os_-1.1.block.conv"),
        _Rule(r"levels\.(\d)\.project\.(\w+)", r"ssd_heads.\1.proj_layer.block.\2"),
        _Rule(r"levels\.(\d)\.depthwise\.(\w+)", r"ssd_heads.\1.loc_cls_layer.dw_conv.block.\2"),
        _Rule(r"levels\.5\.predict", "ssd_heads.5.loc_cls_layer.block.conv"),
        _Rule(r"levels\.(\d)\.predict", r"ssd_heads.\1.loc_cls_layer.pw_conv.block.conv"),
    ),
}
_HF_INNER: Final[Mapping[str, str]] = {"conv": "convolution", "norm": "normalization"}
_TRANSFORMERS: Final[tuple[_Rule, ...]] = (
    _Rule(r"branches\.([0-3])\.(\w+)", _HF_ASPP + r"convs.\1.{\2}"),
    _Rule(r"branches\.4\.project\.(\w+)", _HF_ASPP + r"convs.4.conv_1x1.{\1}"),
    _Rule(r"project\.(\w+)", _HF_ASPP + r"project.{\1}"),
    _Rule(r"classifier", "segmentation_head.classifier.convolution"),
)


def head_key(key: str, head: HeadSpec, naming: Naming) -> str:
    """The name under ``naming`` of our parameter ``key``, which begins with ``head.``.

    Raises:
        ValueError: that code has no such head.
    """
    path, _, leaf = key.removeprefix("head.").rpartition(".")
    if naming == "cvnets":
        rules, words = _CVNETS[head.name], {f"extra{i}": name for i, name in enumerate(_EXTRA)}
    elif naming == "transformers" and head.name == "deeplabv3":
        rules, words = _TRANSFORMERS, dict(_HF_INNER)
    else:
        raise ValueError(f"{naming} has no names for a {head.name} head; cvnets has")
    for rule in rules:
        match = re.fullmatch(rule.pattern, path)
        if match is not None:
            name = match.expand(rule.path).format_map(words)
            if rule is _CLASSIFIER and _is_v01(head):
                name = f"{_V01_CLASSIFIER}block.conv"
            return f"{name}.{leaf}"
    raise ValueError(f"no naming rule for the parameter {key!r}")


def _is_v01(head: HeadSpec) -> bool:
    """Whether CVNets v0.1 is what resizes masks so."""
    return not isinstance(head, SSDLiteSpec) and head.resize != "aligned"


def is_auxiliary(name: str) -> bool:
    """Whether a tensor is part of a head that only training uses."""
    return _AUXILIARY.match(name) is not None


def is_in_head(name: str, naming: Naming) -> bool:
    """Whether a tensor of a full model, named without prefixes, is part of its head."""
    return name.split(".")[0] in _ROOTS.get(naming, ()) and not is_auxiliary(name)


def kind_of_head(names: Collection[str]) -> HeadName | None:
    """The head that these names are those of; ``None`` if there is none."""
    return next(
        (kind for start, kind in _KINDS.items() if any(name.startswith(start) for name in names)),
        None,
    )


def has_v01_names(names: Collection[str]) -> bool:
    """Whether a head has the names of CVNets v0.1."""
    return any(name.startswith(_V01_CLASSIFIER) for name in names)
