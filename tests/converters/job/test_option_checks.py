"""Values that do not exist and options that contradict each other are refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converters.api import explain, export
from converters.checks.diagnosis import diagnose_checkpoint
from converters.job.option_checks import check_images, check_options
from converters.job.options import ExportOptions
from converters.progress import no_progress
from converters.targets.base import get_target
from mobilevit_edge.errors import UsageError

SOME = Path("photos")


def options(**changes: Any) -> ExportOptions:
    return ExportOptions(**{"weights": "w", "target": "executorch", **changes})


def check(**changes: Any) -> None:
    """What an export refuses before any work."""
    asked = options(**changes)
    check_options(asked)
    get_target(asked.target).check_options(asked)
    check_images(asked)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": "int8", "calibration": SOME},
        {"precision": "int8", "calibration": SOME, "int8_keep": ("auto",)},
        {"precision": "int8-dynamic"},
        {"backend": "vulkan", "precision": "fp16"},
        {"backend": "coreml"},
        {"etrecord": True},
        {"verify": SOME, "max_accuracy_drop": 0.0},
        {"target": "onnx"},
        {"target": "onnx", "batch": None, "no_rewrite": ["tanh_silu"], "opset": 99},
        {"mean": [0.5], "std": (1, 1, 1), "rates": (6, 12, 18), "image_size": (64, 96)},
        {"verify": SOME, "max_accuracy_drop": 1e-7},
    ],
)
def test_options_that_go_together_pass(changes: dict[str, Any]) -> None:
    check(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "int4"}, "--precision 'int4' does not exist; choose from fp32, fp16,"),
        ({"precision": "palette-6bit"}, "executorch has no palette-6bit; it supports fp32, fp16,"),
        ({"target": "tflite"}, "--target 'tflite' does not exist; choose from coreml, onnx"),
        ({"batch": None}, "executorch bundles have a fixed batch: pass --batch N"),
        (
            {"target": "onnx", "license": "MIT"},
            "--flexible-sizes, --function-sizes, --author and --license belong to",
        ),
        ({"precision": "int8"}, "int8 needs --calibration DIR"),
        ({"calibration": SOME}, "--calibration belongs to --precision int8, not fp32"),
        ({"precision": "int8-dynamic", "int8_keep": ("head",)}, "--int8-keep belongs to"),
        ({"target": "onnx", "etrecord": True}, "--backend and --etrecord belong to"),
        ({"target": "onnx", "backend": "vulkan"}, "--backend and --etrecord belong to"),
        (
            {"backend": "coreml", "precision": "int8", "calibration": SOME},
            "--backend coreml has no int8; it supports fp32, fp16",
        ),
        ({"backend": "vulkan", "verify": SOME}, "runs only on devices"),
        ({"max_accuracy_drop": 1.0}, "--max-accuracy-drop needs --verify DIR"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": None}, "--target None does not exist"),
        ({"precision": None}, "--precision None does not exist"),
        ({"batch": 0}, "--batch 0 is not a whole number from 1 to 9999"),
        ({"batch": "dynamic"}, "--batch 'dynamic' is not a whole number"),
        ({"batch": True}, "--batch True is not a whole number"),
        ({"target": "onnx", "opset": 1.5}, "--opset 1.5 is not a whole number from 1 to 99"),
        ({"verify": SOME, "max_accuracy_drop": -5}, "--max-accuracy-drop -5 is not a number of"),
        ({"verify": SOME, "max_accuracy_drop": float("nan")}, "--max-accuracy-drop nan is not"),
        ({"no_rewrite": "silu"}, r"--no-rewrite 'silu' stands for several .* \('silu',\)"),
        ({"target": "onnx", "unit": "npu", "soc": "sm8650"}, "--soc 'sm8650' stands for several"),
        ({"raw_input": "no"}, "--raw-input 'no' is neither True nor False"),
        ({"image_size": 256}, "image_size 256 is no size"),
        ({"image_size": (256, 8)}, "image size '256x8' is out of range"),
        ({"target": "coreml", "flexible_sizes": (128, 256)}, "image_size 128 is no size"),
        ({"output_stride": 7}, "--output-stride 7 is none of"),
        ({"rates": (6, 12)}, r"--rates \(6, 12\) is not three whole numbers"),
        ({"mean": 0.5}, "--mean 0.5 is not a number for each channel"),
        ({"std": ("1",)}, "--std .* is not a number for each channel"),
    ],
)
def test_values_that_only_python_can_pass_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check(**changes)


def test_every_function_for_python_judges_its_options() -> None:
    wrong: Any = {"weights": "no such file", "target": "tflite"}
    for function in (export, explain):
        with pytest.raises(UsageError, match="--target 'tflite' does not exist"):
            function(**wrong)
    with pytest.raises(UsageError, match="--target 'tflite' does not exist"):
        diagnose_checkpoint(ExportOptions(**wrong), no_progress)
    with pytest.raises(UsageError, match="executorch bundles have a fixed batch"):
        explain("no such file", "executorch", batch=None)


def test_only_delegates_of_devices_do_not_run_here() -> None:
    executorch = get_target("executorch")
    assert executorch.runs_here(options())
    assert not executorch.runs_here(options(backend="vulkan"))
    assert get_target("onnx").runs_here(options(target="onnx"))
