"""Compile, test and pack the Android app on Linux.

    python -m tools.android.check [CACHE]

Needs a JDK, gcc, npm, apt-get and dpkg, but no root. Everything else is fetched once and kept in
the cache. Exit code 1: the code or a test is wrong. Exit code 4: a tool cannot be had; the message
names it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

import mobilevit_edge
from mobilevit_edge.console import run_command
from tools.android.apk import pack, resources
from tools.android.build import APP, PLAYED, STUBS, Build, KotlinModule
from tools.android.toolchain import gather
from tools.app_check import cache_folder, check_parser, required_tools, run_module, show_step

CACHE: Final = cache_folder("android")


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
            check(Build(toolchain, Path(folder)))


def check(build: Build) -> None:
    """Compile everything, and run the tests on the JVM against what Python computes."""
    vectors, reports = build.folder / "vectors", build.folder / "reports"
    show_step("computing the vectors in Python")
    run_module("tools.make_vectors", vectors)
    bundled = build.folder / "assets" / "bundles" / "demo.zip"
    bundled.parent.mkdir(parents=True)
    shutil.make_archive(str(bundled.with_suffix("")), "zip", vectors / "bundle")
    package, numbers = resources(build, bundled.parent.parent, mobilevit_edge.__version__)
    numbers = build.java(numbers, "R-classes")
    onnx_stubs = build.java(STUBS / "onnxruntime", "onnx-stubs")

    show_step("compiling core, the runtimes' adapters, the app and the tests")
    core, onnx, executorch, litert, app, tests = map(
        build.jar, ("core", "onnx", "executorch", "litert", "app", "tests")
    )
    qnn = build.jar("qnn")
    executorch_stubs, litert_stubs = map(build.jar, ("executorch-stubs", "litert-stubs"))
    # Only Android's own classes, none of the JDK: what Android lacks must not compile.
    android = [build.library("kotlin-stdlib"), build.toolchain.android]
    on_phone = ("-no-jdk",)
    for_onnx, for_executorch = [core, onnx_stubs], [core, executorch_stubs]
    for_litert = [core, litert_stubs]
    for_qnn = [core, onnx, onnx_stubs]
    for_app = [core, onnx, executorch, litert, qnn, numbers]
    for_tests = [core, onnx, onnx_stubs, executorch, executorch_stubs, litert, litert_stubs, qnn]
    # Python's library behind the stubs of ONNX Runtime; those of the others are played.
    test_folders = [tests_of("core"), tests_of("runtime-onnx"), PLAYED]
    friend = (f"-Xfriend-paths={core}",)
    build.kotlin(
        [
            KotlinModule("core", [sources_of("core")], android, on_phone),
            KotlinModule("executorch-stubs", [STUBS / "executorch"], android, on_phone),
            KotlinModule("litert-stubs", [STUBS / "litert"], android, on_phone),
            KotlinModule("onnx", [sources_of("runtime-onnx")], [*for_onnx, *android], on_phone),
            KotlinModule(
                "executorch",
                [sources_of("runtime-executorch")],
                [*for_executorch, *android],
                on_phone,
            ),
            KotlinModule(
                "litert", [sources_of("runtime-litert")], [*for_litert, *android], on_phone
            ),
            KotlinModule("qnn", [sources_of("runtime-qnn")], [*for_qnn, *android], on_phone),
            KotlinModule("app", [sources_of("app")], [*for_app, *android], on_phone),
            KotlinModule("tests", test_folders, [*for_tests, *build.testing], friend),
        ]
    )
    show_step("dexing, aligning and signing the package")
    # Without the stubs: on a phone the runtimes are the real ones.
    adapters = [onnx, executorch, litert, qnn]
    pack(build, package, [core, *adapters, app, numbers, build.library("kotlin-stdlib")])

    show_step("testing core and the adapters: ONNX Runtime's real library, the others' played")
    given = {"vectors": vectors, "reports": reports, "onnx.shim": build.onnx_shim()}
    build.test(test_folders, [tests, *for_tests], given)
    show_step("reading the app's reports in Python")
    run_module("tools.read_reports", reports)


def sources_of(module: str) -> Path:
    """A module's sources."""
    return APP / module / "src" / "main" / "kotlin"


def tests_of(module: str) -> Path:
    """A module's tests."""
    return APP / module / "src" / "test" / "kotlin"


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
