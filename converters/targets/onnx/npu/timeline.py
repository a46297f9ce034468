"""Where the simulated cycles go: the compiler's trace of one inference, by node of the ONNX file.

The compiler writes a trace (events of kernels on the unit's threads, in cycles) and a description
of the graph that it made (which node each kernel comes from). Neither format is documented, so
whoever reads them does without where they have changed.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from converters.targets.onnx.names import module_of

IDLE: Final = "idle"
"""What no kernel is running in."""
_EVENTS: Final = "traceEvents"
_TRACES, _GRAPHS = "*_qnn.log", "*_schematic.bin"
_MAX_BYTES: Final = 256 * 1024**2
_NAMES: Final = re.compile(rb"^qnn_name_translations = \{\n(.*?)^\}", re.DOTALL | re.MULTILINE)
_NAME: Final = re.compile(rb"(0x[0-9a-f]+): '([^']*)'")
_NUMBERS: Final = re.compile(r"(_token|_\d+)+$")
_KERNEL: Final = re.compile(r"\(q::\*?([^)]*)\)")
_ID_BITS: Final = 0xFFFFFFFF
"""Of an event's id, those that name the node that its kernel comes from."""
_SCALAR, _MOVE = "scalar", "for_dma"
"""Flags of kernels: those that only start others, and those that move data."""


@dataclass(frozen=True)
class NodeCycles:
    """What one node of the ONNX file takes of the simulated time.

    Attributes:
        name: the node's, or the kernel's where it comes from none.
        kind: its operator.
        module: path of the network's module; empty where it has none.
        kernels: how many run for it.
        cycles: its share of the wall clock: of a cycle in which several run, each has a part.
    """

    name: str
    kind: str
    module: str
    kernels: int
    cycles: float


def read_timeline(folder: Path) -> tuple[NodeCycles, ...]:
    """The nodes by simulated cycles, the dearest first; none where the compiler tells nothing.

    The cycles of all, those of :data:`IDLE` among them, are the whole inference's.
    """
    trace, graph = (_content(folder, pattern) for pattern in (_TRACES, _GRAPHS))
    events = _kernels(trace)
    if not events:
        return ()
    names = _node_names(graph)
    cycles: dict[str, float] = defaultdict(float)
    kernels: dict[str, int] = defaultdict(int)
    titles = [_title(event, names) for event in events]
    for title in titles:
        kernels[title] += 1
    for running, length in _stretches(events):
        if not running:
            cycles[IDLE] += length
        for index in running:
            cycles[titles[index]] += length / len(running)
    found = (
        NodeCycles(title, kind_of(title), module_of(title), kernels[title], count)
        for title, count in cycles.items()
    )
    return tuple(sorted(found, key=lambda node: (-node.cycles, node.name)))


def kind_of(title: str) -> str:
    """The operator in a node's name: ``layer3.1.local/Conv_44_token_387`` is a ``Conv``."""
    return _NUMBERS.sub("", title.rpartition("/")[2])


def _content(folder: Path, pattern: str) -> bytes:
    paths = [path for path in folder.glob(pattern) if path.stat().st_size <= _MAX_BYTES]
    return paths[0].read_bytes() if len(paths) == 1 else b""


def _kernels(trace: bytes) -> list[dict[str, Any]]:
    """The events of kernels that take time; those that only start others wait for nothing."""
    start = trace.rfind(b"{", 0, max(trace.find(f'"{_EVENTS}"'.encode()), 0))
    if start < 0:
        return []
    try:
        # Behind the object are further records.
        content, _ = json.JSONDecoder().raw_decode(trace[start:].decode("latin-1"))
        events = [event for event in content[_EVENTS] if event["ph"] == "X"]
        return [e for e in events if e["dur"] > 0 and _SCALAR not in e["args"]["flags"]]
    except (ValueError, KeyError, TypeError):
        return []


def _node_names(graph: bytes) -> dict[int, str]:
    """Names of the ONNX file's nodes by the numbers that kernels refer to."""
    section = _NAMES.search(graph)
    pairs = _NAME.findall(section[1]) if section else ()
    return {int(number, 16): name.decode("latin-1") for number, name in pairs}


def _title(event: Mapping[str, Any], names: Mapping[int, str]) -> str:
    node = names.get(int(event["args"]["id"], 16) & _ID_BITS)
    kernel = _KERNEL.search(event["name"])
    return node or (kernel[1] if kernel else str(event["name"]).removeprefix("q::*"))


def _stretches(events: Sequence[Mapping[str, Any]]) -> list[tuple[list[int], int]]:
    """The time from 0 on as stretches in which the same kernels run: these, and the length.

    Moving data counts only while nothing else runs.
    """
    moves = {index for index, event in enumerate(events) if _MOVE in event["args"]["flags"]}
    changes = sorted(
        (time, begins, index)
        for index, event in enumerate(events)
        for time, begins in ((event["ts"], True), (event["ts"] + event["dur"], False))
    )
    running: set[int] = set()
    found, last = [], 0
    for time, begins, index in changes:
        if time > last:
            found.append((sorted(running - moves or running), time - last))
            last = time
        if begins:
            running.add(index)
        else:
            running.remove(index)
    return found
