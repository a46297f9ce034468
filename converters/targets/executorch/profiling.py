"""Time by operator, from ExecuTorch's own profiler."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from converters.targets.executorch.program import Program
from converters.targets.loaded import PROFILE_WARM_UP, longest_first, noise_inputs
from mobilevit_edge.formats.report import OperatorTime, Profile

_PROFILER: Final = "ExecuTorch's ETDump"
_DELEGATE_CALL: Final = "DELEGATE_CALL"
_XNNPACK_NOTE: Final = (
    "XNNPACK reports whole microseconds: what it cuts off, and what its profiler costs, is in the "
    "rest of the delegate"
)


def profile(path: Path, inferences: int) -> Profile:
    """Profile a file in this process; a runtime built without its profiler says so in the note."""
    program = Program(path, etdump=True)
    if not program.module.has_etdump():
        return Profile(_PROFILER, 0, "this build of ExecuTorch was made without its profiler", ())
    from executorch.devtools import Inspector

    run = program.bind(noise_inputs(program.inputs))
    for _ in range(PROFILE_WARM_UP + inferences):
        run()
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "profile.etdp"
        program.module.write_etdump_result_to_file(str(dump))
        inspector = Inspector(etdump_path=str(dump))
    events = [
        (event.name, event.perf_data.raw[PROFILE_WARM_UP:])
        for block in inspector.event_blocks
        if block.name == "Execute"
        for event in block.events
        if event.perf_data is not None
    ]
    return Profile(_PROFILER, inferences, _XNNPACK_NOTE, executorch_operators(events))


def executorch_operators(
    events: Iterable[tuple[str, Iterable[float]]],
) -> tuple[OperatorTime, ...]:
    """Operators from Inspector events ``(name, milliseconds of every run)``.

    Of the delegate's call only what its operators leave over is kept; the events that hold
    everything are left out.
    """
    operators, rest, calls = [], 0.0, 0
    for name, milliseconds in events:
        times = list(milliseconds)
        if name == _DELEGATE_CALL:
            rest, calls = rest + sum(times), calls + len(times)
        elif not name.startswith(("Method::", "Program::")):
            # XNNPACK: "Convolution (NHWC, F32) IGEMM #3"; ExecuTorch: "native_call_softmax.out".
            kind, number, _ = name.partition(" #")
            rest -= sum(times) if number else 0
            total = round(1e6 * sum(times))
            kind = kind.removeprefix("native_call_")
            operators.append(OperatorTime(kind, name, "", len(times), total))
    if calls:
        left = max(0, round(1e6 * rest))
        operators.append(OperatorTime("rest of the delegate", _DELEGATE_CALL, "", calls, left))
    return longest_first(operators)
