"""Runtimes whose ARM builds are emulated, as data: their wheel, and how a runner is built on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

EmulatedTarget: TypeAlias = Literal["onnx", "executorch", "litert"]

SITE: Final = Path("site")
"""Where the wheels are unpacked, in the toolchain's folder."""
SYSROOT: Final = Path("sysroot")
"""Where Debian's arm64 packages are, in the toolchain's folder."""
_EXECUTORCH: Final = SITE / "executorch"


@dataclass(frozen=True)
class EmulatedRuntime:
    """A runtime, and ``native/<target>_runner.cpp`` that calls it.

    Attributes:
        target: whose models it runs.
        package: the wheel for aarch64 that holds it.
        libraries: the folder of its shared libraries, in the toolchain's folder.
        arguments: of the compiler, which runs in the toolchain's folder.
        links: names to give to libraries, each with a pattern of the file that the wheel holds.
    """

    target: EmulatedTarget
    package: str
    libraries: Path
    arguments: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()


RUNTIMES: Final[tuple[EmulatedRuntime, ...]] = (
    EmulatedRuntime(
        target="onnx",
        package="onnxruntime",
        libraries=SITE / "onnxruntime" / "capi",
        arguments=(
            f"-I{SYSROOT}/usr/include/onnxruntime",
            # The runner's clock replaces the C library's for ONNX Runtime too.
            "-Wl,--export-dynamic-symbol=clock_gettime",
            "-l:libonnxruntime.so.1",
        ),
        # The library's own name (soname), which the wheel does not contain.
        links=(("libonnxruntime.so.1", "libonnxruntime.so.*.*"),),
    ),
    EmulatedRuntime(
        target="executorch",
        package="executorch",
        libraries=_EXECUTORCH / "lib",
        arguments=(
            "-Wno-deprecated-declarations",
            f"-I{_EXECUTORCH}/include",
            f"-I{_EXECUTORCH}/include/executorch/runtime/core/portable_type/c10",
            "-DC10_USING_CUSTOM_GENERATED_MACROS",
            "-Wl,--no-as-needed",
            "-lexecutorch",
            "-lexecutorch_threadpool",
            "-lexecutorch_kernels_optimized",
            "-lexecutorch_kernels_quantized",
            "-lexecutorch_backend_xnnpack",
        ),
    ),
    EmulatedRuntime(
        target="litert",
        package="ai-edge-litert",
        libraries=SITE / "ai_edge_litert",
        arguments=("-lLiteRt",),
    ),
)
EMULATED_TARGETS: Final = tuple(runtime.target for runtime in RUNTIMES)
