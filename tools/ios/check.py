"""Build and test the app's Swift on Linux: ``python tools/ios/check.py [CACHE]``.

Needs root, for a small Debian with Swift that is made once in the cache. Exit code 4: a tool cannot
be had; the message names it. Exit code 1: the code or a test is wrong.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolchain import MissingToolError, Toolchain, default_cache, gather

APP: Final = Path(__file__).resolve().parents[2] / "ios_demo"
VECTORS: Final = APP.parent / "tests" / "vectors"
STUBS: Final = (
    *("CoreVideo", "CoreML", "CoreGraphics", "ImageIO"),
    *("UIKit", "AVFoundation", "SwiftUI", "PhotosUI"),
)
"""In the order in which they need each other."""
_MISSING: Final = 4


class CheckError(Exception):
    """The code or a test is wrong; what the tool printed has been shown."""


@dataclass(frozen=True)
class Check:
    """The sources' copy that is built, and what builds it."""

    toolchain: Toolchain
    work: Path

    def run(self, *command: str | Path, show: bool = False) -> None:
        """Run a step inside."""
        done = self.toolchain.run([str(part) for part in command], self.work)
        if show or done.returncode:
            print((done.stdout + done.stderr)[-8000:], flush=True)
        if done.returncode:
            raise CheckError(str(command[0]))

    def swift_files(self, *folders: str) -> list[str]:
        """Swift below folders of the copy."""
        found = [
            file for folder in folders for file in sorted((self.work / folder).rglob("*.swift"))
        ]
        return [str(file.relative_to(self.work)) for file in found]


def check(check: Check) -> None:
    """Everything."""
    vectors, reports = check.work / "vectors", check.work / "reports"
    say("checking the format")
    # Not the stubs: their names are Apple's.
    ours = ("MobileViTKit/Sources", "MobileViTKit/Tests", "App")
    check.run("swift-format", "lint", "--strict", *check.swift_files(*ours))
    say("computing the vectors in Python")
    python(VECTORS / "make_vectors.py", vectors)
    say("exporting a Core ML bundle")
    export = [sys.executable, "-m", "converters.cli", "--target", "coreml", "--weights", "demo"]
    python_ = [*export, "--image-size", "64", "--output", vectors / "coreml", "--json"]
    subprocess.run(python_, check=True, cwd=APP.parent, stdout=subprocess.DEVNULL)  # noqa: S603  ours
    say("building and testing MobileViTKit")
    environment = ("env", f"VECTORS={vectors}", f"REPORTS={reports}")
    package = ("--package-path", "MobileViTKit", "--disable-sandbox")
    check.run(*environment, "swift", "test", "-j", "2", *package, show=True)
    say("reading the app's reports in Python")
    python(VECTORS / "read_reports.py", reports)
    say("parsing and type-checking the app against stubs of Apple's frameworks")
    type_check(check)


def type_check(check: Check) -> None:
    """Modules of the stubs, then of ours, each seen by the next."""
    modules = check.work / "modules"
    modules.mkdir()
    compile_ = ("swiftc", "-swift-version", "5", "-warnings-as-errors", "-I", modules)
    compile_ = (*compile_, "-parse-as-library", "-D", "STUBS")
    for name in STUBS:
        module(check, compile_, name, check.swift_files(f"ci/stubs/{name}"))
    module(check, compile_, "MobileViTKit", check.swift_files("MobileViTKit/Sources/MobileViTKit"))
    adapter = check.swift_files("MobileViTKit/Sources/MobileViTCoreML")
    module(check, compile_, "MobileViTCoreML", adapter)
    check.run(*compile_, "-typecheck", *check.swift_files("App"))


def module(check: Check, compile_: Sequence[str | Path], name: str, files: Sequence[str]) -> None:
    """The interface of a module, for those that import it."""
    target = check.work / "modules" / f"{name}.swiftmodule"
    check.run(*compile_, "-emit-module", "-module-name", name, "-o", target, *files)


def python(*command: str | Path) -> None:
    """Run a script of this repository."""
    subprocess.run([sys.executable, *command], check=True)  # noqa: S603  ours


def say(text: str) -> None:
    """Progress."""
    print(f"ios: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """The whole check; the exit code."""
    cache = Path(sys.argv[1]) if len(sys.argv) > 1 else default_cache()
    try:
        toolchain = gather(cache, say)
        with tempfile.TemporaryDirectory() as folder:
            # A copy: nothing is built into the repository.
            work = Path(folder) / "ios"
            shutil.copytree(APP, work, ignore=shutil.ignore_patterns(".build", "*.bundle"))
            check(Check(toolchain, work))
    except MissingToolError as error:
        say(f"NOT CHECKED: {error}")
        return _MISSING
    except (CheckError, subprocess.CalledProcessError) as error:
        say(f"failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
