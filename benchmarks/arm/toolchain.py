"""What emulation needs, gathered into a folder: an ARM sysroot, the runtimes, the counter.

QEMU and a cross compiler are Debian packages of this machine. Everything else is unpacked into the
folder: Debian's arm64 libraries, and the runtimes' own aarch64 wheels in the versions installed
here. apt and pip check what they fetch against their signed or hashed indices.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Literal, TypeAlias

from benchmarks.arm.debian import unpack_packages
from benchmarks.arm.processors import PROCESSORS, Processor, cpuinfo
from mobilevit_edge.errors import MissingPackageError, ToolchainError
from mobilevit_edge.files import folder_transaction
from mobilevit_edge.processes import run_program

EmulatedTarget: TypeAlias = Literal["onnx", "executorch"]
EMULATED_TARGETS: Final[tuple[EmulatedTarget, ...]] = ("onnx", "executorch")
QEMU: Final = "qemu-aarch64"
_COMPILER: Final = "aarch64-linux-gnu-g++-12"
_HOST_PACKAGES: Final = ("qemu-user", "g++-12-aarch64-linux-gnu", "gcc")
_SYSROOT: Final = {
    "bookworm": ("libc6", "libgcc-s1", "libstdc++6"),
    # Only headers: the oldest suite that has them.
    "trixie": ("libonnxruntime-dev",),
}
_RUNTIMES: Final = ("executorch", "onnxruntime")
_WHEELS_OF: Final = "3.11"
"""A version of Python that both have wheels for; what is used of them does not depend on it."""
_PLATFORMS: Final = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64")
_EXECUTORCH_LIBRARIES: Final = (
    "executorch",
    "executorch_threadpool",
    "executorch_kernels_optimized",
    "executorch_kernels_quantized",
    "executorch_backend_xnnpack",
)
_ONNX_LIBRARY: Final = "libonnxruntime.so.1"
_STAMP: Final = "toolchain.json"


@dataclass(frozen=True)
class Toolchain:
    """A folder that :func:`set_up` has filled."""

    folder: Path

    @property
    def counter(self) -> Path:
        """QEMU's plugin."""
        return self.folder / "blocks.so"

    def runner(self, target: EmulatedTarget) -> Path:
        """The ARM program that runs a target's models."""
        return self.folder / f"{target}_runner"

    def emulator(self, processor: Processor) -> list[str | Path]:
        """The start of a command that runs an ARM program."""
        # The same addresses and the same random numbers every time.
        command: list[str | Path] = ["setarch", "-R", QEMU, "-seed", "0"]
        return [*command, "-cpu", processor.emulated_as, "-L", self.root_of(processor)]

    def root_of(self, processor: Processor) -> Path:
        """The root that the guest sees, with the processor's own ``/proc/cpuinfo``."""
        return self.folder / "roots" / processor.name


def default_folder() -> Path:
    """``mobilevit-edge/arm`` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mobilevit-edge" / "arm"


def find_toolchain(folder: Path) -> Toolchain | None:
    """What :func:`set_up` made earlier from the same parts; ``None`` if there is none."""
    try:
        stamp = json.loads((folder / _STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return Toolchain(folder) if stamp == _parts() and shutil.which(QEMU) else None


def set_up(folder: Path, show: Callable[[str], None]) -> Toolchain:
    """Gather and build, unless that was done already.

    Args:
        folder: of the toolchain; replaced as a whole.
        show: shows the running step.

    Raises:
        ToolchainError: a package is not available; the message names it, and the next step.
    """
    found = find_toolchain(folder)
    if found is not None:
        return found
    show("looking for QEMU and the cross compiler")
    _require_host_tools()
    with folder_transaction(folder, _is_toolchain) as fresh:
        show("fetching Debian's arm64 libraries")
        unpack_packages(_SYSROOT, fresh / "sysroot", "arm64")
        show("fetching the runtimes for aarch64")
        _unpack_wheels(fresh)
        show("building the counter and the runners")
        _build(Toolchain(fresh))
        _make_roots(fresh)
        show("checking that the emulated runtimes start")
        _check_runners(Toolchain(fresh))
        (fresh / _STAMP).write_text(json.dumps(_parts(), indent=1), encoding="utf-8")
    return Toolchain(folder)


def _is_toolchain(folder: Path) -> bool:
    return (folder / _STAMP).is_file()


def _parts() -> dict[str, str]:
    """What the folder is made from: when any of this changes, it is made again."""
    versions = {name: _version(name) for name in _RUNTIMES}
    sources = [path for path in _native().iterdir() if path.is_file()]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources)))
    processors = hashlib.sha256(repr(PROCESSORS).encode())
    return {**versions, "native": digest.hexdigest(), "processors": processors.hexdigest()}


def _version(name: str) -> str:
    """Version of the package on this machine, whose ARM build is emulated."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingPackageError(name) from error


def _native() -> Path:
    return Path(str(resources.files("benchmarks.arm"))) / "native"


def _require_host_tools() -> None:
    if all(map(shutil.which, (QEMU, _COMPILER, "gcc"))):
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *_HOST_PACKAGES]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ToolchainError(
            f"this needs {QEMU} and {_COMPILER}, which are not installed; "
            f"on Debian 12 run: sudo {' '.join(install)}"
        )
    run_program(install, "cannot install Debian's packages of QEMU and the cross compiler")


def _unpack_wheels(folder: Path) -> None:
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", _WHEELS_OF]
    command += [part for platform in _PLATFORMS for part in ("--platform", platform)]
    command += ["--dest", str(wheels)]
    command += [f"{name}=={_version(name)}" for name in _RUNTIMES]
    run_program(command, "cannot fetch the runtimes' aarch64 wheels")
    for wheel in sorted(wheels.iterdir()):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "site")
    shutil.rmtree(wheels)


def _build(toolchain: Toolchain) -> None:
    folder, native = toolchain.folder, _native()
    command: list[str | Path] = ["gcc", "-O2", "-Wall", "-shared", "-fPIC"]
    run_program(
        [*command, "-o", toolchain.counter, native / "blocks.c"], "cannot build the counter"
    )
    executorch = Path("site", "executorch")
    include = folder / executorch / "include"
    _build_runner(
        toolchain,
        "executorch",
        executorch / "lib",
        "-Wno-deprecated-declarations",
        f"-I{include}",
        f"-I{include}/executorch/runtime/core/portable_type/c10",
        "-DC10_USING_CUSTOM_GENERATED_MACROS",
        "-Wl,--no-as-needed",
        *(f"-l{name}" for name in _EXECUTORCH_LIBRARIES),
    )
    onnxruntime = Path("site", "onnxruntime", "capi")
    (library,) = (folder / onnxruntime).glob("libonnxruntime.so.*.*")
    # The library's own name (soname), which a wheel does not contain.
    (folder / onnxruntime / _ONNX_LIBRARY).symlink_to(library.name)
    _build_runner(
        toolchain,
        "onnx",
        onnxruntime,
        f"-I{folder}/sysroot/usr/include/onnxruntime",
        # The runner's clock replaces the C library's for ONNX Runtime too.
        "-Wl,--export-dynamic-symbol=clock_gettime",
        f"-l:{_ONNX_LIBRARY}",
    )


def _build_runner(
    toolchain: Toolchain, target: EmulatedTarget, libraries: Path, *arguments: str
) -> None:
    """Build ``<target>_runner.cpp``; ``libraries`` is a folder relative to the toolchain's."""
    command: list[str | Path] = [_COMPILER, "-O2", "-std=c++17", "-Wall"]
    command += [_native() / f"{target}_runner.cpp", "-o", toolchain.runner(target)]
    command += [f"-L{toolchain.folder / libraries}", *arguments]
    # Symbols that the libraries do not define belong to torch, which a runner does not need.
    command += ["-Wl,--allow-shlib-undefined", f"-Wl,-rpath,$ORIGIN/{libraries}"]
    run_program(command, f"cannot build the {target} runner")


def _make_roots(folder: Path) -> None:
    for processor in PROCESSORS.values():
        root = Toolchain(folder).root_of(processor)
        (root / "proc").mkdir(parents=True)
        (root / "proc" / "cpuinfo").write_text(cpuinfo(processor))
        for name in ("usr", "lib", "etc"):
            (root / name).symlink_to(Path("..", "..", "sysroot", name))


def _check_runners(toolchain: Toolchain) -> None:
    for target in EMULATED_TARGETS:
        run_program(
            [*toolchain.emulator(PROCESSORS["cortex-a76"]), toolchain.runner(target), "--version"],
            f"the emulated {target} runner does not start",
        )
