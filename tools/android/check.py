"""Compile, test and pack the Android app on Linux.

    python -m tools.android.check [CACHE] [--pictures DIR]

Needs a JDK, gcc, npm, apt-get and dpkg, but no root. Everything else is fetched once and kept in
the cache. Exit code 1: the code or a test is wrong. Exit code 4: a tool cannot be had, or CACHE
holds something else; the message says which.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from PIL import Image

import mobilevit_edge
from mobilevit_edge.console import run_command
from tools.android.apk import pack, resources
from tools.android.build import APP, PLAYED, STUBS, Build, KotlinModule
from tools.android.toolchain import gather
from tools.app_check import cache_folder, check_parser, required_tools, run_module, show_step

CACHE: Final = cache_folder("android")
RESOURCES: Final = APP / "app" / "src" / "main" / "res"
_VIEWS: Final = ("AnswerView", "OverlayView", "SparklineView")
DRAWN: Final = [
    APP / "app" / "src" / "main" / "kotlin" / "org" / "mobilevitedge" / "app" / f"{name}.kt"
    for name in _VIEWS
]
"""The app's views that draw themselves."""


def parser() -> ArgumentParser:
    """The options."""
    parser = check_parser(__doc__, CACHE)
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="keep what the app's views draw in the tests here",
    )
    return parser


def command(arguments: Namespace) -> None:
    """Gather the tools and check.

    Raises:
        CheckError: the code or a test is wrong.
        NotCheckedError: a tool cannot be had.
    """
    with required_tools():
        toolchain = gather(arguments.cache.resolve(), show_step)
        with tempfile.TemporaryDirectory() as folder:
            build = Build(toolchain, Path(folder))
            show_step("computing the vectors in Python")
            vectors = build.folder / "vectors"
            run_module("tools.make_vectors", vectors)
            check(build, vectors)
            if arguments.pictures is not None:
                keep_pictures(pictures_of(build), arguments.pictures)


def check(build: Build, vectors: Path) -> None:
    """Compile everything, and run the tests on the JVM against what Python computes.

    ``vectors`` is what ``tools.make_vectors`` has written.
    """
    reports = build.folder / "reports"
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
    views_stubs, drawn = map(build.jar, ("views-stubs", "drawn"))
    # Only Android's own classes, none of the JDK: what Android lacks must not compile.
    android = [build.library("kotlin-stdlib"), build.toolchain.android]
    on_phone = ("-no-jdk",)
    for_onnx, for_executorch = [core, onnx_stubs], [core, executorch_stubs]
    for_litert = [core, litert_stubs]
    for_qnn = [core, onnx, onnx_stubs]
    for_app = [core, onnx, executorch, litert, qnn, numbers]
    for_tests = [core, onnx, onnx_stubs, executorch, executorch_stubs, litert, litert_stubs, qnn]
    # The views that draw themselves, once more: on Java's graphics.
    for_drawn = [core, views_stubs, numbers, build.library("kotlin-stdlib")]
    for_tests += [drawn, views_stubs, numbers]
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
            KotlinModule("views-stubs", [STUBS / "views"], [build.library("kotlin-stdlib")]),
            KotlinModule("drawn", DRAWN, for_drawn),
            KotlinModule("tests", test_folders, [*for_tests, *build.testing], friend),
        ]
    )
    show_step("dexing, aligning and signing the package")
    # Without the stubs: on a phone the runtimes are the real ones.
    adapters = [onnx, executorch, litert, qnn]
    pack(build, package, [core, *adapters, app, numbers, build.library("kotlin-stdlib")])

    show_step("testing core and the adapters: ONNX Runtime's real library, the others' played")
    given = {"vectors": vectors, "reports": reports, "onnx.shim": build.onnx_shim()}
    given |= {"res": RESOURCES, "pictures": pictures_of(build)}
    build.test(test_folders, [tests, *for_tests], given)
    show_step("reading the app's reports in Python")
    run_module("tools.read_reports", reports)


def pictures_of(build: Build) -> Path:
    """Where the tests put what the views draw."""
    return build.folder / "pictures"


def keep_pictures(folder: Path, target: Path) -> None:
    """Put pictures where documents show them, as small as they can be read."""
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder.glob("*.png")):
        with Image.open(file) as picture:
            picture.save(target / f"{file.stem}.webp", quality=80, method=6)


def sources_of(module: str) -> Path:
    """A module's sources."""
    return APP / module / "src" / "main" / "kotlin"


def tests_of(module: str) -> Path:
    """A module's tests."""
    return APP / module / "src" / "test" / "kotlin"


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
