"""Everything that can go wrong for a reason the user can act on.

Each class carries the exit code that the commands end with. Messages name the cause and the next
step; the commands print them without a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

OPTIONAL_PACKAGES: Final[Mapping[str, str]] = {
    "onnx": "onnx",
    "onnxscript": "onnx",
    "onnxruntime": "onnx",
    "executorch": "executorch",
    "torchao": "executorch",
    "ai_edge_litert": "litert",
    "ai_edge_quantizer": "litert",
    "litert_torch": "litert",
    "coremltools": "coreml",
    "huggingface_hub": "hub",
    "httpx2": "hub",
    "matplotlib": "train",
    "onnxruntime_qnn": "npu",
    "segno": "browser",
    "cryptography": "browser",
}
"""Packages that only some operations need, with the extra of mobilevit-edge that installs each."""


class MobileViTEdgeError(Exception):
    """Base class; never raised itself."""

    exit_code: ClassVar[int] = 1


class UsageError(MobileViTEdgeError):
    """Options that contradict each other or name something that does not exist."""

    exit_code = 2


class MissingPackageError(MobileViTEdgeError):
    """A package that this operation needs is not installed."""

    exit_code = 3

    def __init__(self, package: str) -> None:
        super().__init__(
            f"this needs the package {package!r}, which is not installed; "
            f"run: pip install 'mobilevit-edge[{OPTIONAL_PACKAGES.get(package, 'all')}]'"
        )


class ToolchainError(MobileViTEdgeError):
    """A program that this operation needs is not available or does not work."""

    exit_code = 3


class DeviceError(MobileViTEdgeError):
    """A phone is not connected, not ready, or did not do what it was asked to."""

    exit_code = 3


class InputError(MobileViTEdgeError):
    """Something that the user passed in cannot be used."""

    exit_code = 4


class CheckpointError(InputError):
    """A checkpoint cannot be read, or does not fit the model."""


class ImageError(InputError):
    """An image cannot be read."""


class CalibrationError(InputError):
    """The images for int8 calibration are missing, unreadable or unsuitable."""


class PreprocessingError(InputError):
    """Labeled photos show that a model does not get the inputs it was trained on."""


class LabelsError(InputError):
    """A labels file cannot be used."""


class BundleError(InputError):
    """A bundle is incomplete, damaged, or of an unknown format version."""


class ReportError(InputError):
    """A latency report is damaged, of an unknown format version, or unsuitable for its use."""


class OutputError(InputError):
    """The output cannot be written where the user wants it."""


class ConversionError(MobileViTEdgeError):
    """A backend could not convert the model."""

    exit_code = 5


class VerificationError(MobileViTEdgeError):
    """The artifact does not compute what the reference computes."""

    exit_code = 6
