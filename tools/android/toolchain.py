"""The tools that compile and test the app on Linux, fetched into a folder without root.

The Kotlin compiler is an npm package. Android's API, its dexer and its packers are Debian packages
of several suites, unpacked into the folder instead of installed. npm and apt check what they fetch
against hashed and signed indices.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.arm.debian import unpack_packages
from mobilevit_edge.processes import run_program
from tools.app_check import filling, is_made_of, require_programs

KOTLIN: Final = "kotlin-compiler@2.4.20"
SUITES: Final = {
    "bookworm": (
        *("libandroid-json-org-java", "junit4", "libhamcrest-java"),
        *("aapt", "zipalign", "apksigner", "libapksig-java", "android-framework-res"),
        # The libraries of aapt and zipalign.
        *("android-libaapt", "android-libandroidfw", "android-libbacktrace", "android-libbase"),
        *("android-libcutils", "android-liblog", "android-libunwind", "android-libutils"),
        *("android-libziparchive", "libexpat1", "libpng16-16", "libprotobuf-lite32", "libzopfli1"),
        "p7zip-full",
    ),
    # The last suite with a dexer.
    "bullseye": ("dalvik-exchange", "libandroid-23-java", "android-sdk-platform-23"),
    "trixie": ("libonnxruntime-dev",),
}
_TOOLS: Final = ("java", "javac", "gcc", "npm", "apt-get", "dpkg")


@dataclass(frozen=True)
class Toolchain:
    """A folder that :func:`gather` has filled."""

    folder: Path

    @property
    def kotlin(self) -> Path:
        """The compiler's home, with its libraries in ``lib``."""
        return self.folder / "kotlin" / "package"

    def debian(self, *parts: str) -> Path:
        """A file of Debian's packages, by its path from the root."""
        return self.folder.joinpath("debian", *parts)

    def java(self, name: str) -> Path:
        """One of Debian's Java libraries."""
        return self.debian("usr", "share", "java", name)

    @property
    def android(self) -> Path:
        """Android's API 23 to compile against."""
        return self.debian("usr", "lib", "android-sdk", "platforms", "android-23", "android.jar")

    @property
    def framework(self) -> Path:
        """The system's resources, to which the app's own refer."""
        return self.debian("usr", "share", "android-framework-res", "framework-res.apk")

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Debian's native tools find their libraries."""
        libraries = self.debian("usr", "lib", "x86_64-linux-gnu")
        lib = self.debian("usr", "lib")
        folders = (libraries / "android", libraries, lib, lib / "p7zip")
        return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(map(str, folders))}


def gather(cache: Path, show: Callable[[str], None]) -> Toolchain:
    """Fetch everything, unless it is there.

    Args:
        cache: an absolute path; the folder is replaced as a whole.
        show: called with each step that begins.

    Raises:
        ToolchainError: a program is not installed, or a package cannot be fetched.
        OutputError: something else is at ``cache``; it is untouched.
    """
    require_programs(_TOOLS)
    parts = repr((KOTLIN, SUITES))
    if is_made_of(cache, parts):
        return Toolchain(cache)
    with filling(cache, parts) as fresh:
        show("fetching the Kotlin compiler (90 MB)")
        _fetch_kotlin(fresh / "kotlin")
        show("fetching Android's API and tools from Debian (45 MB)")
        unpack_packages(SUITES, fresh / "debian")
    return Toolchain(cache)


def _fetch_kotlin(folder: Path) -> None:
    folder.mkdir()
    command = ["npm", "pack", "--silent", KOTLIN]
    run_program(command, f"{' '.join(command)} failed (is there a network?)", folder=folder)
    (archive,) = folder.glob("*.tgz")
    shutil.unpack_archive(archive, folder, filter="data")
    archive.unlink()
