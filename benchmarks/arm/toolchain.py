"""What emulation needs, gathered into a folder: an ARM sysroot, the runtimes, the counter.

QEMU and a cross compiler are Debian packages of this machine. Everything else is unpacked into the
folder: Debian's arm64 libraries, and the runtimes' own aarch64 wheels in the versions installed
here. apt and pip check what they fetch against their signed or hashed indices.
"""

from __future__ import annotations

import contextlib
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
from typing import Final

from benchmarks.arm.debian import unpack_packages
from benchmarks.arm.processors import PROCESSORS, Processor, cpuinfo
from benchmarks.arm.runtimes import RUNTIMES, SITE, SYSROOT, EmulatedRuntime, EmulatedTarget
from mobilevit_edge.errors import MissingPackageError, ToolchainError
from mobilevit_edge.files import folder_transaction
from mobilevit_edge.processes import run_program

QEMU: Final = "qemu-aarch64"
_COMPILER: Final = "aarch64-linux-gnu-g++-12"
_HOST_PACKAGES: Final = ("qemu-user", "g++-12-aarch64-linux-gnu", "gcc")
_DEBIAN_PACKAGES: Final = {
    "bookworm": ("libc6", "libgcc-s1", "libstdc++6"),
    # Only headers: the oldest suite that has them.
    "trixie": ("libonnxruntime-dev",),
}
_WHEELS_OF: Final = "3.11"
"""A version of Python that all have wheels for; what is used of them does not depend on it."""
_PLATFORMS: Final = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64")
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
        unpack_packages(_DEBIAN_PACKAGES, fresh / SYSROOT, "arm64")
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
    versions = {runtime.package: version for runtime, version in _installed().items()}
    sources = [path for path in _native().iterdir() if path.is_file()]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources)))
    tables = hashlib.sha256(repr((PROCESSORS, RUNTIMES)).encode())
    return {**versions, "native": digest.hexdigest(), "tables": tables.hexdigest()}


def _installed() -> dict[EmulatedRuntime, str]:
    """The runtimes on this machine, whose ARM builds are emulated, with their versions.

    Raises:
        MissingPackageError: there is none.
    """
    found = {}
    for runtime in RUNTIMES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[runtime] = importlib.metadata.version(runtime.package)
    if not found:
        raise MissingPackageError(RUNTIMES[0].package)
    return found


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
    command += [f"{runtime.package}=={version}" for runtime, version in _installed().items()]
    run_program(command, "cannot fetch the runtimes' aarch64 wheels")
    for wheel in sorted(wheels.iterdir()):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / SITE)
    shutil.rmtree(wheels)


def _build(toolchain: Toolchain) -> None:
    command: list[str | Path] = ["gcc", "-O2", "-Wall", "-shared", "-fPIC"]
    command += ["-o", toolchain.counter, _native() / "blocks.c"]
    run_program(command, "cannot build the counter")
    for runtime in _installed():
        _build_runner(toolchain, runtime)


def _build_runner(toolchain: Toolchain, runtime: EmulatedRuntime) -> None:
    libraries = toolchain.folder / runtime.libraries
    for name, pattern in runtime.links:
        (library,) = libraries.glob(pattern)
        (libraries / name).symlink_to(library.name)
    command: list[str | Path] = [_COMPILER, "-O2", "-std=c++17", "-Wall"]
    command += [_native() / f"{runtime.target}_runner.cpp", "-o", toolchain.runner(runtime.target)]
    command += [f"-L{runtime.libraries}", *runtime.arguments]
    # Symbols that the libraries do not define belong to torch, which a runner does not need.
    command += ["-Wl,--allow-shlib-undefined", f"-Wl,-rpath,$ORIGIN/{runtime.libraries}"]
    failure = f"cannot build the {runtime.target} runner"
    run_program(command, failure, folder=toolchain.folder)


def _make_roots(folder: Path) -> None:
    for processor in PROCESSORS.values():
        root = Toolchain(folder).root_of(processor)
        (root / "proc").mkdir(parents=True)
        (root / "proc" / "cpuinfo").write_text(cpuinfo(processor))
        for name in ("usr", "lib", "etc"):
            (root / name).symlink_to(Path("..", "..", SYSROOT, name))


def _check_runners(toolchain: Toolchain) -> None:
    for runtime in _installed():
        runner = toolchain.runner(runtime.target)
        run_program(
            [*toolchain.emulator(PROCESSORS["cortex-a76"]), runner, "--version"],
            f"the emulated {runtime.target} runner does not start",
        )
