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
    "ruamel": "executorch",
    "ai_edge_litert": "litert",
    "ai_edge_quantizer": "litert",
    "litert_torch": "litert",
    "coremltools": "coreml",
    "huggingface_hub": "hub",
    "httpx2": "hub",
    "matplotlib": "report",
    "onnxruntime_qnn": "npu",
    "pycocotools": "coco",
    "segno": "browser",
    "cryptography": "browser",
}
"""Packages that only some operations need, with the extra of mobilevit-edge that installs each."""


class MobileViTEdgeError(Exception):
    """Base class; never raised itself."""

    exit_code: ClassVar[int] = 1


class UsageError(MobileViTEdgeError):
    """Options that contradict each other or name something that does not exist.

    The message names the option; ``--help`` shows all of them.
    """

    exit_code = 2


class MissingPackageError(MobileViTEdgeError):
    """A package that this operation needs is not installed.

    Run the ``pip install`` that the message ends with.
    """

    exit_code = 3

    def __init__(self, package: str, extra: str | None = None) -> None:
        from mobilevit_edge.installation import install_command

        command = install_command(extra or OPTIONAL_PACKAGES.get(package, "all"))
        super().__init__(
            f"this needs the package {package!r}, which is not installed; run: {command}"
        )


class ToolchainError(MobileViTEdgeError):
    """A program that this operation needs is not available or does not work.

    Install the program that the message names, or run on a system that has it.
    """

    exit_code = 3


class DeviceError(MobileViTEdgeError):
    """A phone is not connected, not ready, or did not do what it was asked to.

    Connect and unlock the phone, allow debugging, open the app; then run the command again.
    """

    exit_code = 3


class InputError(MobileViTEdgeError):
    """Something that the user passed in cannot be used.

    The message names the file or folder and what is wrong with it.
    """

    exit_code = 4


class CheckpointError(InputError):
    """A checkpoint cannot be read, or does not fit the model.

    Pass the file that the message asks for; what loads, and what does not: the page on checkpoints.
    """


class ImageError(InputError):
    """An image cannot be read.

    Remove it, or save it again as PNG or JPEG.
    """


class CalibrationError(InputError):
    """The images for int8 calibration are missing, unreadable or unsuitable.

    Give ``--calibration`` a folder of photos like those that the app will see, at least 8.
    """


class PreprocessingError(InputError):
    """Labeled photos show that a model does not get the inputs it was trained on.

    Pass the options that the message names, or look with ``--diagnose``.
    """


class LabelsError(InputError):
    """A labels file cannot be used.

    One label a line and as many as the model has outputs, or leave ``--labels`` out.
    """


class BundleError(InputError):
    """A bundle is incomplete, damaged, or of an unknown format version.

    Export it again; never edit a bundle by hand.
    """


class ReportError(InputError):
    """A latency report is damaged, of an unknown format version, or unsuitable for its use.

    Measure again, or pass reports that the message says fit together.
    """


class OutputError(InputError):
    """The output cannot be written where the user wants it.

    Name another place, or free the one that the message names.
    """


class ConversionError(MobileViTEdgeError):
    """A backend could not convert the model.

    Leave out the rewrite or option that the message names, or take another target or precision.
    """

    exit_code = 5


class VerificationError(MobileViTEdgeError):
    """The artifact does not compute what the reference computes.

    Do not ship it. Take a higher precision, more calibration images or ``--int8-keep auto``.
    """

    exit_code = 6
