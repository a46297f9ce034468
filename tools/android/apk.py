"""Packing the app without Gradle: resources, dex, alignment, signature.

The result is a complete, signed package without the runtimes' libraries, which Gradle takes from
Maven Central. It shows that everything around them compiles and packs.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from tools.android.build import APP, JAVA, Build, path_of
from tools.app_check import run_step

PACKAGE: Final = "org.mobilevitedge.app"
MIN_SDK: Final = 26
TARGET_SDK: Final = 36
ANDROID_NAMES: Final = "http://schemas.android.com/apk/res/android"
_TOOLS_NAMES: Final = "http://schemas.android.com/tools"
_MAIN: Final = APP / "app" / "src" / "main"
# The key is made for this package and thrown away with it.
_PASSWORD: Final = "android"  # noqa: S105


def resources(build: Build, assets: Path, version: str) -> tuple[Path, Path]:
    """The package with only resources in it, and the Java source of their numbers."""
    package, sources = build.folder / "resources.apk", build.folder / "R"
    sources.mkdir()
    manifest = build.folder / "AndroidManifest.xml"
    manifest.write_text(
        merged_manifest((_MAIN / "AndroidManifest.xml").read_text("utf-8")), "utf-8"
    )
    command: list[str | Path] = [
        build.toolchain.debian("usr", "bin", "aapt"),
        "package",
        "-f",
        "-m",
    ]
    command += ["-J", sources, "-M", manifest, "-S", _MAIN / "res", "-A", assets, "-F", package]
    command += ["-I", build.toolchain.framework]
    command += ["--min-sdk-version", str(MIN_SDK), "--target-sdk-version", str(TARGET_SDK)]
    command += ["--version-code", "1", "--version-name", version]
    run_step(command, build.toolchain.environment)
    return package, sources


def merged_manifest(text: str) -> str:
    """The app's manifest as Gradle merges it where no library adds anything.

    aapt reads the package's name here; Gradle has it in a file of its own. What is marked for
    removal is gone, and so are the marks, which aapt does not know.
    """
    ElementTree.register_namespace("android", ANDROID_NAMES)
    root = ElementTree.fromstring(text)  # noqa: S314  a file of ours
    root.set("package", PACKAGE)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.get(f"{{{_TOOLS_NAMES}}}node") == "remove":
                parent.remove(child)
    return ElementTree.tostring(root, "unicode", xml_declaration=True)


def pack(build: Build, package: Path, classes: Sequence[Path]) -> Path:
    """Dex, align and sign; return the package with its signature and alignment verified."""
    with zipfile.ZipFile(package, "a", zipfile.ZIP_DEFLATED) as apk:
        apk.write(_dex(build, classes), "classes.dex")
    aligned, signed = build.folder / "aligned.apk", build.folder / "mobilevit-edge.apk"
    zipalign = build.toolchain.debian("usr", "bin", "zipalign")
    run_step([zipalign, "-p", "4", package, aligned], build.toolchain.environment)
    _sign(build, aligned, signed)
    run_step([zipalign, "-c", "-p", "4", signed], build.toolchain.environment)
    run_step([*_signer(build), "verify", "--verbose", "--min-sdk-version", str(MIN_SDK), signed])
    return signed


def _dex(build: Build, classes: Sequence[Path]) -> Path:
    dex = build.folder / "classes.dex"
    plain = [_without_versions(path, build.folder) for path in classes]
    command: list[str | Path] = [*JAVA, "-Xmx1g"]
    command += ["-cp", build.toolchain.java("com.android.dx.jar")]
    command += ["com.android.dx.command.Main", "--dex", f"--min-sdk-version={MIN_SDK}"]
    run_step([*command, f"--output={dex}", *plain])
    return dex


def _without_versions(path: Path, folder: Path) -> Path:
    """A jar without its classes for newer Java, which the dexer does not know."""
    if path.is_dir():
        return path
    target = folder / f"plain-{path.name}"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as plain:
        for entry in source.infolist():
            if entry.filename.endswith(".class") and not entry.filename.startswith("META-INF/"):
                plain.writestr(entry, source.read(entry))
    return target


def _signer(build: Build) -> list[str | Path]:
    jars = [build.toolchain.java("apksigner.jar"), build.toolchain.java("apksig.jar")]
    return [*JAVA, "-cp", path_of(jars), "com.android.apksigner.ApkSignerTool"]


def _sign(build: Build, package: Path, signed: Path) -> None:
    keys = build.folder / "keys"
    command: list[str | Path] = ["keytool", "-genkeypair", "-keystore", keys, "-alias", "key"]
    command += ["-storepass", _PASSWORD, "-keypass", _PASSWORD, "-dname", "CN=mobilevit-edge test"]
    run_step([*command, "-keyalg", "RSA", "-keysize", "2048", "-validity", "1"])
    command = [*_signer(build), "sign", "--ks", keys, "--ks-pass", f"pass:{_PASSWORD}"]
    run_step([*command, "--min-sdk-version", str(MIN_SDK), "--out", signed, package])
