"""Options that contradict each other are refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converters.job.options import ExportOptions, check_options, runs_here
from mobilevit_edge.errors import UsageError

ALL = ("fp32", "fp16", "int8", "int8-dynamic", "int8-weight-only")
SOME = Path("photos")


def options(**changes: Any) -> ExportOptions:
    return ExportOptions(**{"target": "executorch", "weights": "w", "output": None, **changes})


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
    check_options(options(**changes), ALL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "int4"}, "executorch has no int4; it supports fp32, fp16, int8,"),
        ({"precision": "int8"}, "int8 needs --calibration DIR"),
        ({"calibration": SOME}, "--calibration belongs to --precision int8, not fp32"),
        ({"precision": "int8-dynamic", "int8_keep": ("head",)}, "--int8-keep belongs to"),
        ({"target": "onnx", "etrecord": True}, "--backend and --etrecord belong to"),
        ({"target": "onnx", "backend": "vulkan"}, "--backend and --etrecord belong to"),
        (
            {"backend": "coreml", "precision": "int8", "calibration": SOME},
            "--backend coreml has no int8; it supports fp32, fp16",
        ),
        ({"backend": "vulkan", "verify": SOME}, "runs on a device alone"),
        ({"max_accuracy_drop": 1.0}, "--max-accuracy-drop needs --verify DIR"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_options(options(**changes), ALL)


def test_only_delegates_of_devices_do_not_run_here() -> None:
    assert runs_here(options())
    assert runs_here(options(target="onnx"))
    assert not runs_here(options(backend="vulkan"))
