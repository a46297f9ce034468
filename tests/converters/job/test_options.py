"""Options that contradict each other are refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converters.job.options import ExportOptions, check_options
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


def test_only_delegates_of_devices_do_not_run_here() -> None:
    executorch = get_target("executorch")
    assert executorch.runs_here(options())
    assert not executorch.runs_here(options(backend="vulkan"))
    assert get_target("onnx").runs_here(options(target="onnx"))
