"""A small real bundle, exported once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.exports import Bundles, Checkpoints, in_process


@pytest.fixture(scope="session")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileViTv2-0.5 for ONNX at 32x32, a copy of the one that the converters' tests read."""
    from converters.cli import export_main

    checkpoints = Checkpoints(tmp_path_factory.mktemp("checkpoints"))
    bundles = Bundles("onnx", in_process(export_main), checkpoints, run_folder / "onnx")
    return shutil.copytree(bundles("real_v2"), tmp_path_factory.mktemp("exported") / "bundle")
