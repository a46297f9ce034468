"""Time by operator, from ONNX Runtime's own profiler."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import onnx

from converters.targets.loaded import PROFILE_WARM_UP, longest_first, noise_inputs
from converters.targets.onnx.names import module_of
from converters.targets.onnx.runtime import OnnxSession, session_options
from mobilevit_edge.formats.report import OperatorTime, Profile

_NCHWC: Final = "_nchwc"
"""What ONNX Runtime appends to the output's name when it names a convolution in its own layout."""
_KERNEL: Final = "_kernel_time"


def profile(path: Path, inferences: int) -> Profile:
    """Profile a file in this process."""
    with tempfile.TemporaryDirectory() as folder:
        options = session_options()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        opened = OnnxSession(path, options)
        run = opened.bind(noise_inputs(opened.inputs))
        for _ in range(PROFILE_WARM_UP + inferences):
            run()
        events = json.loads(Path(opened.session.end_profiling()).read_text())
    operators = onnx_operators(events, _producers(path), skip=PROFILE_WARM_UP)
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
        module = module_of(producers.get(name.removesuffix(_NCHWC), name))
        total = 1000 * sum(counted)
        operators.append(OperatorTime(kinds[name], name, module, len(counted), total))
    return longest_first(operators)


def _producers(path: Path) -> dict[str, str]:
    graph = onnx.load(path, load_external_data=False).graph
    return {output: node.name for node in graph.node for output in node.output}
