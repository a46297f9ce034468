"""Time by operator, from LiteRT's own profiler.

LiteRT's Python classes leave it out. The library under them has it in LiteRT's C API, of which what
is needed is declared here.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from converters.quiet import native_quiet
from converters.targets.litert.interpreter import LiteRTSession
from converters.targets.loaded import PROFILE_WARM_UP, Array, longest_first, noise_inputs
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.report import OperatorTime, Profile

_PROFILER: Final = "LiteRT's profiler"
_NOTE: Final = (
    "XNNPACK reports whole microseconds: what it cuts off, and what its profiler costs, is in the "
    "rest of the delegate"
)
_REST: Final = "rest of the delegate"
_LIBRARY: Final = "libLiteRt.so"
_CPU: Final = 1
"""The processor among ``LiteRtHwAccelerators``."""
_OPTIONS: Final = (
    (b"xnnpack", b"num_threads = 1\n"),
    (b"runtime_options_string", b"enable_profiling = true\n"),
)
"""Options of parts of the runtime, in TOML."""
_CALL: Final = "Invoke"
"""The event of a whole inference."""
_OPERATORS: Final = (1 << 1) | (1 << 2) | (1 << 3)
"""Kinds of events: an operator of the graph, and inside a delegate."""
_GENERAL: Final = 1
"""Another kind of event."""
_FIRST: Final = ctypes.c_size_t(0)
"""The index of the only signature."""


class _TensorType(ctypes.Structure):
    """``LiteRtRankedTensorType``."""

    _fields_ = (
        ("element_type", ctypes.c_int),
        ("rank_and_flags", ctypes.c_uint32),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )


class _Event(ctypes.Structure):
    """``ProfiledEventData``."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory_before", ctypes.c_int64 * 3),
        ("memory_after", ctypes.c_int64 * 3),
        ("node", ctypes.c_uint64),
        ("metadata", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


def profile(path: Path, inferences: int) -> Profile:
    """Profile a file in this process.

    Raises:
        ConversionError: the runtime cannot load the file.
    """
    inputs = noise_inputs(LiteRTSession(path).inputs)
    with native_quiet():
        model = _ProfiledModel(path, inputs)
        for _ in range(PROFILE_WARM_UP):
            model.run()
        model.call("LiteRtStartProfiler", model.profiler)
        for _ in range(inferences):
            model.run()
        model.call("LiteRtStopProfiler", model.profiler)
        events = model.events()
    return Profile(_PROFILER, inferences, _NOTE, litert_operators(events))


def litert_operators(events: Iterable[tuple[str, int, int, int]]) -> tuple[OperatorTime, ...]:
    """Operators from events ``(name, kind, node, microseconds)``, the longest first.

    Of whole inferences only what the operators leave over is kept.
    """
    times: dict[tuple[str, int], list[int]] = defaultdict(list)
    rest, calls = 0, 0
    for name, kind, node, elapsed in events:
        if kind & _OPERATORS:
            times[name, node].append(elapsed)
            rest -= elapsed
        elif (name, kind) == (_CALL, _GENERAL):
            rest, calls = rest + elapsed, calls + 1
    operators = [
        OperatorTime(name, f"{name} #{node}", "", len(found), 1000 * sum(found))
        for (name, node), found in times.items()
    ]
    if calls:
        operators.append(OperatorTime(_REST, _CALL, "", calls, 1000 * max(0, rest)))
    return longest_first(operators)


class _ProfiledModel:
    """A file in LiteRT's C API with one thread; everything in it lives as long as this process."""

    def __init__(self, path: Path, inputs: list[Array]) -> None:
        spec = find_spec("ai_edge_litert")
        assert spec is not None
        assert spec.origin is not None
        self._library = ctypes.CDLL(str(Path(spec.origin).with_name(_LIBRARY)))
        self._environment = self.made("LiteRtCreateEnvironment", 0, None)
        model = self.made("LiteRtCreateModelFromFile", self._environment, str(path).encode())
        self._compiled = self.made(
            "LiteRtCreateCompiledModel", self._environment, model, self._options()
        )
        self.profiler = self.made("LiteRtCompiledModelGetProfiler", self._compiled)
        self._signature = self.made("LiteRtGetModelSignature", model, _FIRST)
        self._inputs = self._buffers("Input")
        self._outputs = self._buffers("Output")
        for buffer, x in zip(self._inputs, inputs, strict=True):
            memory = self.made("LiteRtGetTensorBufferHostMemory", ctypes.c_void_p(buffer))
            ctypes.memmove(memory, x.ctypes.data, x.nbytes)

    def call(self, name: str, *arguments: Any) -> None:
        """A function of the API. Raises ConversionError where it fails."""
        status = getattr(self._library, name)(*arguments)
        if status:
            raise ConversionError(f"LiteRT's profiler failed: {name} has the status {status}")

    def made(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        """What a function of the API gives by its last argument."""
        found = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(found))
        return found

    def run(self) -> None:
        """One inference."""
        self.call(
            "LiteRtRunCompiledModel",
            *(self._compiled, _FIRST),
            *(ctypes.c_size_t(len(self._inputs)), self._inputs),
            *(ctypes.c_size_t(len(self._outputs)), self._outputs),
        )

    def events(self) -> list[tuple[str, int, int, int]]:
        """Name, kind, node and microseconds of everything since the profiler was started."""
        number = ctypes.c_int()
        self.call("LiteRtGetNumProfilerEvents", self.profiler, ctypes.byref(number))
        found = (_Event * number.value)()
        self.call("LiteRtGetProfilerEvents", self.profiler, number, found)
        return [(e.tag.decode(), e.kind, e.node, e.elapsed_us) for e in found]

    def _options(self) -> ctypes.c_void_p:
        options = self.made("LiteRtCreateOptions")
        self.call("LiteRtSetOptionsHardwareAccelerators", options, _CPU)
        c = ctypes.CDLL(None)
        c.strdup.restype = ctypes.c_void_p
        for part, text in _OPTIONS:
            # It wants memory of its own, and a function to free it with.
            copied = ctypes.c_void_p(c.strdup(text))
            given = self.made("LiteRtCreateOpaqueOptions", part, copied, c.free)
            self.call("LiteRtAddOpaqueOptions", options, given)
        return options

    def _buffers(self, side: str) -> Any:
        """Memory for all inputs, or outputs, of the signature."""
        number = ctypes.c_size_t()
        self.call(f"LiteRtGetNumSignature{side}s", self._signature, ctypes.byref(number))
        buffers = (ctypes.c_void_p * number.value)()
        for index in map(ctypes.c_size_t, range(number.value)):
            tensor = self.made(f"LiteRtGetSignature{side}TensorByIndex", self._signature, index)
            shape = _TensorType()
            self.call("LiteRtGetRankedTensorType", tensor, ctypes.byref(shape))
            needs = self.made(
                f"LiteRtGetCompiledModel{side}BufferRequirements", self._compiled, _FIRST, index
            )
            buffers[index.value] = self.made(
                "LiteRtCreateManagedTensorBufferFromRequirements",
                *(self._environment, ctypes.byref(shape), needs),
            ).value
        return buffers
