"""A small real bundle, exported once."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileViTv2-0.5 for ONNX at 32x32, with random weights."""
    from converters.bundling.pipeline import export_bundle
    from converters.job.options import ExportOptions

    options = ExportOptions(
        target="onnx",
        weights="random",
        model="mobilevitv2_050",
        image_size=(32, 32),
        output=tmp_path_factory.mktemp("exported") / "bundle",
    )
    return export_bundle(options, lambda step: None).path
