"""Parameter names of the reference models in the naming schemes of other codebases.

A scheme is a table from a part of the network to the module path that the other code uses for it.
Translation goes one way, from our names to theirs, for a known architecture; loading inverts the
resulting table. MobileViTv3's authors use CVNets' names. timm and transformers have no MobileViTv3,
OpenMMLab (mmpretrain) has V1 alone; their names for the same parts are used for the others, so that
such files can be written and read here, though nothing else reads them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mobilevit_edge.specs import BlockSpec, Layout, ModelSpec
from mobilevit_edge.weights.head_naming import head_key
from mobilevit_edge.weights.names import NAMINGS, Naming

__all__ = ["NAMINGS", "Naming"]

_UNDER_HEAD: Final = "encoder."
"""What CVNets puts before the names of a backbone that has a head for masks or boxes."""


@dataclass(frozen=True)
class _Scheme:
    """``parts`` are the same for both layouts of blocks; ``tokens`` and ``maps`` add what differs.

    ``stem`` is the name of the first convolution's weight, by which a scheme is recognized, and
    ``conv``, ``norm`` the names inside a convolution with batch norm. ``beside`` is a name that
    tells the scheme from another one with the same stem, and ``base`` the prefix of all but the
    classifier in a full model, by layout.
    """

    stem: str
    conv: str
    norm: str
    parts: Mapping[str, str]
    tokens: Mapping[str, str]
    maps: Mapping[str, str]
    beside: str | None = None
    base: Mapping[Layout, str] | None = None


_CVNETS_BLOCK: Final = "layer_{stage}.{unit}"
_CVNETS_GLOBAL: Final = _CVNETS_BLOCK + ".global_rep.{layer}"
_CVNETS: Final = _Scheme(
    stem="conv_1.block.conv.weight",
    conv="conv",
    norm="norm",
    parts={
        "stem": "conv_1.block",
        "expand": _CVNETS_BLOCK + ".block.exp_1x1.block",
        "depthwise": _CVNETS_BLOCK + ".block.conv_3x3.block",
        "project": _CVNETS_BLOCK + ".block.red_1x1.block",
        "norm": _CVNETS_BLOCK + ".global_rep.{depth}",
        "projection": _CVNETS_BLOCK + ".conv_proj.block",
        "fusion": _CVNETS_BLOCK + ".fusion.block",
        "pre_head": "conv_1x1_exp.block",
        "ffn_norm": _CVNETS_GLOBAL + ".pre_norm_ffn.0",
    },
    tokens={
        "local.spatial": _CVNETS_BLOCK + ".local_rep.conv_3x3.block",
        "local.pointwise": _CVNETS_BLOCK + ".local_rep.conv_1x1.block.conv",
        "attention_norm": _CVNETS_GLOBAL + ".pre_norm_mha.0",
        "attention": _CVNETS_GLOBAL + ".pre_norm_mha.1",
        "attention.qkv": _CVNETS_GLOBAL + ".pre_norm_mha.1.qkv_proj",
        "attention.out": _CVNETS_GLOBAL + ".pre_norm_mha.1.out_proj",
        "ffn_in": _CVNETS_GLOBAL + ".pre_norm_ffn.1",
        "ffn_out": _CVNETS_GLOBAL + ".pre_norm_ffn.4",
        "head": "classifier.fc",
    },
    maps={
        "local.spatial": _CVNETS_BLOCK + ".local_rep.0.block",
        "local.pointwise": _CVNETS_BLOCK + ".local_rep.1.block.conv",
        "attention_norm": _CVNETS_GLOBAL + ".pre_norm_attn.0",
        "attention.qkv": _CVNETS_GLOBAL + ".pre_norm_attn.1.qkv_proj.block.conv",
        "attention.out": _CVNETS_GLOBAL + ".pre_norm_attn.1.out_proj.block.conv",
        "ffn_in": _CVNETS_GLOBAL + ".pre_norm_ffn.1.block.conv",
        "ffn_out": _CVNETS_GLOBAL + ".pre_norm_ffn.3.block.conv",
        "head": "classifier.1",
    },
)

_TIMM_BLOCK: Final = "stages.{stage0}.{unit}"
_TIMM_LAYER: Final = _TIMM_BLOCK + ".transformer.{layer}"
_TIMM: Final = _Scheme(
    stem="stem.conv.weight",
    conv="conv",
    norm="bn",
    parts={
        "stem": "stem",
        "expand": _TIMM_BLOCK + ".conv1_1x1",
        "depthwise": _TIMM_BLOCK + ".conv2_kxk",
        "project": _TIMM_BLOCK + ".conv3_1x1",
        "local.spatial": _TIMM_BLOCK + ".conv_kxk",
        "local.pointwise": _TIMM_BLOCK + ".conv_1x1",
        "attention_norm": _TIMM_LAYER + ".norm1",
        "attention": _TIMM_LAYER + ".attn",
        "ffn_norm": _TIMM_LAYER + ".norm2",
        "ffn_in": _TIMM_LAYER + ".mlp.fc1",
        "ffn_out": _TIMM_LAYER + ".mlp.fc2",
        "norm": _TIMM_BLOCK + ".norm",
        "projection": _TIMM_BLOCK + ".conv_proj",
        "fusion": _TIMM_BLOCK + ".conv_fusion",
        "pre_head": "final_conv",
        "head": "head.fc",
    },
    tokens={
        "attention.qkv": _TIMM_LAYER + ".attn.qkv",
        "attention.out": _TIMM_LAYER + ".attn.proj",
    },
    maps={
        "attention.qkv": _TIMM_LAYER + ".attn.qkv_proj",
        "attention.out": _TIMM_LAYER + ".attn.out_proj",
    },
)

_HF_STAGE: Final = "encoder.layer.{stage0}"
_HF_RESIDUAL: Final = _HF_STAGE + ".{residual}"
_HF_LAYER: Final = _HF_STAGE + ".transformer.layer.{layer}"
_TRANSFORMERS: Final = _Scheme(
    stem="conv_stem.convolution.weight",
    conv="convolution",
    norm="normalization",
    parts={
        "stem": "conv_stem",
        "expand": _HF_RESIDUAL + ".expand_1x1",
        "depthwise": _HF_RESIDUAL + ".conv_3x3",
        "project": _HF_RESIDUAL + ".reduce_1x1",
        "local.spatial": _HF_STAGE + ".conv_kxk",
        "local.pointwise": _HF_STAGE + ".conv_1x1.convolution",
        "attention_norm": _HF_LAYER + ".layernorm_before",
        "attention": _HF_LAYER + ".attention.attention",
        "ffn_norm": _HF_LAYER + ".layernorm_after",
        "norm": _HF_STAGE + ".layernorm",
        "projection": _HF_STAGE + ".conv_projection",
        "fusion": _HF_STAGE + ".fusion",
        "pre_head": "conv_1x1_exp",
        "head": "classifier",
    },
    tokens={
        "attention.qkv": _HF_LAYER + ".attention.attention.{qkv}",
        "attention.out": _HF_LAYER + ".attention.output.dense",
        "ffn_in": _HF_LAYER + ".intermediate.dense",
        "ffn_out": _HF_LAYER + ".output.dense",
    },
    maps={
        "attention.qkv": _HF_LAYER + ".attention.qkv_proj.convolution",
        "attention.out": _HF_LAYER + ".attention.out_proj.convolution",
        "ffn_in": _HF_LAYER + ".ffn.conv1.convolution",
        "ffn_out": _HF_LAYER + ".ffn.conv2.convolution",
    },
    base={"tokens": "mobilevit.", "maps": "mobilevitv2."},
)

_MM_BLOCK: Final = "layers.{stage0}.{unit}"
_MM_LAYER: Final = _MM_BLOCK + ".global_rep.{layer}"
_OPENMMLAB: Final = _Scheme(
    stem="stem.conv.weight",
    beside="layers.0.0.conv.0.conv.weight",
    conv="conv",
    norm="bn",
    parts={
        "stem": "stem",
        "expand": _MM_BLOCK + ".conv.0",
        "depthwise": _MM_BLOCK + ".conv.1",
        "project": _MM_BLOCK + ".conv.2",
        "local.spatial": _MM_BLOCK + ".local_rep.0",
        "local.pointwise": _MM_BLOCK + ".local_rep.1.conv",
        "attention_norm": _MM_LAYER + ".ln1",
        "attention": _MM_LAYER + ".attn",
        "attention.qkv": _MM_LAYER + ".attn.qkv",
        "attention.out": _MM_LAYER + ".attn.proj",
        "ffn_norm": _MM_LAYER + ".ln2",
        "ffn_in": _MM_LAYER + ".ffn.layers.0.0",
        "ffn_out": _MM_LAYER + ".ffn.layers.1",
        "norm": _MM_BLOCK + ".global_rep.{depth}",
        "projection": _MM_BLOCK + ".conv_proj",
        "fusion": _MM_BLOCK + ".conv_fusion",
        "pre_head": "conv_1x1_exp",
        "head": "head.fc",
    },
    tokens={},
    maps={},
    base={"tokens": "backbone.", "maps": "backbone."},
)

_SCHEMES: Final[Mapping[Naming, _Scheme]] = {
    "cvnets": _CVNETS,
    "timm": _TIMM,
    "transformers": _TRANSFORMERS,
    "openmmlab": _OPENMMLAB,
}

_OUR_KEY: Final = re.compile(
    r"""(?:layer(?P<stage>\d)\.(?P<unit>\d)\.)?
    (?:layers\.(?P<layer>\d+)\.)?
    (?P<part>stem|expand|depthwise|project|local\.spatial|local\.pointwise|attention_norm
        |attention(?:\.qkv|\.out)?|ffn_norm|ffn_in|ffn_out|norm|projection|fusion|pre_head|head)
    (?:\.(?P<inner>conv|norm))?
    \.(?P<leaf>weight|bias|running_mean|running_var|num_batches_tracked|projection)""",
    re.VERBOSE,
)


def _block_of(spec: ModelSpec, stage: str | None) -> BlockSpec:
    """The MobileViT block of a stage; that of the last stage for parts outside the stages."""
    block = spec.stages[int(stage) - 1 if stage else -1].block or spec.stages[-1].block
    if block is None:
        raise ValueError(f"{spec.name} has no MobileViT block")
    return block


def source_keys(key: str, spec: ModelSpec, naming: Naming) -> tuple[str, ...]:
    """Names under ``naming`` of our parameter ``key`` in the architecture ``spec``.

    They come without the base-model prefix of transformers (:func:`with_base_prefix`).
    More than one name means that the source keeps the parameter in equal slices along its first
    dimension (transformers: query, key, value).
    """
    if spec.head is not None and key.startswith("head."):
        return (head_key(key, spec.head, naming),)
    match = _OUR_KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"no naming rule for the parameter {key!r}")
    scheme = _SCHEMES[naming]
    part, stage, leaf = match["part"], match["stage"], match["leaf"]
    block = _block_of(spec, stage)
    line = scheme.tokens if block.layout == "tokens" else scheme.maps
    template = line.get(part) or scheme.parts[part]
    inner = {"conv": f".{scheme.conv}", "norm": f".{scheme.norm}", None: ""}[match["inner"]]
    stage_has_block = stage is not None and spec.stages[int(stage) - 1].block is not None
    slices = ("qkv",) if block.attention == "separable" else ("query", "key", "value")
    return tuple(
        template.format(
            stage=stage,
            stage0=int(stage or 1) - 1,
            unit=match["unit"],
            residual="downsampling_layer" if stage_has_block else f"layer.{match['unit']}",
            layer=match["layer"],
            depth=block.depth,
            qkv=name,
        )
        + f"{inner}.{leaf}"
        for name in (slices if "{qkv}" in template else ("",))
    )


def with_base_prefix(name: str, spec: ModelSpec, naming: Naming) -> str:
    """``name`` as in a full model of ``naming``: some nest all but the head."""
    scheme = _SCHEMES[naming]
    if spec.head is not None:
        if name.split(".")[0] not in body_names(naming):
            return name
        if naming == "cvnets":
            return _UNDER_HEAD + name
    if scheme.base is None or name.startswith(f"{scheme.parts['head']}."):
        return name
    return scheme.base[_block_of(spec, None).layout] + name


@lru_cache(maxsize=len(NAMINGS))
def body_names(naming: Naming) -> frozenset[str]:
    """The first word of every name outside the classifier: ``stem``, ``stages``, ..."""
    scheme = _SCHEMES[naming]
    first = {path.split(".")[0] for part, path in scheme.parts.items() if part != "head"}
    return frozenset(word.format(stage=stage) for word in first for stage in range(1, 6))


@dataclass(frozen=True)
class FoundNaming:
    """A recognized scheme; ``prefix`` stands before every name of the model in the file."""

    naming: Naming
    prefix: str

    @property
    def root(self) -> str:
        """What stands before the names of a head for masks or boxes."""
        under = f".{self.prefix}".endswith(f".{_UNDER_HEAD}")
        return self.prefix.removesuffix(_UNDER_HEAD) if under else self.prefix

    def strip(self, key: str) -> str | None:
        """``key`` without prefixes; ``None`` if it is outside the model."""
        if not key.startswith(self.prefix):
            return None
        key = key.removeprefix(self.prefix)
        if self.naming == "transformers" and key.startswith("segmentation_head."):
            return None
        for base in _bases(self.naming):
            key = key.removeprefix(base)
        return key


def _bases(naming: Naming) -> Iterable[str]:
    return set((_SCHEMES[naming].base or {}).values())


def detect_naming(keys: Collection[str]) -> tuple[FoundNaming, ...]:
    """Every network of a known scheme among ``keys``, found by the name of its stem."""
    return tuple(found for key in keys if (found := _with_stem(key, keys)) is not None)


def _with_stem(key: str, keys: Collection[str]) -> FoundNaming | None:
    """The network whose stem is called ``key``; what is told by one name more comes first."""
    for naming in sorted(NAMINGS, key=lambda naming: _SCHEMES[naming].beside is None):
        scheme = _SCHEMES[naming]
        prefix = key.removesuffix(scheme.stem)
        if prefix == key or not (prefix == "" or prefix.endswith(".")):
            continue
        if scheme.beside is not None and prefix + scheme.beside not in keys:
            continue
        for base in _bases(naming):
            if f".{prefix}".endswith(f".{base}"):
                prefix = prefix.removesuffix(base)
        return FoundNaming(naming, prefix)
    return None


def belongs_to(key: str, found: FoundNaming) -> bool:
    """Whether ``key`` is the name of a tensor of this network, its classifier included."""
    name = found.strip(key)
    heads = {line["head"] for line in _lines(found.naming) if "head" in line}
    return name is not None and (
        name.split(".")[0] in body_names(found.naming) or name.rpartition(".")[0] in heads
    )


def _lines(naming: Naming) -> tuple[Mapping[str, str], ...]:
    scheme = _SCHEMES[naming]
    return scheme.parts, scheme.tokens, scheme.maps
