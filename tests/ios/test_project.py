"""What Xcode reads of the iOS app, as far as it can be read without Xcode."""

from __future__ import annotations

import plistlib
from pathlib import Path

import yaml

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


def test_the_camera_is_explained_and_nothing_is_collected() -> None:
    information = plistlib.loads((DEMO / "App" / "Info.plist").read_bytes())
    assert information["NSCameraUsageDescription"]
    privacy = plistlib.loads((DEMO / "App" / "PrivacyInfo.xcprivacy").read_bytes())
    assert not privacy["NSPrivacyTracking"]
    assert privacy["NSPrivacyCollectedDataTypes"] == []
