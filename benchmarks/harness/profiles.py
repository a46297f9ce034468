"""Time by operator, from the runtimes' own profilers, in one common table."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.plan import FileSource, Source
from benchmarks.harness.runners import executorch_runner, import_runtime, onnx_runner
from mobilevit_edge.formats.report import OperatorTime, Profile

_WARM_UP: Final = 3
_NCHWC: Final = "_nchwc"
"""What ONNX Runtime appends to the output's name when it names a convolution in its own layout."""
_KERNEL: Final = "_kernel_time"
_DELEGATE_CALL: Final = "DELEGATE_CALL"
_XNNPACK_NOTE: Final = (
    "XNNPACK tells whole microseconds: what it cuts off, and what its profiler costs, is in the "
    "rest of the delegate"
)


def profile_source(source: Source, inferences: int) -> Profile:
    """Profile a model in this process; a runtime that cannot says so in the note."""
    import_runtime(source)
    if isinstance(source, FileSource) and source.format == "onnx":
        return _profile_onnx(Path(source.path), inferences)
    if isinstance(source, FileSource) and source.format == "executorch":
        return _profile_executorch(Path(source.path), inferences)
    return Profile("none", 0, "no profiler of this runtime is read here", ())


def _profile_onnx(path: Path, inferences: int) -> Profile:
    from converters.targets.onnx.conversion import session_options

    with tempfile.TemporaryDirectory() as folder:
        options = session_options()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        runner = onnx_runner(path, options)
        for _ in range(_WARM_UP + inferences):
            runner.run()
        session: Any = runner.run
        events = json.loads(Path(session.session.end_profiling()).read_text())
    operators = onnx_operators(events, _producers(path), skip=_WARM_UP)
    return Profile("ONNX Runtime's profiler", inferences, None, operators)


def onnx_operators(
    events: Iterable[Mapping[str, Any]], producers: Mapping[str, str], *, skip: int
) -> tuple[OperatorTime, ...]:
    """Operators from ONNX Runtime's trace, the longest first.

    Args:
        events: of the trace, in microseconds.
        producers: node names by output name, to find nodes again that the runtime has renamed.
        skip: how many first calls of each node are warm-up.
    """
    calls: dict[str, list[tuple[int, int]]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            name = event["name"].removesuffix(_KERNEL)
            calls[name].append((event["ts"], event["dur"]))
            kinds[name] = event["args"]["op_name"]
    operators = []
    for name, times in calls.items():
        counted = [duration for _, duration in sorted(times)[skip:]]
        original = producers.get(name.removesuffix(_NCHWC), name)
        module = original.split("/", maxsplit=1)[0] if "/" in original else ""
        total = 1000 * sum(counted)
        operators.append(OperatorTime(kinds[name], name, module, len(counted), total))
    return _longest_first(operators)


def _producers(path: Path) -> dict[str, str]:
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    return {output: node.name for node in graph.node for output in node.output}


def _profile_executorch(path: Path, inferences: int) -> Profile:
    runner = executorch_runner(path, etdump=True)
    program: Any = runner.run
    source = "ExecuTorch's ETDump"
    if not program.module.has_etdump():
        return Profile(source, 0, "this build of ExecuTorch was made without its profiler", ())
    from executorch.devtools import Inspector

    for _ in range(_WARM_UP + inferences):
        runner.run()
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "profile.etdp"
        program.module.write_etdump_result_to_file(str(dump))
        inspector = Inspector(etdump_path=str(dump))
    events = [
        (event.name, event.perf_data.raw[_WARM_UP:])
        for block in inspector.event_blocks
        if block.name == "Execute"
        for event in block.events
        if event.perf_data is not None
    ]
    return Profile(source, inferences, _XNNPACK_NOTE, executorch_operators(events))


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
    return _longest_first(operators)


def _longest_first(operators: Iterable[OperatorTime]) -> tuple[OperatorTime, ...]:
    return tuple(sorted(operators, key=lambda operator: (-operator.total_ns, operator.name)))
