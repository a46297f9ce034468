"""Handing a finished bundle to the sample apps, and to a page of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from converters.job.options import ExportOptions
from converters.targets.base import Platform, get_target
from mobilevit_edge.errors import OutputError, UsageError
from mobilevit_edge.files import folder_transaction
from mobilevit_edge.formats.archive import app_name, zip_bundle
from mobilevit_edge.formats.bundle import holds_only_a_bundle, read_bundle
from mobilevit_edge.formats.manifest import MANIFEST_FILE, TARGET_NAMES
from mobilevit_edge.places import check_file_place, check_folder_place
from mobilevit_edge.web.site import SiteContent, make_site
from mobilevit_edge.web.writing import holds_only_a_site, write_page, write_site

_ANDROID_FOLDER: Final = "bundles"
"""Where the app looks among its assets."""
_PAGE: Final = ".html"


def check_android_assets(options: ExportOptions, assets: Path) -> None:
    """Refuse, before any work, what the Android app could not run.

    Raises:
        UsageError: another system's target, or several images at once.
        OutputError: ``assets`` is not a folder.
    """
    if "android" not in get_target(options.target).platforms(options):
        raise UsageError(f"--android-assets takes {_targets_for('android')}")
    if options.batch not in (1, None):
        raise UsageError("--android-assets takes one image at a time: leave out --batch")
    if not assets.is_dir():
        raise OutputError(
            f"{assets} is not a folder: --android-assets wants the app's app/src/main/assets"
        )
    bundles = assets / _ANDROID_FOLDER
    if os.path.lexists(bundles) and (bundles.is_symlink() or not bundles.is_dir()):
        raise OutputError(f"{bundles} is not a folder: move it away")
    if options.output is not None and bundles.is_dir():
        check_file_place(bundles / _zip_name(Path(options.output)))


def add_to_android(bundle: Path, assets: Path) -> Path:
    """Put a bundle among the app's assets, in one step; returns the zip.

    Raises:
        OutputError: it cannot be written.
    """
    whole = read_bundle(bundle)
    target = assets / _ANDROID_FOLDER / _zip_name(whole.path)
    try:
        target.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {target.parent}: {error}") from error
    zip_bundle(whole, target)
    return target


def check_ios_resources(options: ExportOptions, resources: Path) -> None:
    """Refuse, before any work, what the iOS app could not run.

    Raises:
        UsageError: another system's target.
        OutputError: ``resources`` is not a folder.
    """
    if "ios" not in get_target(options.target).platforms(options):
        raise UsageError(f"--ios-resources takes {_targets_for('ios')}")
    if not resources.is_dir():
        raise OutputError(
            f"{resources} is not a folder: --ios-resources wants the app's ios_demo/App/Models"
        )
    if options.output is not None:
        check_folder_place(resources / app_name(Path(options.output)), holds_only_a_bundle)


def add_to_ios(bundle: Path, resources: Path) -> Path:
    """Put a copy of a bundle among the app's resources, in one step; returns its folder.

    Raises:
        OutputError: it cannot be written, or something else is in its place.
    """
    whole = read_bundle(bundle)
    target = resources / app_name(whole.path)
    with folder_transaction(target, holds_only_a_bundle) as folder:
        for name in (MANIFEST_FILE, *(file.path for file in whole.manifest.files)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(whole.path / name, folder / name)
    return target


def check_web(options: ExportOptions, place: Path) -> None:
    """Refuse, before any work, what no browser could run.

    Raises:
        UsageError: another system's target, or several images at once.
        OutputError: what is at ``place`` may not be replaced.
    """
    if "browser" not in get_target(options.target).platforms(options):
        raise UsageError(f"--web takes {_targets_for('browser')}")
    if options.batch not in (1, None):
        raise UsageError("--web takes one image at a time: leave out --batch")
    if place.suffix == _PAGE:
        check_file_place(place)
    else:
        check_folder_place(place, holds_only_a_site)


def add_to_web(bundle: Path, place: Path) -> Path:
    """Write a page with the bundle: a single file where ``place`` ends in .html, else a folder.

    Raises:
        OutputError: it cannot be written, or something else is in its place.
    """
    whole = read_bundle(bundle)
    files = make_site({app_name(whole.path): whole}, SiteContent())
    if place.suffix == _PAGE:
        write_page(files, place)
    else:
        write_site(files, place)
    return place


def _zip_name(bundle: Path) -> str:
    return f"{app_name(bundle)}.zip"


def _targets_for(platform: Platform) -> str:
    names = [name for name in TARGET_NAMES if platform in get_target(name).info.platforms]
    return f"--target {' or '.join(names)}"
