"""Runtimes' profiles, reduced to one table."""

from __future__ import annotations

from typing import Any

import pytest

from converters.targets.executorch.profiling import executorch_operators
from converters.targets.litert.profiling import litert_operators
from converters.targets.onnx.profiling import onnx_operators
from mobilevit_edge.formats.report import OperatorTime

pytestmark = pytest.mark.backend


def event(name: str, kind: str, ts: int, microseconds: int) -> dict[str, Any]:
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "ts": ts,
        "dur": microseconds,
        "args": {"op_name": kind},
    }


def test_onnx_runtimes_trace_becomes_operators_the_longest_first() -> None:
    events = [
        {"cat": "Session", "name": "model_run", "ts": 0, "dur": 99, "args": {}},
        {"cat": "Node", "name": "stem.conv/Conv_0_fence_before", "ts": 0, "dur": 0, "args": {}},
        event("conv2d_nchwc", "Conv", 1, 90),
        event("head/Gemm_9", "Gemm", 2, 7),
        event("ReorderOutput", "ReorderOutput", 3, 1),
        event("head/Gemm_9", "Gemm", 12, 30),
        event("conv2d_nchwc", "Conv", 11, 20),
        event("conv2d_nchwc", "Conv", 21, 22),
    ]
    assert onnx_operators(events, {"conv2d": "stem.conv/Conv_0"}, skip=1) == (
        OperatorTime("Conv", "conv2d_nchwc", "stem.conv", 2, 42_000),
        OperatorTime("Gemm", "head/Gemm_9", "head", 1, 30_000),
        OperatorTime("ReorderOutput", "ReorderOutput", "", 0, 0),
    )


def test_executorchs_events_become_operators_without_those_that_hold_others() -> None:
    events = [
        ("Method::execute", [0.5, 0.5]),
        ("DELEGATE_CALL", [0.1, 0.2]),
        ("DELEGATE_CALL", [0.1, 0.1]),
        ("Sigmoid (NC) #3", [0.05, 0.06]),
        ("native_call_softmax.out", [0.01, 0.01]),
    ]
    assert executorch_operators(events) == (
        OperatorTime("rest of the delegate", "DELEGATE_CALL", "", 4, 390_000),
        OperatorTime("Sigmoid (NC)", "Sigmoid (NC) #3", "", 2, 110_000),
        OperatorTime("softmax.out", "native_call_softmax.out", "", 2, 20_000),
    )


def test_litert_events_become_operators_and_what_they_leave_of_the_call() -> None:
    events = [
        ("LiteRT::Run[Buffer sync]", 1, 0, 9),
        ("Invoke", 1, 0, 100),
        ("Sigmoid (NC)", 8, 3, 40),
        ("Sigmoid (NC)", 8, 4, 20),
        ("RESHAPE", 2, 5, 10),
        ("Sigmoid (NC)", 8, 3, 41),
        ("Invoke", 1, 0, 50),
        ("Invoke", 32, 99, 1 << 32),
    ]
    assert litert_operators(events) == (
        OperatorTime("Sigmoid (NC)", "Sigmoid (NC) #3", "", 2, 81_000),
        OperatorTime("rest of the delegate", "Invoke", "", 2, 39_000),
        OperatorTime("Sigmoid (NC)", "Sigmoid (NC) #4", "", 1, 20_000),
        OperatorTime("RESHAPE", "RESHAPE #5", "", 1, 10_000),
    )


def test_nothing_has_no_operators() -> None:
    assert onnx_operators([], {}, skip=1) == executorch_operators([]) == litert_operators([]) == ()
