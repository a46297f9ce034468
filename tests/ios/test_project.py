"""What Xcode reads of the iOS app, as far as it can be read without Xcode."""

from __future__ import annotations

import json
import plistlib
import re
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

import mobilevit_edge
from tools.ios import icon

DEMO = Path(__file__).parents[2] / "ios_demo"


def test_the_project_names_what_is_there() -> None:
    project = yaml.safe_load((DEMO / "project.yml").read_text())
    target = project["targets"]["MobileViTEdge"]
    for source in target["sources"]:
        assert (DEMO / source["path"]).is_dir()
    package = (DEMO / project["packages"]["MobileViTKit"]["path"] / "Package.swift").read_text()
    for dependency in target["dependencies"]:
        assert f'name: "{dependency["product"]}"' in package
    settings = target["settings"]["base"]
    assert (DEMO / settings["INFOPLIST_FILE"]).is_file()
    assert settings["PRODUCT_BUNDLE_IDENTIFIER"] == "org.mobilevitedge.app"
    assert settings["MARKETING_VERSION"] == mobilevit_edge.__version__


def test_the_camera_is_explained_and_nothing_is_collected() -> None:
    information = plistlib.loads((DEMO / "App" / "Info.plist").read_bytes())
    assert information["NSCameraUsageDescription"]
    privacy = plistlib.loads((DEMO / "App" / "PrivacyInfo.xcprivacy").read_bytes())
    assert not privacy["NSPrivacyTracking"]
    assert privacy["NSPrivacyCollectedDataTypes"] == []


def test_the_icon_is_what_the_tool_draws() -> None:
    project = yaml.safe_load((DEMO / "project.yml").read_text())
    settings = project["targets"]["MobileViTEdge"]["settings"]["base"]
    named = settings["ASSETCATALOG_COMPILER_APPICON_NAME"]
    folder = DEMO / "App" / "Assets.xcassets" / f"{named}.appiconset"
    (entry,) = json.loads((folder / "Contents.json").read_text())["images"]
    with Image.open(folder / entry["filename"]) as found:
        # The App Store refuses transparency.
        assert (found.mode, found.size) == ("RGB", (icon.SIDE, icon.SIDE))
        # Edges differ by the version of Pillow.
        difference = np.abs(np.asarray(found, int) - np.asarray(icon.icon(), int))
    assert difference.mean() < 0.1


def test_models_come_and_reports_go_through_files() -> None:
    information = plistlib.loads((DEMO / "App" / "Info.plist").read_bytes())
    assert information["UIFileSharingEnabled"]
    assert information["LSSupportsOpeningDocumentsInPlace"]
    assert len(information["UISupportedInterfaceOrientations~ipad"]) == 4


def test_both_ends_check_concurrency_alike() -> None:
    project = yaml.safe_load((DEMO / "project.yml").read_text())
    assert project["targets"]["MobileViTEdge"]["settings"]["base"]["SWIFT_VERSION"] == "6.0"
    package = (DEMO / "MobileViTKit" / "Package.swift").read_text()
    assert re.match(r"// swift-tools-version:6\.", package)
