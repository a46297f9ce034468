"""The manifest of a bundle, as data.

``schemas/bundle.v2.json`` defines it; the dataclasses here mirror it and are checked against it on
the way out and in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from mobilevit_edge.boxes import BoxForm
from mobilevit_edge.errors import BundleError
from mobilevit_edge.formats.json_format import JsonFormat
from mobilevit_edge.formats.upgrade import from_version_1, with_later_fields
from mobilevit_edge.head_specs import HeadName, MaskResize
from mobilevit_edge.normalization import Channels
from mobilevit_edge.preprocess import ChannelOrder, Interpolation, ResizeRule

Layout: TypeAlias = Literal["NCHW", "NHWC"]
TargetName: TypeAlias = Literal["coreml", "onnx", "executorch", "litert"]
TARGET_NAMES: Final[tuple[TargetName, ...]] = get_args(TargetName)
Activation: TypeAlias = Literal["none", "softmax", "sigmoid"]
"""What an artifact makes of its logits."""
Task: TypeAlias = Literal["classification", "multilabel", "embedding", "segmentation", "detection"]
"""What the outputs mean: one class of many, each output by itself, features, masks, or boxes."""
MaskForm: TypeAlias = Literal["logits", "full-logits", "labels"]
AnswerForm: TypeAlias = MaskForm | BoxForm
"""What an artifact makes of a head for masks or boxes."""
Unit: TypeAlias = Literal["cpu", "npu"]
"""The processor that a graph is written for."""

SCHEMA_VERSION: Final = 2
MANIFEST_FILE: Final = "manifest.json"
LABELS_FILE: Final = "labels.txt"
MODEL_PREFIX: Final = "model."
"""How the path of the model, a file or a folder, begins."""
CONTEXTS_FOLDER: Final = "contexts"
"""Where the model is once more, compiled for single chips."""


@dataclass(frozen=True)
class ModelInfo:
    name: str
    outputs: int
    image_size: tuple[int, int]
    parameters: int
    macs: int


@dataclass(frozen=True)
class SourceInfo:
    origin: str
    naming: str | None
    part: str
    sha256: str | None
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Resize:
    rule: ResizeRule
    interpolation: Interpolation
    antialias: bool
    cover: tuple[int, int]


@dataclass(frozen=True)
class InputInfo:
    name: str
    dtype: Literal["float32", "uint8"]
    layout: Layout
    shape: tuple[int | None, int | None, int | None, int | None]
    channel_order: ChannelOrder
    scale: float
    mean: Channels
    std: Channels
    resize: Resize
    provenance: str


@dataclass(frozen=True)
class OutputInfo:
    name: str
    dtype: Literal["float32", "int32"]
    shape: tuple[int | None, ...]
    activation: Activation


@dataclass(frozen=True)
class BoxInfo:
    """How a head's rows become detections: :mod:`mobilevit_edge.boxes`."""

    maps: tuple[tuple[int, int], ...]
    scales: tuple[float, float]
    ratios: tuple[tuple[int, ...], ...]
    center_variance: float
    size_variance: float
    score: float
    candidates: int
    overlap: float
    detections: int
    one_class: bool


@dataclass(frozen=True)
class HeadInfo:
    name: HeadName
    answer: Literal["logits", "full-logits", "labels", "raw", "decoded", "nms"]
    output_stride: int | None
    rates: tuple[int, ...]
    mask_resize: MaskResize | None
    boxes: BoxInfo | None
    colors: tuple[tuple[int, int, int], ...]
    provenance: str


@dataclass(frozen=True)
class LabelsInfo:
    file: str
    count: int
    source: str


@dataclass(frozen=True)
class AppliedRewrite:
    name: str
    sites: int


@dataclass(frozen=True)
class RefusedRewrite:
    name: str
    reason: str


@dataclass(frozen=True)
class OperatorCount:
    kind: str
    count: int


@dataclass(frozen=True)
class Audit:
    operators: tuple[OperatorCount, ...]
    max_rank: int
    delegates: int | None
    delegated_macs: float | None
    not_delegated: tuple[OperatorCount, ...]


@dataclass(frozen=True)
class VerificationCase:
    name: str
    relative_error: float
    absolute_error: float
    same_top1: bool
    tied: bool


@dataclass(frozen=True)
class Verification:
    by: Literal["runtime", "reference"]
    runtime: str
    max_relative_error: float
    sqnr_db: float | None
    min_sqnr_db: float | None
    cases: tuple[VerificationCase, ...]


@dataclass(frozen=True)
class SizeInfo:
    image_size: tuple[int, int]
    function: str | None


@dataclass(frozen=True)
class CoreMLInfo:
    deployment_target: str
    compute_units: Literal["all", "cpuAndGPU"]
    compute_reason: str
    sizes: tuple[SizeInfo, ...]
    core_ml_verification: Verification | None


@dataclass(frozen=True)
class Calibration:
    images: int
    unreadable: int


@dataclass(frozen=True)
class Accuracy:
    images: int
    unreadable: int
    reference_correct: int
    artifact_correct: int
    max_drop: float

    @property
    def drop(self) -> float:
        """Percentage points of top-1 that the artifact loses."""
        return 100 * (self.reference_correct - self.artifact_correct) / self.images


@dataclass(frozen=True)
class HeadAccuracy:
    measure: Literal["mIoU", "mAP"]
    images: int
    unreadable: int
    reference: float
    artifact: float
    max_drop: float

    @property
    def drop(self) -> float:
        """Percentage points that the artifact loses."""
        return 100 * (self.reference - self.artifact)


@dataclass(frozen=True)
class Expected:
    index: int
    label: str
    value: float


@dataclass(frozen=True)
class Golden:
    rows: int
    columns: int
    pixels_base64: str
    answered_by: Literal["reference", "artifact"]
    expected: tuple[Expected, ...]
    tolerance: float


@dataclass(frozen=True)
class FileInfo:
    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ContextInfo:
    """The model compiled for the NPU of one chip: an ONNX file around what its runtime loads.

    Attributes:
        soc: the chip.
        file: where it is in the bundle.
        compiler: package and version that compiled it.
        sdk: version of the SDK in it; a phone's runtime must be of this one or a later one.
        difference: of its emulated answer to the golden image from the model's, as a share of the
            largest output.
    """

    soc: str
    file: str
    compiler: str
    sdk: str
    difference: float


@dataclass(frozen=True)
class Manifest:
    schema_version: int
    task: Task
    model: ModelInfo
    target: TargetName
    unit: Unit
    backend: str | None
    coreml: CoreMLInfo | None
    contexts: tuple[ContextInfo, ...]
    precision: str
    kept_in_float: tuple[str, ...]
    calibration: Calibration | None
    source: SourceInfo
    input: InputInfo
    output: OutputInfo
    head: HeadInfo | None
    labels: LabelsInfo
    rewrites: tuple[AppliedRewrite, ...]
    rewrites_refused: tuple[RefusedRewrite, ...]
    audit: Audit
    verification: Verification | None
    accuracy: Accuracy | None
    head_accuracy: HeadAccuracy | None
    golden: Golden
    versions: Mapping[str, str]
    files: tuple[FileInfo, ...]


_FORMAT: Final = JsonFormat(
    content=Manifest,
    schema="bundle.v2.json",
    version=SCHEMA_VERSION,
    upgrades={1: from_version_1, 2: with_later_fields},
    error=BundleError,
    remedy="export the bundle again",
)


def manifest_to_json(manifest: Manifest) -> str:
    """The manifest as JSON text that the schema accepts.

    Raises:
        BundleError: the schema does not allow it.
    """
    return _FORMAT.to_json(manifest, "the manifest", indent=2)


def manifest_from_json(text: str, origin: str = MANIFEST_FILE) -> Manifest:
    """A manifest from JSON text.

    Raises:
        BundleError: not JSON, of another schema version, or not allowed by the schema.
    """
    return _FORMAT.from_json(text, origin)
