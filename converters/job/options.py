"""What an export is asked to make: every option once, for the command and for Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from converters.job.precisions import PRECISIONS, Precision
from mobilevit_edge import arguments
from mobilevit_edge.boxes import BoxForm
from mobilevit_edge.formats.manifest import (
    TARGET_NAMES,
    Activation,
    Layout,
    MaskForm,
    TargetName,
    Unit,
)
from mobilevit_edge.head_specs import MASK_RESIZES, OUTPUT_STRIDES, MaskResize, OutputStride
from mobilevit_edge.labels import DATA_SETS
from mobilevit_edge.normalization import (
    NORMALIZATION_NAMES,
    Channels,
    NormalizationName,
    parse_channels,
)
from mobilevit_edge.preprocess import COLOR_ORDERS, ChannelOrder, Interpolation, ResizeRule

LoweredFor: TypeAlias = Literal["xnnpack", "coreml", "vulkan"]
DeploymentTarget: TypeAlias = Literal[
    "iOS15",
    "iOS16",
    "iOS17",
    "iOS18",
    "macOS12",
    "macOS13",
    "macOS14",
    "macOS15",
    "visionOS1",
    "visionOS2",
]
DEPLOYMENT_TARGETS: Final[tuple[DeploymentTarget, ...]] = get_args(DeploymentTarget)

_INPUT, _ARTIFACT, _CHECKS = "checkpoint", "artifact", "checks"
GROUPS: Final[Mapping[str, str | None]] = {
    _INPUT: "what goes in",
    _ARTIFACT: "what comes out",
    _CHECKS: "whether it is right, by your own photos",
    "int8": None,
    **dict.fromkeys(TARGET_NAMES),
    "head": "of a checkpoint with a head for masks or boxes",
    "preprocessing": "default: what the checkpoint's source does; the manifest says which",
}
"""Groups of options in ``--help``, with what it says about each. One that is named after a target
holds the options that only this target has."""
AUTOMATIC: Final = "auto"
MAX_BATCH: Final = 9999
MAX_OPSET: Final = 99
MAX_POINTS: Final = 100
POINTS: Final = f"a number of percentage points, 0 to {MAX_POINTS}"
_OPTION: Final = "option"


@dataclass(frozen=True)
class Option:
    """How an option looks on the command line.

    Attributes:
        help: what ``--help`` says.
        group: its group of :data:`GROUPS`.
        metavar: what stands for its value.
        parse: text to value; ``None`` for text itself and for switches.
        choices: the values there are.
        aliases: further names, not shown.
        repeated: whether each use adds one value.
        several: whether one use takes several values.
        switches: flags that stand for one of its values.
    """

    help: str
    group: str
    metavar: str | None = None
    parse: Callable[[str], Any] | None = None
    choices: tuple[str, ...] | None = None
    aliases: tuple[str, ...] = ()
    repeated: bool = False
    several: bool = False
    switches: Mapping[str, str] = field(default_factory=dict)


def _deployment_target(text: str) -> str:
    """A system's name in Apple's own spelling, however it is written; others as they are."""
    return {name.lower(): name for name in DEPLOYMENT_TARGETS}.get(text.lower(), text)


def _batch_size(text: str) -> int | None:
    """Images per call; ``None`` for ``dynamic``."""
    return None if text == "dynamic" else arguments.whole_number(1, MAX_BATCH)(text)


def _image_size(text: str) -> tuple[int, int] | Literal["dynamic"]:
    """(height, width), or ``dynamic``."""
    return "dynamic" if text == "dynamic" else arguments.image_size(text)


def _shown(help_: str, group: str, **settings: Any) -> dict[str, Option]:
    """The metadata of a field that is an option."""
    return {_OPTION: Option(help_, group, **settings)}


@dataclass(frozen=True)
class ExportOptions:
    """One export. ``None`` means: as the checkpoint has it, or the default of the target.

    The command's ``--no-rewrite`` is ``no_rewrite`` here, and so on for every option. Sizes are
    (height, width). ``batch`` is the fixed batch size, ``None`` for a dynamic one. ``int8_keep``
    names parts that stay in float, or is ``("auto",)``.
    """

    weights: str | Path = field(
        metadata=_shown(
            "checkpoint of CVNets, MobileViTv3, timm, transformers or OpenMMLab: a .pt, .pth, .bin "
            "or .safetensors file, a Hugging Face folder, or a repository on the hub; demo and "
            "demo-segmentation are checkpoints in this package",
            metavar="PATH|ORG/REPO[@REVISION]|demo|random",
            group=_INPUT,
        )
    )
    target: TargetName = field(
        metadata=_shown("what to export to", choices=TARGET_NAMES, group=_ARTIFACT)
    )
    output: str | Path | None = field(
        default=None,
        metadata=_shown(
            "the bundle's folder; default: a telling name here",
            metavar="DIR",
            parse=Path,
            group=_ARTIFACT,
        ),
    )
    model: str = field(
        default="auto",
        metadata=_shown("default: recognized from the checkpoint", metavar="NAME", group=_INPUT),
    )
    labels: str | Path | None = field(
        default=None,
        metadata=_shown(
            "class names, one per line; default: the checkpoint's",
            metavar=f"FILE|{'|'.join(DATA_SETS)}",
            group=_INPUT,
        ),
    )
    precision: Precision = field(
        default="fp32",
        metadata=_shown(
            "default fp32; int8 is calibrated on your images, int8-dynamic measures activations "
            "while it runs, int8-weight-only makes the file small; palettes are Core ML's; w8a16, "
            "w8a8 and mixed, which chooses for each part, are the NPU's",
            choices=tuple(PRECISIONS),
            group=_ARTIFACT,
        ),
    )
    image_size: tuple[int, int] | Literal["dynamic"] | None = field(
        default=None,
        metadata=_shown(
            "default: the size the checkpoint's source evaluates at; dynamic is that and every "
            "other (onnx)",
            metavar="H[xW]|dynamic",
            parse=_image_size,
            group=_ARTIFACT,
        ),
    )
    batch: int | None = field(
        default=1,
        metadata=_shown(
            "images per call (default 1)", metavar="N|dynamic", parse=_batch_size, group=_ARTIFACT
        ),
    )
    activation: Activation = field(
        default="none",
        metadata=_shown(
            "what the artifact makes of its logits (default none): softmax for one class of many, "
            "sigmoid where each output stands for itself",
            choices=get_args(Activation),
            switches={"--softmax": "softmax"},
            group=_ARTIFACT,
        ),
    )
    raw_input: bool = field(
        default=False,
        metadata=_shown(
            "take uint8 NHWC RGB pixels: scaling and channel order go into the graph",
            group=_ARTIFACT,
        ),
    )
    no_rewrite: tuple[str, ...] = field(
        default=(),
        metadata=_shown(
            "leave out one of the target's exact rewrites (may be repeated)",
            metavar="NAME",
            repeated=True,
            group=_ARTIFACT,
        ),
    )
    verify: str | Path | None = field(
        default=None,
        metadata=_shown(
            "also verify on these photos; a folder with one folder per class measures top-1 of the "
            "model and of the artifact, one with masks mean IoU, one with a COCO file mAP",
            metavar="IMAGE_OR_DIR",
            parse=Path,
            group=_CHECKS,
        ),
    )
    max_accuracy_drop: float | None = field(
        default=None,
        metadata=_shown(
            "how many percentage points of top-1, mean IoU or mAP the artifact may lose on "
            "--verify's labeled images (default 1)",
            metavar="POINTS",
            parse=arguments.number(POINTS, most=MAX_POINTS, zero=True),
            group=_CHECKS,
        ),
    )
    trust_preprocessing: bool = field(
        default=False,
        metadata=_shown(
            "export although the model answers --verify's labeled photos no better than chance",
            group=_CHECKS,
        ),
    )
    calibration: str | Path | None = field(
        default=None,
        metadata=_shown(
            "images like those that the app will see", group="int8", metavar="DIR", parse=Path
        ),
    )
    int8_keep: tuple[str, ...] = field(
        default=(),
        metadata=_shown(
            "parts that stay in float (fp32, and fp16 on the NPU), such as layer1 or "
            "layer3.1.layers.0.attention; auto measures which",
            group="int8",
            metavar="auto|NAME,...",
            parse=arguments.names,
        ),
    )
    unit: Unit = field(
        default="cpu",
        metadata=_shown(
            "the processor that the graph is written for (default cpu); npu is Qualcomm's Hexagon",
            group="onnx",
            choices=get_args(Unit),
        ),
    )
    soc: tuple[str, ...] = field(
        default=(),
        metadata=_shown(
            "with --unit npu, also compile for these chips (sm8650, ...): their phones need not, "
            "and load it at once. Needs the extra npu",
            group="onnx",
            metavar="NAME",
            several=True,
        ),
    )
    opset: int | None = field(
        default=None,
        metadata=_shown(
            "the version of ONNX's operators (default 18, for ONNX Runtime from 1.14)",
            group="onnx",
            metavar="N",
            parse=arguments.whole_number(1, MAX_OPSET),
        ),
    )
    backend: LoweredFor = field(
        default="xnnpack",
        metadata=_shown(
            "the delegate to lower for (default xnnpack); the others are not run here",
            group="executorch",
            choices=get_args(LoweredFor),
        ),
    )
    etrecord: bool = field(
        default=False,
        metadata=_shown("add what ExecuTorch's Inspector needs to a profile", group="executorch"),
    )
    layout: Layout | None = field(
        default=None,
        metadata=_shown(
            "axes of an input of numbers (default NHWC, red first, as apps for LiteRT have images; "
            "NCHW is the model's own)",
            group="litert",
            parse=str.upper,
            choices=get_args(Layout),
        ),
    )
    deployment_target: DeploymentTarget | None = field(
        default=None,
        metadata=_shown(
            "the oldest system to run on (default: the oldest from iOS16 that has what is asked)",
            group="coreml",
            parse=_deployment_target,
            choices=DEPLOYMENT_TARGETS,
        ),
    )
    flexible_sizes: tuple[tuple[int, int], ...] = field(
        default=(),
        metadata=_shown(
            "further image sizes that the program takes, multiples of 64 from 128 up",
            group="coreml",
            metavar="H[xW],...",
            parse=arguments.image_sizes,
        ),
    )
    function_sizes: tuple[tuple[int, int], ...] = field(
        default=(),
        metadata=_shown(
            "further image sizes, each a function of its own with the same weights (iOS18)",
            group="coreml",
            metavar="H[xW],...",
            parse=arguments.image_sizes,
        ),
    )
    author: str | None = field(
        default=None, metadata=_shown("what Xcode shows", group="coreml", metavar="TEXT")
    )
    license: str | None = field(
        default=None,
        metadata=_shown("what Xcode shows", group="coreml", metavar="TEXT", aliases=("--licence",)),
    )
    mask: MaskForm | None = field(
        default=None,
        metadata=_shown(
            "what the artifact answers: the head's own logits, those resized to the image, or the "
            "class of each pixel (default labels; executorch and litert: logits)",
            group="head",
            choices=get_args(MaskForm),
        ),
    )
    boxes: BoxForm | None = field(
        default=None,
        metadata=_shown(
            "what the artifact answers: of each anchor the head's own numbers, or a box and "
            "probabilities, or the boxes that remain after suppression (onnx; default decoded)",
            group="head",
            choices=get_args(BoxForm),
        ),
    )
    output_stride: OutputStride | None = field(
        default=None,
        metadata=_shown(
            "pixels of the image to one of the head's logits; default: a config beside the "
            "checkpoint, or as released",
            group="head",
            metavar="|".join(map(str, OUTPUT_STRIDES)),
            parse=int,
        ),
    )
    rates: tuple[int, int, int] | None = field(
        default=None,
        metadata=_shown(
            "dilations of DeepLabV3's convolutions; default as for the output stride",
            group="head",
            metavar="R,R,R",
            parse=arguments.three_numbers,
        ),
    )
    mask_resize: MaskResize | None = field(
        default=None,
        metadata=_shown(
            "how logits become a mask of the image's size; default: as the checkpoint's code does",
            group="head",
            choices=MASK_RESIZES,
        ),
    )
    channel_order: ChannelOrder | None = field(
        default=None,
        metadata=_shown(
            "the order of the colors that the model was trained on",
            group="preprocessing",
            parse=str.upper,
            choices=COLOR_ORDERS,
        ),
    )
    resize: ResizeRule | None = field(
        default=None,
        metadata=_shown(
            "how an image gets the model's size: cropped with its proportions kept, or stretched",
            group="preprocessing",
            choices=get_args(ResizeRule),
        ),
    )
    interpolation: Interpolation | None = field(
        default=None,
        metadata=_shown(
            "the filter of that resize", group="preprocessing", choices=get_args(Interpolation)
        ),
    )
    normalize: NormalizationName | None = field(
        default=None,
        metadata=_shown(
            "mean and std by name: those of ImageNet, 0.5 and 0.5, or none",
            group="preprocessing",
            choices=NORMALIZATION_NAMES,
        ),
    )
    mean: Channels | None = field(
        default=None,
        metadata=_shown(
            "what is subtracted from pixels in 0..1, in the order of the model's channels",
            group="preprocessing",
            metavar="M[,M,M]",
            parse=parse_channels,
        ),
    )
    std: Channels | None = field(
        default=None,
        metadata=_shown(
            "what the rest is divided by",
            group="preprocessing",
            metavar="S[,S,S]",
            parse=parse_channels,
        ),
    )

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The size that was asked for, if there was one."""
        return None if self.image_size == "dynamic" else self.image_size

    @property
    def dynamic_size(self) -> bool:
        """Whether the artifact takes images of any size."""
        return self.image_size == "dynamic"

    @property
    def other_sizes(self) -> tuple[tuple[int, int], ...]:
        """Image sizes that a Core ML package takes besides its own."""
        return (*self.flexible_sizes, *self.function_sizes)


def flag_of(name: str) -> str:
    """The command's option for a field: ``--image-size``."""
    return f"--{name.replace('_', '-')}"


def option_of(entry: Field[Any]) -> Option:
    """How a field of :class:`ExportOptions` looks on the command line."""
    option: Option = entry.metadata[_OPTION]
    return option
