"""What emulation needs, gathered into a folder: an ARM sysroot, the runtimes, the counter.

QEMU and a cross compiler are Debian packages of this machine. Everything else is unpacked into the
folder: Debian's arm64 libraries and Python, and the runtimes' own aarch64 wheels in the versions
installed here. apt and pip check what they fetch against their signed or hashed indices.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from benchmarks.arm.processors import PROCESSORS, Processor, cpuinfo
from mobilevit_edge.errors import MissingPackageError, ToolchainError
from mobilevit_edge.files import folder_transaction

QEMU: Final = "qemu-aarch64"
_COMPILER: Final = "aarch64-linux-gnu-g++-12"
_HOST_PACKAGES: Final = ("qemu-user", "g++-12-aarch64-linux-gnu", "gcc")
_PYTHON: Final = "python3.11"
_SYSROOT_PACKAGES: Final = (
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libssl3", "libffi8"),
    *("libbz2-1.0", "liblzma5", "libuuid1"),
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"),
)
_RUNTIMES: Final = ("executorch", "onnxruntime", "numpy")
_PLATFORMS: Final = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64")
_LIBRARIES: Final = (
    *("executorch", "executorch_threadpool", "executorch_kernels_optimized"),
    *("executorch_kernels_quantized", "executorch_backend_xnnpack"),
)
_STAMP: Final = "toolchain.json"
_SECONDS: Final = 600


@dataclass(frozen=True)
class Toolchain:
    """A folder that :func:`set_up` has filled."""

    folder: Path

    @property
    def counter(self) -> Path:
        """The plugin of QEMU."""
        return self.folder / "counter.so"

    @property
    def runner(self) -> Path:
        """The ARM program that runs ``.pte`` files."""
        return self.folder / "runner"

    @property
    def python(self) -> Path:
        """The ARM interpreter."""
        return self.folder / "sysroot" / "usr" / "bin" / _PYTHON

    @property
    def site(self) -> Path:
        """The ARM interpreter's packages."""
        return self.folder / "site"

    def emulator(self, processor: Processor) -> list[str | Path]:
        """The start of a command that runs an ARM program."""
        # The same addresses every time.
        return ["setarch", "-R", QEMU, "-cpu", processor.emulated_as, "-L", self.root_of(processor)]

    def root_of(self, processor: Processor) -> Path:
        """The root that the guest sees, with the processor's own ``/proc/cpuinfo``."""
        return self.folder / "roots" / processor.name


def default_folder() -> Path:
    """``mobilevit-edge/arm`` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mobilevit-edge" / "arm"


def find_toolchain(folder: Path) -> Toolchain | None:
    """What :func:`set_up` made earlier of the same parts; ``None`` otherwise."""
    try:
        stamp = json.loads((folder / _STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return Toolchain(folder) if stamp == _parts() and shutil.which(QEMU) else None


def set_up(folder: Path, show: Callable[[str], None]) -> Toolchain:
    """Gather and build, unless that was done already.

    Args:
        folder: of the toolchain; replaced as a whole.
        show: is told what goes on.

    Raises:
        ToolchainError: a package cannot be had; the message names it, and what to do.
    """
    found = find_toolchain(folder)
    if found is not None:
        return found
    show("looking for QEMU and the cross compiler")
    _require_host_tools()
    with folder_transaction(folder) as fresh:
        show("fetching Debian's arm64 libraries")
        _unpack_sysroot(fresh)
        show("fetching the runtimes for aarch64")
        _unpack_wheels(fresh)
        show("building the counter and the runner")
        _build(fresh)
        _make_roots(fresh)
        show("trying the emulated runtimes")
        _try(Toolchain(fresh))
        (fresh / _STAMP).write_text(json.dumps(_parts(), indent=1), encoding="utf-8")
    return Toolchain(folder)


def _parts() -> dict[str, str]:
    """What the folder is made of: it is made anew when any of this changes."""
    versions = {name: _version(name) for name in _RUNTIMES}
    sources = [path for path in _native().iterdir() if path.is_file()]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources)))
    processors = hashlib.sha256(repr(PROCESSORS).encode())
    return {**versions, "native": digest.hexdigest(), "processors": processors.hexdigest()}


def _version(name: str) -> str:
    """Of the package on this machine, whose ARM build is to be emulated."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingPackageError(name, "all") from error


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
    _run(install, "Debian's packages of QEMU and the cross compiler cannot be installed")


def _unpack_sysroot(folder: Path) -> None:
    """Debian's arm64 packages, by an apt of our own that leaves the system's alone."""
    apt = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial", "debs"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()
    config = apt / "apt.conf"
    config.write_text(
        f'Dir::State "{apt}";\nDir::State::lists "{apt}/lists";\nDir::Cache "{apt}/cache";\n'
        f'Dir::State::status "{apt}/status";\n'
        'APT::Architecture "arm64";\nAPT::Architectures { "arm64"; };\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(config)}
    failure = "Debian's arm64 packages cannot be had (Debian 12 has them; is there a network?)"
    _run(["apt-get", "update", "-qq"], failure, env=environment)
    _run(
        ["apt-get", "download", "-qq", *_SYSROOT_PACKAGES],
        failure,
        env=environment,
        cwd=apt / "debs",
    )
    for package in sorted((apt / "debs").glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(folder / "sysroot")], "a package cannot be unpacked")
    shutil.rmtree(apt)


def _unpack_wheels(folder: Path) -> None:
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", _PYTHON.removeprefix("python")]
    command += [part for platform in _PLATFORMS for part in ("--platform", platform)]
    command += ["--dest", str(wheels)]
    command += [f"{name}=={_version(name)}" for name in _RUNTIMES]
    _run(command, "the runtimes' aarch64 wheels cannot be had")
    for wheel in sorted(wheels.iterdir()):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "site")
    shutil.rmtree(wheels)


def _build(folder: Path) -> None:
    native, include = _native(), folder / "site" / "executorch" / "include"
    made = Toolchain(folder)
    _run(
        [*("gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o"), made.counter, native / "counter.c"],
        "the counter cannot be built",
    )
    command: list[str | Path] = [_COMPILER, "-O2", "-std=c++17", "-Wno-deprecated-declarations"]
    command += [f"-I{include}", f"-I{include}/executorch/runtime/core/portable_type/c10"]
    command += ["-DC10_USING_CUSTOM_GENERATED_MACROS", native / "runner.cpp", "-o", made.runner]
    command += [f"-L{folder}/site/executorch/lib", "-Wl,--no-as-needed"]
    command += [f"-l{name}" for name in _LIBRARIES]
    # What the libraries lack themselves belongs to torch, which a runner does not need.
    command += ["-Wl,--allow-shlib-undefined", "-Wl,-rpath,$ORIGIN/site/executorch/lib"]
    _run(command, "the runner cannot be built")


def _make_roots(folder: Path) -> None:
    for processor in PROCESSORS.values():
        root = Toolchain(folder).root_of(processor)
        (root / "proc").mkdir(parents=True)
        (root / "proc" / "cpuinfo").write_text(cpuinfo(processor))
        for name in ("usr", "lib", "etc"):
            (root / name).symlink_to(Path("..", "..", "sysroot", name))


def _try(toolchain: Toolchain) -> None:
    processor = PROCESSORS["cortex-a76"]
    code = f"import sys; sys.path.insert(0, {str(toolchain.site)!r}); import onnxruntime"
    _run(
        [*toolchain.emulator(processor), toolchain.python, "-c", code],
        "the emulated ONNX Runtime does not start",
    )
    _run(
        [*toolchain.emulator(processor), toolchain.runner, "--version"],
        "the emulated ExecuTorch does not start",
    )


def _run(
    command: Sequence[str | Path],
    failure: str,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    try:
        finished = subprocess.run(  # noqa: S603  a command of ours
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"{failure}: {error}") from error
    if finished.returncode != 0:
        raise ToolchainError(f"{failure}: {(finished.stderr or finished.stdout)[-500:].strip()}")
