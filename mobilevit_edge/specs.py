"""Every architecture of the MobileViT family as data; no torch here.

Sources: MobileViT (Mehta & Rastegari 2022, arXiv:2110.02178, tables 4 and 5), MobileViTv2
(Mehta & Rastegari 2022, arXiv:2206.02680, section 3.3) and MobileViTv3 (Wadekar & Chaurasia 2022,
arXiv:2209.15159, section 3 and tables 1 and 2). Widths that the papers leave out follow the
released configurations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from mobilevit_edge.head_specs import HEADS as HEAD_NAMES
from mobilevit_edge.head_specs import HeadName, HeadSpec, OutputStride, SSDLiteSpec, default_head

Attention: TypeAlias = Literal["multi_head", "linformer", "separable"]
Generation: TypeAlias = Literal[1, 2, 3]
Layout: TypeAlias = Literal["tokens", "maps"]

ATTENTIONS: Final[tuple[Attention, ...]] = ("multi_head", "linformer", "separable")
PATCH: Final = 2
"""Side of the square patch: 2x2 pixels in every released model."""
PHASES: Final = PATCH * PATCH
"""Places of a pixel in its patch: pixels of one place attend to each other alone."""
HEADS: Final = 4
"""Heads of multi-head attention in every released model."""
INPUT_CHANNELS: Final = (1, 3, 4)
"""Channels that an image can have: gray, RGB or BGR, and either with a fourth one."""
MIN_IMAGE_SIZE: Final = 32
"""The last stage has stride 32: a smaller side would leave it no pixel."""


@dataclass(frozen=True)
class Fusion:
    """How a MobileViT block joins the global features with the convolutional ones.

    MobileViTv3 (section 3.1) changes two of these against V1: a 1x1 instead of a 3x3 kernel, and
    the features of the local part instead of the block's input.
    """

    kernel_size: Literal[1, 3]
    features: Literal["input", "local"]


@dataclass(frozen=True)
class BlockSpec:
    """One MobileViT block: local representation, global representation, fusion.

    ``layout`` names the two kinds of blocks. ``"tokens"`` (V1, V3 xxs/xs/s) unfolds the map into
    sequences for a standard transformer; ``"maps"`` (V2, V3 050/075/100) keeps channels first and
    works with 1x1 convolutions. In the maps layout the fusion, if any, is part of the output
    projection, which is always 1x1. ``dilation`` is that of the local 3x3 convolution.
    """

    layout: Layout
    attention: Attention
    dim: int
    depth: int
    ffn_dim: int
    depthwise_local: bool
    fusion: Fusion | None
    add_input: bool
    dilation: int = 1


@dataclass(frozen=True)
class StageSpec:
    """``repeats`` inverted residuals (the first with ``stride``), then a MobileViT block if any.

    ``dilation`` is that of the inverted residuals' 3x3 convolutions.
    """

    channels: int
    stride: Literal[1, 2]
    repeats: int
    block: BlockSpec | None = None
    dilation: int = 1


@dataclass(frozen=True)
class Published:
    """Figures that the authors published for a model.

    ``top1`` is ImageNet-1k top-1 in percent at 256x256; ``macs_m`` multiply-adds in millions at
    256x256, and ``macs_note`` says why they differ from what is executed, if they do.
    """

    top1: float
    macs_m: float
    macs_note: str = ""


@dataclass(frozen=True)
class Counts:
    """Parameters, and multiply-adds as executed at 256x256, both with 1000 classes."""

    parameters: int
    macs: int


@dataclass(frozen=True)
class ModelSpec:
    """A whole network: stem, five stages, an optional 1x1 expansion before the pooled head.

    ``in_channels`` are those of an image, one of :data:`INPUT_CHANNELS`. ``head`` takes the place
    of the pooled one for masks or boxes.
    """

    name: str
    generation: Generation
    stem_channels: int
    expansion: int
    stages: tuple[StageSpec, StageSpec, StageSpec, StageSpec, StageSpec]
    pre_head_channels: int | None
    published: Published | None = None
    in_channels: int = 3
    head: HeadSpec | None = None

    @property
    def output_stride(self) -> int:
        """Pixels of the image to one of the last map, along each side."""
        return self.strides[-1]

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels of the image to one of each stage's map, along each side."""
        strides = [2]
        for stage in self.stages:
            strides.append(strides[-1] * stage.stride)
        return tuple(strides[1:])

    @property
    def layout(self) -> Layout | None:
        """The layout of the MobileViT blocks; ``None`` if there are none."""
        blocks = [stage.block for stage in self.stages if stage.block is not None]
        return blocks[-1].layout if blocks else None


_DEPTHS: Final = (2, 4, 3)
_DEPTHS_L2: Final = (2, 2, 3)

_PROFILER_NOTE: Final = (
    "the authors' profiler counts N*C*C for each attention product, where N*N*C is executed"
)
_ROUNDED_NOTE: Final = "published rounded"

_V1_FUSION: Final = Fusion(kernel_size=3, features="input")
_V3_FUSION: Final = Fusion(kernel_size=1, features="local")


def _tokens_block(
    dim: int,
    depth: int,
    *,
    fusion: Fusion = _V1_FUSION,
    add_input: bool = False,
    depthwise_local: bool = False,
) -> BlockSpec:
    return BlockSpec(
        layout="tokens",
        attention="multi_head",
        dim=dim,
        depth=depth,
        ffn_dim=2 * dim,
        depthwise_local=depthwise_local,
        fusion=fusion,
        add_input=add_input,
    )


def _tokens_model(
    name: str,
    *,
    generation: Generation,
    early: tuple[int, int],
    channels: tuple[int, int, int],
    dims: tuple[int, int, int],
    expansion: int,
    pre_head_channels: int,
    published: Published | None,
    depths: tuple[int, int, int] = _DEPTHS,
    fusion: Fusion = _V1_FUSION,
    add_input: bool = False,
    depthwise_local: bool = False,
) -> ModelSpec:
    """A model that works on tokens (V1 table 4; V3 table 1)."""
    c3, c4, c5 = (
        StageSpec(
            channels=width,
            stride=2,
            repeats=1,
            block=_tokens_block(
                dim,
                depth,
                fusion=fusion,
                add_input=add_input,
                depthwise_local=depthwise_local,
            ),
        )
        for width, dim, depth in zip(channels, dims, depths, strict=True)
    )
    return ModelSpec(
        name=name,
        generation=generation,
        stem_channels=16,
        expansion=expansion,
        stages=(StageSpec(early[0], 1, 1), StageSpec(early[1], 2, 3), c3, c4, c5),
        pre_head_channels=pre_head_channels,
        published=published,
    )


def _round_to(value: float, divisor: int, minimum: int | None = None) -> int:
    """Nearest multiple of ``divisor``, at most 10 % below ``value`` (MobileNetV2's rule)."""
    low = divisor if minimum is None else minimum
    rounded = max(low, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def _maps_model(
    name: str,
    width: float,
    *,
    generation: Generation,
    published: Published | None,
    fusion: Fusion | None = None,
    add_input: bool = False,
) -> ModelSpec:
    """A model that works on maps: every width scales with one multiplier (V2 section 3.3)."""

    def stage(base_channels: int, base_dim: int, depth: int) -> StageSpec:
        dim = _round_to(base_dim * width, 8)
        return StageSpec(
            channels=_round_to(base_channels * width, 8),
            stride=2,
            repeats=1,
            block=BlockSpec(
                layout="maps",
                attention="separable",
                dim=dim,
                depth=depth,
                ffn_dim=2 * dim // 16 * 16,
                depthwise_local=True,
                fusion=fusion,
                add_input=add_input,
            ),
        )

    return ModelSpec(
        name=name,
        generation=generation,
        stem_channels=_round_to(min(max(32 * width, 16), 64), 8, minimum=16),
        expansion=2,
        stages=(
            StageSpec(_round_to(64 * width, 16), 1, 1),
            StageSpec(_round_to(128 * width, 8), 2, 2),
            stage(256, 128, _DEPTHS[0]),
            stage(384, 192, _DEPTHS[1]),
            stage(512, 256, _DEPTHS[2]),
        ),
        pre_head_channels=None,
        published=published,
    )


def _family() -> tuple[ModelSpec, ...]:
    specs: list[ModelSpec] = []
    xxs_early, xs_early, s_early = (16, 24), (32, 48), (32, 64)
    xxs_dims, xs_dims, s_dims = (64, 80, 96), (96, 120, 144), (144, 192, 240)

    for name, early, channels, dims, expansion, pre_head, top1, macs in (
        ("mobilevit_xxs", xxs_early, (48, 64, 80), xxs_dims, 2, 320, 69.0, 364.2),
        ("mobilevit_xs", xs_early, (64, 80, 96), xs_dims, 4, 384, 74.8, 986.3),
        ("mobilevit_s", s_early, (96, 128, 160), s_dims, 4, 640, 78.4, 2009.5),
    ):
        specs.append(
            _tokens_model(
                name,
                generation=1,
                early=early,
                channels=channels,
                dims=dims,
                expansion=expansion,
                pre_head_channels=pre_head,
                published=Published(top1, macs, _PROFILER_NOTE),
            )
        )

    for percent, top1, macs in (
        (50, 70.18, 500),
        (75, 75.56, 1000),
        (100, 78.09, 1800),
        (125, 79.65, 2800),
        (150, 80.38, 4000),
        (175, 80.84, 5500),
        (200, 81.17, 7200),
    ):
        specs.append(
            _maps_model(
                f"mobilevitv2_{percent:03d}",
                percent / 100,
                generation=2,
                published=Published(top1, macs, _ROUNDED_NOTE),
            )
        )

    for suffix, depths, figures in (
        ("", _DEPTHS, ((70.98, 289), (76.7, 927), (79.3, 1841))),
        ("_l2", _DEPTHS_L2, ((70.23, 256), (76.10, 853), (79.06, 1651))),
    ):
        for (size, early, channels, dims, expansion, pre_head), (top1, macs) in zip(
            (
                ("xxs", xxs_early, (64, 80, 128), xxs_dims, 2, 512),
                ("xs", xs_early, (96, 160, 160), xs_dims, 4, 640),
                ("s", s_early, (128, 256, 320), s_dims, 4, 960),
            ),
            figures,
            strict=True,
        ):
            specs.append(
                _tokens_model(
                    f"mobilevitv3_{size}{suffix}",
                    generation=3,
                    early=early,
                    channels=channels,
                    dims=dims,
                    depths=depths,
                    expansion=expansion,
                    pre_head_channels=pre_head,
                    fusion=_V3_FUSION,
                    add_input=True,
                    depthwise_local=True,
                    published=Published(top1, macs, _PROFILER_NOTE),
                )
            )

    for percent, top1, macs in ((50, 72.33, 481), (75, 76.55, 1064), (100, 78.64, 1876)):
        specs.append(
            _maps_model(
                f"mobilevitv3_{percent:03d}",
                percent / 100,
                generation=3,
                fusion=_V3_FUSION,
                add_input=True,
                published=Published(top1, macs, "the authors' profiler also counts biases"),
            )
        )
    return tuple(specs)


SPECS: Final[Mapping[str, ModelSpec]] = MappingProxyType({s.name: s for s in _family()})
"""The 19 models by name, in the order in which tables show them."""


COUNTS: Final[Mapping[str, Counts]] = MappingProxyType(
    {
        "mobilevit_xxs": Counts(1_272_024, 407_364_096),
        "mobilevit_xs": Counts(2_317_848, 1_025_911_808),
        "mobilevit_s": Counts(5_578_632, 2_000_831_488),
        "mobilevitv2_050": Counts(1_370_593, 464_594_944),
        "mobilevitv2_075": Counts(2_866_009, 1_027_980_288),
        "mobilevitv2_100": Counts(4_901_841, 1_812_090_880),
        "mobilevitv2_125": Counts(7_478_089, 2_816_926_720),
        "mobilevitv2_150": Counts(10_594_753, 4_042_487_808),
        "mobilevitv2_175": Counts(14_251_833, 5_488_774_144),
        "mobilevitv2_200": Counts(18_449_329, 7_155_785_728),
        "mobilevitv3_xxs": Counts(1_249_448, 332_163_072),
        "mobilevitv3_xs": Counts(2_490_360, 966_618_112),
        "mobilevitv3_s": Counts(5_763_912, 1_832_711_680),
        "mobilevitv3_xxs_l2": Counts(1_145_288, 300_705_792),
        "mobilevitv3_xs_l2": Counts(2_257_320, 899_771_392),
        "mobilevitv3_s_l2": Counts(5_169_864, 1_669_133_824),
        "mobilevitv3_050": Counts(1_429_985, 479_799_296),
        "mobilevitv3_075": Counts(2_999_641, 1_062_190_080),
        "mobilevitv3_100": Counts(5_139_409, 1_872_908_288),
    }
)
"""The counts of :mod:`mobilevit_edge.counting` (tested equal), so that listing needs no torch."""


def with_blocks(spec: ModelSpec, name: str, **changes: object) -> ModelSpec:
    """A copy of ``spec`` called ``name`` whose MobileViT blocks have ``changes`` applied.

    Published figures belong to the original and are dropped.
    """
    stages = tuple(
        stage if stage.block is None else replace(stage, block=replace(stage.block, **changes))  # type: ignore[arg-type]
        for stage in spec.stages
    )
    return replace(spec, name=name, stages=stages, published=None)  # type: ignore[arg-type]


def with_in_channels(spec: ModelSpec, channels: int) -> ModelSpec:
    """``spec`` for images of ``channels`` channels; published figures hold for 3 of them only."""
    if spec.in_channels == channels:
        return spec
    return replace(spec, in_channels=channels, published=None)


def with_head(spec: ModelSpec, head: HeadSpec) -> ModelSpec:
    """The backbone ``spec`` as it stands under a head for masks or boxes.

    The expansion and the pooled classifier go. A mask's head keeps maps large: stages beyond its
    output stride lose their stride, and from there on convolutions are dilated as the authors
    trained them. A lost stride doubles the dilation of what follows it: the 3x3 convolutions of
    later inverted residuals, and those inside blocks on maps; blocks on tokens never are.
    """
    dilation, stages = 1, []
    for stage, stride in zip(spec.stages, spec.strides, strict=True):
        kept, own = stage.stride, dilation
        if not isinstance(head, SSDLiteSpec) and stage.stride == 2 and stride > head.output_stride:
            kept, dilation = 1, 2 * dilation
        block = stage.block
        if block is not None and block.layout == "maps":
            block = replace(block, dilation=dilation)
        stages.append(replace(stage, stride=kept, dilation=own, block=block))
    return replace(
        spec,
        name=f"{head.name}_{spec.name}",
        stages=tuple(stages),  # type: ignore[arg-type]
        pre_head_channels=None,
        published=None,
        head=head,
    )


def with_head_called(
    spec: ModelSpec, name: HeadName, output_stride: OutputStride | None = None
) -> ModelSpec:
    """:func:`with_head` with the head that the authors put on such a backbone.

    Raises:
        ValueError: no such head or output stride.
    """
    on_tokens = spec.layout == "tokens"
    return with_head(spec, default_head(name, on_tokens=on_tokens, output_stride=output_stride))


def split_name(name: str) -> tuple[HeadName | None, str]:
    """``"deeplabv3_mobilevit_xxs"`` as head and backbone; no head in a backbone's own name."""
    for head in HEAD_NAMES:
        if name.startswith(f"{head}_"):
            return head, name.removeprefix(f"{head}_")
    return None, name


def with_attention(spec: ModelSpec, attention: Attention) -> ModelSpec:
    """``spec`` with another attention unit inside its blocks (V2 paper, table 1).

    Raises:
        ValueError: the unit is unknown, or the model's blocks work on maps (as V2's), which only
            separable attention supports.
    """
    if attention not in ATTENTIONS:
        raise ValueError(f"unknown attention {attention!r}; choose one of {', '.join(ATTENTIONS)}")
    blocks = [stage.block for stage in spec.stages if stage.block is not None]
    if all(block.attention == attention for block in blocks):
        return spec
    if any(block.layout == "maps" for block in blocks):
        raise ValueError(
            f"{spec.name} works on feature maps, which only separable attention supports; "
            f"swap units in a model that works on tokens, such as mobilevit_s"
        )
    return with_blocks(spec, f"{spec.name}[{attention}]", attention=attention)


def v3_ablation() -> Mapping[str, ModelSpec]:
    """The rows from MobileViT-S to MobileViTv3-S, one change at a time (V3 paper, ablation).

    All rows keep V1-S's widths: the paper's last step, wider stages, is ``mobilevitv3_s`` itself.
    """
    v1_s = SPECS["mobilevit_s"]
    local_1x1 = Fusion(kernel_size=1, features="local")
    rows = (
        ("fusion_1x1", {"fusion": Fusion(kernel_size=1, features="input")}),
        ("local_in_fusion", {"fusion": local_1x1}),
        ("input_added", {"fusion": local_1x1, "add_input": True}),
        (
            "depthwise_local",
            {"fusion": local_1x1, "add_input": True, "depthwise_local": True},
        ),
    )
    return {"mobilevit_s": v1_s} | {
        f"mobilevit_s+{name}": with_blocks(v1_s, f"mobilevit_s+{name}", **changes)
        for name, changes in rows
    }
