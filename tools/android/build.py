"""Compiling the app's Kotlin, its stubs and the shim, and running its tests on the JVM."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import MissingPackageError, ToolchainError
from tools.android.toolchain import Toolchain
from tools.app_check import ROOT, run_step

APP: Final = ROOT / "android_demo"
STUBS: Final = ROOT / "tools" / "android" / "stubs"
PLAYED: Final = ROOT / "tools" / "android" / "played"
"""Tests of adapters whose library runs on phones alone."""
_SHIM: Final = ROOT / "tools" / "android" / "native" / "onnx_shim.c"
_COMPILE_MODULES: Final = ROOT / "tools" / "android" / "jvm" / "CompileModules.java"
JAVA: Final = ("java", "-Djava.awt.headless=true", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""For runs of seconds: code of the best compiler would come too late."""
_OPTIONS: Final = (
    *("-no-reflect", "-no-stdlib", "-Werror", "-jvm-target", "1.8"),
    # Debian's dexer does not know invokedynamic.
    *("-Xlambdas=class", "-Xsam-conversions=class", "-Xstring-concat=inline"),
    "-Xuse-fast-jar-file-system",
)


@dataclass(frozen=True)
class KotlinModule:
    """What becomes one jar."""

    name: str
    sources: Sequence[Path]
    class_path: Sequence[Path]
    options: Sequence[str] = ()


@dataclass(frozen=True)
class Build:
    """What compiles, and the folder for the results."""

    toolchain: Toolchain
    folder: Path

    def kotlin(self, modules: Sequence[KotlinModule]) -> None:
        """Compile modules in their order, in one virtual machine."""
        files = []
        for module in modules:
            arguments = [*_OPTIONS, *module.options, "-kotlin-home", str(self.toolchain.kotlin)]
            arguments += ["-cp", path_of(module.class_path), "-d", str(self.jar(module.name))]
            file = self.folder / f"{module.name}.arguments"
            file.write_text("\n".join([*arguments, *map(str, module.sources)]), "utf-8")
            files.append(file)
        compiler = self.library("kotlin-compiler")
        run_step([*JAVA, "-Xmx1g", "-cp", compiler, _COMPILE_MODULES, *files])

    def jar(self, name: str) -> Path:
        """Where a Kotlin module lies once it is compiled."""
        return self.folder / f"{name}.jar"

    def java(self, sources: Path, name: str) -> Path:
        """Compile the Java below ``sources`` into a folder of classes."""
        target = self.folder / name
        files = sorted(sources.rglob("*.java"))
        run_step(["javac", "--release", "8", "-Xlint:-options", "-Werror", "-d", target, *files])
        return target

    def library(self, name: str) -> Path:
        """A jar of the Kotlin distribution."""
        return self.toolchain.kotlin / "lib" / f"{name}.jar"

    @property
    def testing(self) -> list[Path]:
        """The libraries that tests need."""
        names = ("kotlin-stdlib", "kotlin-test", "kotlin-test-junit")
        debian = ("junit4.jar", "hamcrest-all.jar", "json-android.jar")
        return [*map(self.library, names), *map(self.toolchain.java, debian)]

    def test(
        self, folders: Sequence[Path], class_path: Sequence[Path], given: Mapping[str, Path]
    ) -> None:
        """Run every ``*Test`` class below ``folders`` with system properties."""
        names = [
            ".".join(file.relative_to(folder).with_suffix("").parts)
            for folder in folders
            for file in sorted(folder.rglob("*Test.kt"))
        ]
        properties = [f"-D{name}={value}" for name, value in given.items()]
        java: list[str | Path] = [*JAVA, *properties, "-cp", path_of([*class_path, *self.testing])]
        run_step([*java, "org.junit.runner.JUnitCore", *names])

    def onnx_shim(self) -> Path:
        """Build the JNI library between the stubs and the wheel's ONNX Runtime."""
        compiler = shutil.which("javac")
        if compiler is None:
            raise ToolchainError("javac is not installed")
        include = Path(compiler).resolve().parents[1] / "include"
        headers = self.toolchain.debian("usr", "include", "onnxruntime")
        target = self.folder / "libonnx_shim.so"
        command: list[str | Path] = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror"]
        command += ["-shared", "-fPIC"]
        command += [f"-I{include}", f"-I{include}/linux", f"-I{headers}"]
        command += [f'-DORT_LIBRARY="{onnx_runtime()}"', "-o", target]
        run_step([*command, _SHIM, "-ldl"])
        return target


def onnx_runtime() -> Path:
    """The library inside the Python package."""
    found = importlib.util.find_spec("onnxruntime")
    if found is None or found.origin is None:
        raise MissingPackageError("onnxruntime")
    (library,) = (Path(found.origin).parent / "capi").glob("libonnxruntime.so.*")
    return library


def path_of(parts: Sequence[Path]) -> str:
    """Join jars and folders to a class path."""
    return os.pathsep.join(map(str, parts))
