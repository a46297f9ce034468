"""What Gradle and Android read of the app, as far as it can be read without them."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

import mobilevit_edge
from tools.android.apk import ANDROID_NAMES, merged_manifest
from tools.android.build import APP
from tools.android.check import keep_pictures

MAIN = APP / "app" / "src" / "main"
MODULES = sorted(path.parent for path in APP.glob("*/build.gradle.kts"))
# Of Gradle 9.3.1, from its makers' list of checksums.
WRAPPER = "b3a875ddc1f044746e1b1a55f645584505f4a10438c1afea9f15e92a7c42ec13"


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314  a file of ours


def name(key: str) -> str:
    return f"{{{ANDROID_NAMES}}}{key}"


@pytest.fixture(scope="module")
def manifest() -> ElementTree.Element:
    return parsed(merged_manifest((MAIN / "AndroidManifest.xml").read_text("utf-8")))


def test_what_is_open_to_others_is_open_to_adb_alone(manifest: ElementTree.Element) -> None:
    providers = {found.get(name("name")): found for found in manifest.iter("provider")}
    exported = [found for found in providers.values() if found.get(name("exported")) != "false"]
    (bench,) = exported
    assert bench is providers["org.mobilevitedge.app.BenchProvider"]
    assert bench.get(name("permission")) == "android.permission.DUMP"
    assert bench.get(name("grantUriPermissions")) is None
    for kind in ("readPermission", "writePermission"):
        assert bench.get(name(kind)) is None


def test_nothing_is_sent_anywhere(manifest: ElementTree.Element) -> None:
    permissions = [found.get(name("name")) for found in manifest.iter("uses-permission")]
    assert permissions == ["android.permission.CAMERA"]
    assert "onnxruntime" not in ElementTree.tostring(manifest, "unicode")
    # What a later ONNX Runtime adds is removed when Gradle merges the manifests.
    text = (MAIN / "AndroidManifest.xml").read_text("utf-8")
    removed = re.findall(r'<[^<]*android:name="([^"]+)"[^<]*tools:node="remove"', text)
    assert removed == [
        "android.permission.INTERNET",
        "android.permission.ACCESS_NETWORK_STATE",
        "ai.onnxruntime.TelemetryInitializer",
    ]


def test_a_phone_without_a_camera_can_install_it(manifest: ElementTree.Element) -> None:
    features = {
        found.get(name("name")): found.get(name("required"))
        for found in manifest.iter("uses-feature")
    }
    # What the permission implies.
    for implied in ("android.hardware.camera", "android.hardware.camera.autofocus"):
        assert features[implied] == "false"


def test_every_screen_leads_back_to_the_first(manifest: ElementTree.Element) -> None:
    first, *others = manifest.iter("activity")
    assert first.get(name("parentActivityName")) is None
    assert others
    for other in others:
        assert other.get(name("parentActivityName")) == first.get(name("name"))


def test_the_dark_theme_has_every_color() -> None:
    def colors(folder: str) -> set[str | None]:
        root = parsed((MAIN / "res" / folder / "colors.xml").read_text("utf-8"))
        return {found.get("name") for found in root}

    assert colors("values") - colors("values-night") == {"icon_background"}
    for folder, light in (("values", "true"), ("values-night", "false")):
        text = (MAIN / "res" / folder / "themes.xml").read_text("utf-8")
        assert f'"android:windowLightStatusBar">{light}<' in text
        text = (MAIN / "res" / f"{folder}-v27" / "themes.xml").read_text("utf-8")
        assert f'"android:windowLightNavigationBar">{light}<' in text


def test_the_icon_fits_every_launcher() -> None:
    root = parsed((MAIN / "res" / "mipmap-anydpi-v26" / "icon.xml").read_text("utf-8"))
    assert [layer.tag for layer in root] == ["background", "foreground", "monochrome"]


def test_gradle_brings_itself() -> None:
    wrapper = APP / "gradle" / "wrapper"
    assert hashlib.sha256((wrapper / "gradle-wrapper.jar").read_bytes()).hexdigest() == WRAPPER
    assert os.access(APP / "gradlew", os.X_OK)
    for script in ("gradlew", "gradlew.bat"):
        assert "gradle-wrapper.jar" in (APP / script).read_text()
    properties = (wrapper / "gradle-wrapper.properties").read_text()
    assert re.search(r"^distributionSha256Sum=[0-9a-f]{64}$", properties, re.MULTILINE)


def script(folder: Path) -> str:
    return (folder / "build.gradle.kts").read_text("utf-8")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_any_jdk_from_17_on_builds_every_module(module: Path) -> None:
    text = script(module)
    if "alias(libs.plugins.android.library)" in text:
        # What all of them share stands once.
        text += script(APP)
    # A toolchain would have to be downloaded where Android Studio's own JDK is another.
    assert "jvmToolchain" not in text
    assert "jvmTarget = JvmTarget.JVM_17" in text
    assert "targetCompatibility = JavaVersion.VERSION_17" in text
    text = script(module)
    has_tests = (module / "src" / "test").is_dir()
    assert has_tests == ("testImplementation(libs.junit)" in text)
    assert has_tests == ("tools.make_vectors" in text)


def test_an_adapter_says_its_namespace_and_its_library_alone() -> None:
    shared = script(APP)
    assert 'pluginManager.withPlugin("com.android.library")' in shared
    assert 'dependencies.add("api", project(":core"))' in shared
    # Inside of subprojects the catalog's name means the module's own, which is not there yet.
    assert "libs." not in shared.split("subprojects {")[1]
    adapters = [module for module in MODULES if module.name.startswith("runtime-")]
    assert len(adapters) >= 3
    for module in adapters:
        text = script(module)
        assert text.count("    implementation(libs.") == 1
        for common in ("compileSdk", "minSdk", "JavaVersion", "jvmTarget", ":core"):
            assert common not in text


def test_reports_and_manifests_are_read_by_androids_own_parser_in_tests_too() -> None:
    text = (APP / "gradle" / "libs.versions.toml").read_text("utf-8")
    # Not json.org's, which reads what Android's refuses.
    assert 'module = "com.vaadin.external.google:android-json"' in text
    assert "org.json:json" not in text
    core = script(APP / "core")
    assert "compileOnly(libs.json)" in core
    assert "testImplementation(libs.json)" in core


def test_the_app_has_the_packages_version() -> None:
    assert f'versionName = "{mobilevit_edge.__version__}"' in script(APP / "app")


def test_every_module_is_part_of_the_project() -> None:
    included = (APP / "settings.gradle.kts").read_text("utf-8")
    assert MODULES
    for module in MODULES:
        assert f'":{module.name}"' in included


def test_every_version_that_is_pinned_says_why() -> None:
    text = (APP / "gradle" / "libs.versions.toml").read_text("utf-8")
    lines = text.split("[libraries]")[0].splitlines()
    for pinned in ("agp", "minSdk", "onnxruntime", "executorch", "json"):
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{pinned} = ")]
        assert lines[at - 1].startswith("#"), pinned


def test_the_readme_shows_what_a_test_has_drawn_and_says_so() -> None:
    text = (APP / "README.md").read_text("utf-8")
    shown = re.findall(r"!\[[^\]]{20,}\]\(([^)]+)\)", text)
    assert [APP / name for name in shown] == sorted((APP / "pictures").iterdir(), reverse=True)
    assert "a test has drawn them" in text
    for name in shown:
        assert (APP / name).stat().st_size < 100_000
        with Image.open(APP / name) as picture:
            assert picture.width < 1000


def test_pictures_are_kept_as_small_files(tmp_path: Path) -> None:
    drawn, kept = tmp_path / "drawn", tmp_path / "kept"
    drawn.mkdir()
    Image.new("RGB", (40, 30), "#1B5E9B").save(drawn / "a.png")
    keep_pictures(drawn, kept)
    (picture,) = kept.iterdir()
    with Image.open(picture) as opened:
        assert (picture.name, opened.format, opened.size) == ("a.webp", "WEBP", (40, 30))
