"""Where the simulated cycles go, from a trace as the compiler writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.targets.onnx.npu.timeline import IDLE, _stretches, kind_of, read_timeline

KERNEL = {"name": "a", "ph": "X", "ts": 0, "dur": 8, "args": {"id": "0x1", "flags": ["for_hvx"]}}


def write(folder: Path, trace: bytes, names: str = "") -> Path:
    (folder / "profile_qnn.log").write_bytes(trace)
    (folder / "x_schematic.bin").write_text(f"qnn_name_translations = {{\n{names}}}\n")
    return folder


def trace_of(*events: object) -> bytes:
    return b"\x01\x02" + json.dumps({"traceEvents": events}).encode() + b"\x03"


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("layer3.1.local/Conv_44_token_387", "Conv"),
        ("stem/SpaceToDepth_2_token_319", "SpaceToDepth"),
        ("Transpose_token_754", "Transpose"),
        ("/QuantizeLinear_image_uint8", "QuantizeLinear_image_uint8"),
        ("idle", "idle"),
    ],
)
def test_the_operator_stands_in_the_nodes_name(title: str, kind: str) -> None:
    assert kind_of(title) == kind


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 50), st.booleans()), min_size=1, max_size=12
    )
)
def test_stretches_cover_the_time_and_name_what_runs(
    kernels: list[tuple[int, int, bool]],
) -> None:
    events = [
        {"ts": start, "dur": length, "args": {"flags": ["for_dma" if moves else "for_hvx"]}}
        for start, length, moves in kernels
    ]
    stretches = _stretches(events)
    assert sum(length for _, length in stretches) == max(s + n for s, n, _ in kernels)
    time = 0
    for running, length in stretches:
        for moment in range(time, time + length):
            active = [i for i, (s, n, _) in enumerate(kernels) if s <= moment < s + n]
            works = [i for i in active if not kernels[i][2]]
            assert running == (works or active)
        time += length


def test_time_without_a_kernel_is_idle(tmp_path: Path) -> None:
    later = KERNEL | {"ts": 12}
    first, second = read_timeline(write(tmp_path, trace_of(KERNEL, later), "0x01: 'm/Add_1',\n"))
    assert (first.name, first.kind, first.module, first.kernels) == ("m/Add_1", "Add", "m", 2)
    assert (first.cycles, second.name, second.cycles) == (16, IDLE, 4)


@pytest.mark.parametrize(
    "trace",
    [
        b"",
        b"another format",
        b'{"traceEvents": [',
        trace_of({"ph": "X"}),
        trace_of(KERNEL | {"args": {"id": "0x1"}}),
        trace_of("text"),
        b'{"traceEvents": 5}',
    ],
)
def test_a_format_that_has_changed_tells_nothing(tmp_path: Path, trace: bytes) -> None:
    assert read_timeline(write(tmp_path, trace)) == ()


def test_without_the_files_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert read_timeline(tmp_path) == ()
