"""A small real bundle, exported once."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def exported(run_folder: Path) -> Path:
    """MobileViTv2-0.5 for ONNX at 32x32, with random weights; the processes of a run share it."""
    from converters.bundling.pipeline import export_bundle
    from converters.job.options import ExportOptions

    output = run_folder / "random_v2" / "bundle"
    options = ExportOptions(
        target="onnx",
        weights="random",
        model="mobilevitv2_050",
        image_size=(32, 32),
        output=output,
    )
    output.parent.mkdir(exist_ok=True)
    with FileLock(output.with_suffix(".lock")):
        if not output.exists():
            export_bundle(options)
    return output
