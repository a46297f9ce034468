"""Build and test the iOS app's Swift on Linux.

    python -m tools.ios.check [CACHE]

Needs root, to make a small Debian with Swift once in the cache and to enter it. Exit code 1: the
code or a test is wrong. Exit code 4: a tool cannot be had, or CACHE holds something else; the
message says which.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mobilevit_edge.console import run_command
from tools.app_check import (
    ROOT,
    CheckError,
    cache_folder,
    check_parser,
    required_tools,
    run_module,
    show_step,
)
from tools.ios.toolchain import Toolchain, gather

CACHE: Final = cache_folder("swift")
APP: Final = ROOT / "ios_demo"
STUBS: Final = ROOT / "tools" / "ios" / "stubs"
PLAYED: Final = ROOT / "tools" / "ios" / "played"
_PLAYED_STUBS: Final = ("CoreVideo", "CoreGraphics", "UIKit", "AVFoundation")
_PLAYED_SOURCES: Final = (
    *("MobileViTKit/BundleError", "MobileViTKit/Pixels"),
    "MobileViTCoreML/PixelBuffer",
)
STUB_MODULES: Final = (
    *("CoreVideo", "CoreML", "CoreGraphics", "ImageIO", "CryptoKit", "UniformTypeIdentifiers"),
    *("UIKit", "AVFoundation", "SwiftUI", "PhotosUI"),
)
"""In the order in which they import each other."""
_MAX_SHOWN: Final = 8000


@dataclass(frozen=True)
class Build:
    """A copy of the sources, and what compiles it."""

    toolchain: Toolchain
    work: Path

    def run(self, *command: str | Path, show: bool = False) -> None:
        """Run a step inside the toolchain; its output is shown if it fails, or on request.

        Raises:
            CheckError: it fails or takes too long.
        """
        done = self.toolchain.run([str(part) for part in command], self.work, CheckError)
        if show or done.returncode:
            print((done.stdout + done.stderr)[-_MAX_SHOWN:], flush=True)
        if done.returncode:
            raise CheckError(f"exit code {done.returncode} from {command[0]}")

    def swift_files(self, *folders: str) -> list[str]:
        """The Swift files below folders of the copy."""
        found = [
            file for folder in folders for file in sorted((self.work / folder).rglob("*.swift"))
        ]
        return [str(file.relative_to(self.work)) for file in found]


def parser() -> ArgumentParser:
    """The options."""
    return check_parser(__doc__, CACHE)


def command(arguments: Namespace) -> None:
    """Gather the tools and check.

    Raises:
        CheckError: the code or a test is wrong.
        NotCheckedError: a tool cannot be had.
    """
    with required_tools():
        toolchain = gather(arguments.cache.resolve(), show_step)
        with tempfile.TemporaryDirectory() as folder:
            check(Build(toolchain, copy_sources(Path(folder))))


def copy_sources(folder: Path) -> Path:
    """Copy the app, and the stubs beside it: nothing is built into the repository."""
    work = folder / "ios"
    shutil.copytree(APP, work, ignore=shutil.ignore_patterns(".build", "*.bundle"))
    shutil.copytree(STUBS, work / "stubs")
    shutil.copytree(PLAYED, work / "played")
    return work


def check(build: Build) -> None:
    """Check the format, run the tests against what Python computes, type-check the app."""
    vectors, reports = build.work / "vectors", build.work / "reports"
    show_step("checking the format")
    # Not the stubs: their names are Apple's.
    ours = ("MobileViTKit/Sources", "MobileViTKit/Tests", "App")
    build.run("swift-format", "lint", "--strict", *build.swift_files(*ours))
    show_step("computing the vectors in Python")
    run_module("tools.make_vectors", vectors)
    show_step("exporting a Core ML bundle")
    export = ("--target", "coreml", "--weights", "demo", "--image-size", "64")
    run_module("converters.cli", *export, "--output", vectors / "coreml")
    show_step("building and testing MobileViTKit")
    environment = ("env", f"VECTORS={vectors}", f"REPORTS={reports}")
    package = ("--package-path", "MobileViTKit", "--disable-sandbox")
    build.run(*environment, "swift", "test", "-j", "2", *package, show=True)
    show_step("reading the app's reports in Python")
    run_module("tools.read_reports", reports)
    show_step("running the camera's feed on played classes of AVFoundation")
    run_played(build)
    show_step("parsing and type-checking the app against stubs of Apple's frameworks")
    type_check(build)


def run_played(build: Build) -> None:
    """Compile what is tested with the stubs it needs as one module, and run it."""
    folder = build.work / "played"
    stubs = (f"stubs/{name}/{name}.swift" for name in _PLAYED_STUBS)
    kit = (f"MobileViTKit/Sources/{file}.swift" for file in _PLAYED_SOURCES)
    for source in (*stubs, *kit, "App/CameraFeed.swift"):
        text = (build.work / source).read_text("utf-8")
        # One module needs no imports but the system's own.
        plain = re.sub(r"^ *(@_exported )?import \w+\n", "", text, flags=re.MULTILINE)
        plain = "import Foundation\n" + plain.replace("#if canImport(CoreML)", "#if true")
        (folder / Path(source).name).write_text(plain, "utf-8")
    program = folder / "played"
    build.run("swiftc", "-swift-version", "5", *build.swift_files("played"), "-o", program)
    build.run(program, show=True)


def type_check(build: Build) -> None:
    """Compile the modules of the stubs, then ours; each imports those before it.

    Ours in Swift 6, with complete checking of concurrency; the stubs in Swift 5, as Apple's modules
    count, which were not written for it.
    """
    modules = build.work / "modules"
    modules.mkdir()
    compiler: list[str | Path] = ["swiftc", "-warnings-as-errors", "-I", modules]
    compiler += ["-parse-as-library", "-D", "STUBS"]
    folders = {name: (f"stubs/{name}", "5") for name in STUB_MODULES}
    ours = ("MobileViTKit", "MobileViTCoreML")
    folders |= {name: (f"MobileViTKit/Sources/{name}", "6") for name in ours}
    for name, (folder, version) in folders.items():
        interface = ("-emit-module", "-module-name", name, "-o", modules / f"{name}.swiftmodule")
        files = build.swift_files(folder)
        build.run(*compiler, "-swift-version", version, *interface, *files)
    build.run(*compiler, "-swift-version", "6", "-typecheck", *build.swift_files("App"))


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
