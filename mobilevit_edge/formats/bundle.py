"""The bundle: a folder with a model, its labels and a manifest that describes both.

``schemas/bundle.v2.json`` defines the manifest; the dataclasses here mirror it and are checked
against it on the way out and in.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from mobilevit_edge.boxes import BoxForm
from mobilevit_edge.errors import BundleError
from mobilevit_edge.files import sha256_of, sha256_of_open
from mobilevit_edge.formats.consistency import contradictions, model_of
from mobilevit_edge.formats.json_format import JsonFormat
from mobilevit_edge.formats.upgrade import from_version_1, with_later_fields
from mobilevit_edge.head_specs import HeadName, MaskResize
from mobilevit_edge.labels import read_labels
from mobilevit_edge.normalization import Channels
from mobilevit_edge.preprocess import ChannelOrder, Interpolation, ResizeRule
from mobilevit_edge.reading import open_regular, read_text

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
_MAX_MANIFEST_BYTES: Final = 8 * 1024**2


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


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose manifest is valid and whose files are those that it lists.

    What else lies in its folder is no part of it, and never opened.
    """

    path: Path
    manifest: Manifest
    labels: tuple[str, ...]

    @property
    def model_path(self) -> Path:
        """The model file, or the folder of a Core ML package."""
        name = model_of(self.manifest.files, MODEL_PREFIX, LABELS_FILE)
        if name is None:
            raise BundleError(f"{self.path} does not list {LABELS_FILE} and its model once")
        return self.path / name

    def context_path(self, soc: str) -> Path | None:
        """The model as compiled for a chip, if the bundle has it."""
        files = {context.soc: self.path / context.file for context in self.manifest.contexts}
        return files.get(soc)


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


def describe_files(folder: Path) -> tuple[FileInfo, ...]:
    """Every file below ``folder`` except the manifest, with size and hash, in a fixed order."""
    return tuple(
        FileInfo(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST_FILE
    )


def holds_only_a_bundle(folder: Path) -> bool:
    """Whether ``folder`` has a bundle's manifest and no files but those that it lists.

    The files need not be intact: a damaged bundle may be replaced, a user's other files may not.
    """
    try:
        text = read_text(folder / MANIFEST_FILE, _MAX_MANIFEST_BYTES, BundleError)
        files = json.loads(text)["files"]
        listed = {folder / file["path"] for file in files} | {folder / MANIFEST_FILE}
    except (BundleError, ValueError, RecursionError, KeyError, TypeError):
        return False
    return all(path in listed for path in folder.rglob("*") if not path.is_dir())


def read_bundle(path: str | Path) -> Bundle:
    """Open a bundle and check that its files are those that the manifest lists.

    Raises:
        BundleError: not a bundle, an invalid manifest, or a missing or changed file.
    """
    path = Path(path)

    def no_bundle(reason: object) -> BundleError:
        return BundleError(f"{path} is not a bundle: {reason}; mobilevit-export writes bundles")

    try:
        root = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links; a null character
        raise no_bundle(error) from error
    manifest_path = path / MANIFEST_FILE
    _resolved(root, path, MANIFEST_FILE)
    text = read_text(manifest_path, _MAX_MANIFEST_BYTES, no_bundle)
    manifest = manifest_from_json(text, str(manifest_path))
    for file in manifest.files:
        _check_file(root, path, file)
    bundle = Bundle(path, manifest, read_labels(path / LABELS_FILE))
    _refuse_unlisted(bundle)
    wrong = contradictions(manifest, len(bundle.labels))
    if wrong:
        raise BundleError(
            f"{path}: its manifest contradicts itself ({', '.join(wrong)}); export it again"
        )
    return bundle


def _check_file(root: Path, shown: Path, file: FileInfo) -> None:
    def damaged(reason: str) -> BundleError:
        return BundleError(
            f"{shown}: {file.path} is missing or incomplete ({reason}); export the bundle again"
        )

    with open_regular(_resolved(root, shown, file.path), file.bytes, damaged) as opened:
        if os.fstat(opened.fileno()).st_size != file.bytes:
            raise damaged(f"less than {file.bytes} bytes")
        if sha256_of_open(opened) != file.sha256:
            raise BundleError(f"{shown}: {file.path} was changed after the export; export it again")


def _resolved(root: Path, shown: Path, name: str) -> Path:
    """Where a file of a bundle is, with links followed, which may not lead out of it."""
    try:
        location = (root / name).resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise BundleError(f"{shown}: {name} cannot be followed: {error}") from error
    if not location.is_relative_to(root):
        raise BundleError(f"{shown}: {name} leads out of the bundle")
    return location


def _refuse_unlisted(bundle: Bundle) -> None:
    """A runtime opens what it finds in a model's folder."""
    listed = {bundle.path / file.path for file in bundle.manifest.files}
    for found in bundle.model_path.rglob("*"):
        if found not in listed and (found.is_symlink() or not found.is_dir()):
            name = found.relative_to(bundle.path).as_posix()
            raise BundleError(
                f"{bundle.path}: {name} is not among the files that its manifest lists: remove it, "
                f"or export the bundle again"
            )


def golden_pixels(rows: int = 16, columns: int = 16) -> npt.NDArray[np.uint8]:
    """A smooth colorful RGB pattern with an edge, ``[rows, columns, 3]`` bytes.

    The channels differ, so that a wrong channel order is noticed.
    """
    y, x = np.mgrid[0:rows, 0:columns]
    red = 255 * x // max(columns - 1, 1)
    green = 255 * y // max(rows - 1, 1)
    blue = np.where((x - columns / 2) ** 2 + (y - rows / 2) ** 2 < rows * columns / 8, 230, 20)
    return np.stack((red, green, blue), axis=-1).astype(np.uint8)


def encode_pixels(pixels: npt.NDArray[np.uint8]) -> str:
    """The bytes of an image as the manifest stores them."""
    return base64.b64encode(pixels.tobytes()).decode("ascii")


def golden_image(golden: Golden, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """The golden image enlarged to ``size`` (height, width) by repeating pixels: ``[H, W, 3]``."""
    raw: npt.NDArray[Any] = np.frombuffer(base64.b64decode(golden.pixels_base64), dtype=np.uint8)
    pixels = raw.reshape(golden.rows, golden.columns, 3)
    return enlarge(pixels, size)


def enlarge(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """``[rows, columns, 3] -> [H, W, 3]`` by repeating pixels."""
    rows = np.arange(size[0]) * pixels.shape[0] // size[0]
    columns = np.arange(size[1]) * pixels.shape[1] // size[1]
    return np.ascontiguousarray(pixels[rows][:, columns])
