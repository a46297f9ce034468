"""Compile and test the app on this machine: ``python tools/android/check.py [CACHE]``.

Needs a JDK, gcc, npm and, for what comes from Debian, apt-get and dpkg; none of it as root. What is
fetched is kept in the cache. Exit code 4: a tool cannot be had; the message names it. Exit code 1:
the code or a test is wrong.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from apk import pack, resources
from build import APP, Build, run
from toolchain import default_cache, gather

import mobilevit_edge
from mobilevit_edge.errors import ToolchainError

VECTORS: Final = APP.parent / "tests" / "vectors"
_MISSING: Final = 4


def check(build: Build) -> None:
    """Compile everything, and run the tests on the JVM against what Python computes."""
    vectors, reports = build.folder / "vectors", build.folder / "reports"
    say("computing the vectors in Python")
    run([sys.executable, VECTORS / "make_vectors.py", vectors])
    # Android's own classes come before any of the JDK: whatever it lacks must not compile.
    android = [build.library("kotlin-stdlib"), build.toolchain.android]
    on_phone = ("-no-jdk",)
    say("compiling core, the runtimes' adapters and the app")
    core = build.kotlin(main("core"), "core", android, on_phone)
    onnx_stubs = build.java(APP / "ci" / "stubs" / "onnxruntime", "onnx-stubs")
    executorch_stubs = build.java(APP / "ci" / "stubs" / "executorch", "executorch-stubs")
    onnx = build.kotlin(main("runtime-onnx"), "onnx", [core, onnx_stubs, *android], on_phone)
    executorch = build.kotlin(
        main("runtime-executorch"), "executorch", [core, executorch_stubs, *android], on_phone
    )
    bundled = build.folder / "assets" / "bundles" / "demo.zip"
    bundled.parent.mkdir(parents=True)
    shutil.make_archive(str(bundled.with_suffix("")), "zip", vectors / "bundle")
    package, numbers = resources(build, bundled.parent.parent, mobilevit_edge.__version__)
    numbers = build.java(numbers, "R-classes")
    app = build.kotlin(main("app"), "app", [core, onnx, executorch, numbers, *android], on_phone)
    say("dexing, aligning and signing the package")
    # Never the stubs: on a phone the runtimes are the real ones.
    pack(build, package, [core, onnx, executorch, app, numbers, build.library("kotlin-stdlib")])

    say("testing core")
    tests = build.kotlin(
        test("core"), "core-tests", [core, *build.testing], [f"-Xfriend-paths={core}"]
    )
    build.test(test("core"), [core, tests], {"vectors": vectors, "reports": reports})
    say("reading the app's reports in Python")
    run([sys.executable, VECTORS / "read_reports.py", reports])

    say("testing the adapter of ONNX Runtime on the real library")
    tests = build.kotlin(
        test("runtime-onnx"), "onnx-tests", [core, onnx, onnx_stubs, *build.testing]
    )
    given = {"vectors": vectors, "onnx.shim": build.onnx_shim()}
    build.test(test("runtime-onnx"), [core, onnx, onnx_stubs, tests], given)


def main(module: str) -> Path:
    """A module's sources."""
    return APP / module / "src" / "main" / "kotlin"


def test(module: str) -> Path:
    """A module's tests."""
    return APP / module / "src" / "test" / "kotlin"


def say(text: str) -> None:
    """Progress."""
    print(f"android: {text}", file=sys.stderr, flush=True)


def run_check() -> int:
    """The whole check; the exit code."""
    cache = Path(sys.argv[1]) if len(sys.argv) > 1 else default_cache()
    try:
        toolchain = gather(cache, say)
        with tempfile.TemporaryDirectory() as folder:
            check(Build(toolchain, Path(folder)))
    except ToolchainError as error:
        say(f"NOT CHECKED: {error}")
        return _MISSING
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(run_check())
