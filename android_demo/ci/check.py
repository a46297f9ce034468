"""Compile and test the app's core on this machine: ``python android_demo/ci/check.py [CACHE]``.

Needs a JDK, npm and, for what comes from Debian, apt-get and dpkg; none of it as root. The Kotlin
compiler and the libraries are fetched once, into the cache. Exit code 4: a tool cannot be had; the
message names it. Exit code 1: the code or a test is wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

APP: Final = Path(__file__).resolve().parent.parent
REPOSITORY: Final = APP.parent
KOTLIN: Final = "kotlin-compiler@2.4.20"
DEBIAN_PACKAGES: Final = ("libandroid-json-org-java", "junit4", "libhamcrest-java")
COMPILER_OPTIONS: Final = (
    *("-no-reflect", "-no-stdlib", "-Werror", "-jvm-target", "1.8"),
    # What dexers of Debian take.
    *("-Xlambdas=class", "-Xsam-conversions=class", "-Xstring-concat=inline"),
)
_MISSING: Final = 4
_SECONDS: Final = 600


class MissingToolError(Exception):
    """Something that this needs cannot be had."""


def default_cache() -> Path:
    """``mobilevit-edge/android`` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mobilevit-edge" / "android"


def gather(cache: Path) -> None:
    """Fetch the compiler and the libraries, unless they are there; npm and apt check the hashes."""
    for tool in ("java", "npm", "apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise MissingToolError(f"{tool} is not installed")
    if cache.exists():
        return
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as temporary:
        fresh = Path(temporary) / "android"
        kotlin, debian = fresh / "kotlin", fresh / "debian"
        for folder in (kotlin, debian):
            folder.mkdir(parents=True)
        say("fetching the Kotlin compiler (90 MB)")
        fetch(["npm", "pack", "--silent", KOTLIN], kotlin)
        (archive,) = kotlin.glob("*.tgz")
        shutil.unpack_archive(archive, kotlin, filter="data")
        archive.unlink()
        say("fetching JUnit and Android's JSON classes")
        fetch(["apt-get", "download", "-qq", *DEBIAN_PACKAGES], debian)
        for package in debian.glob("*.deb"):
            fetch(["dpkg", "-x", str(package), "."], debian)
            package.unlink()
        # As one: a cache that exists is complete.
        fresh.rename(cache)


def fetch(command: Sequence[str], folder: Path) -> None:
    """Run a command that gathers something, or raise what it printed."""
    try:
        done = subprocess.run(  # noqa: S603  a command of ours
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise MissingToolError(f"{command[0]} did not end: is there a network?") from error
    if done.returncode:
        reason = (done.stderr or done.stdout).strip()[-300:]
        raise MissingToolError(f"{' '.join(command)} failed (is there a network?): {reason}")


def run(command: Sequence[str | Path]) -> None:
    """Run a step whose failure is a fault of ours."""
    subprocess.run(command, check=True, timeout=_SECONDS)  # noqa: S603  a command of ours


def path_of(*parts: Path) -> str:
    """A class path."""
    return os.pathsep.join(map(str, parts))


def check_core(cache: Path, build: Path) -> None:
    """Compile ``core``, and run its tests on the JVM against what Python computes."""
    kotlin = cache / "kotlin" / "package" / "lib"
    debian = cache / "debian" / "usr" / "share" / "java"
    standard, json = kotlin / "kotlin-stdlib.jar", debian / "json-android.jar"
    testing = [kotlin / "kotlin-test.jar", kotlin / "kotlin-test-junit.jar", debian / "junit4.jar"]
    core, tests = build / "core.jar", build / "tests.jar"
    vectors, reports = build / "vectors", build / "reports"

    def compile_(sources: Path, target: Path, class_path: str, *options: str) -> None:
        compiler = ["java", "-Xmx1g", "-cp", kotlin / "kotlin-compiler.jar"]
        compiler += ["org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-kotlin-home", kotlin.parent]
        run([*compiler, *COMPILER_OPTIONS, *options, "-cp", class_path, "-d", target, sources])

    say("computing the vectors in Python")
    run([sys.executable, REPOSITORY / "tests" / "vectors" / "make_vectors.py", vectors])
    say("compiling core")
    compile_(APP / "core" / "src" / "main", core, path_of(standard, json))
    say("compiling its tests")
    sources = APP / "core" / "src" / "test"
    visible = path_of(standard, json, core, *testing)
    compile_(sources, tests, visible, f"-Xfriend-paths={core}")
    names = [
        ".".join(file.relative_to(sources / "kotlin").with_suffix("").parts)
        for file in sorted(sources.rglob("*Test.kt"))
    ]
    say(f"running {len(names)} test classes")
    everything = path_of(standard, json, core, tests, *testing, debian / "hamcrest-all.jar")
    properties = [f"-Dvectors={vectors}", f"-Dreports={reports}"]
    run(["java", *properties, "-cp", everything, "org.junit.runner.JUnitCore", *names])
    say("reading the app's reports in Python")
    run([sys.executable, REPOSITORY / "tests" / "vectors" / "read_reports.py", reports])


def say(text: str) -> None:
    """Progress."""
    print(f"android: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """The whole check."""
    cache = Path(sys.argv[1]) if len(sys.argv) > 1 else default_cache()
    try:
        gather(cache)
        with tempfile.TemporaryDirectory() as build:
            check_core(cache, Path(build))
    except MissingToolError as error:
        say(f"NOT CHECKED: {error}")
        return _MISSING
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
