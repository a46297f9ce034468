"""Handing a finished bundle to the sample apps."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from converters.options import ExportOptions
from mobilevit_edge.archive import app_name, zip_bundle
from mobilevit_edge.bundle import read_bundle
from mobilevit_edge.errors import OutputError, UsageError

_ANDROID_FOLDER: Final = "bundles"
"""Where the app looks among its assets."""


def check_android_assets(options: ExportOptions, assets: Path) -> None:
    """Refuse, before any work, what the Android app could not run.

    Raises:
        UsageError: another system's target, or several images at once.
        OutputError: ``assets`` is no folder.
    """
    if options.target == "coreml" or options.backend == "coreml":
        raise UsageError("--android-assets takes --target onnx or executorch")
    if options.batch not in (1, None):
        raise UsageError("--android-assets takes one image at a time: leave out --batch")
    if not assets.is_dir():
        raise OutputError(
            f"{assets} is no folder: --android-assets wants the app's app/src/main/assets"
        )


def add_to_android(bundle: Path, assets: Path) -> Path:
    """Put a bundle among the app's assets, in one step; returns the zip.

    Raises:
        OutputError: it cannot be written.
    """
    whole = read_bundle(bundle)
    target = assets / _ANDROID_FOLDER / f"{app_name(whole)}.zip"
    try:
        target.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {target.parent}: {error}") from error
    zip_bundle(whole, target)
    return target
