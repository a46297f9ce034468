"""Bundles that the converters' tests read as well, each exported once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mobilevit_edge.formats.bundle import Bundle, read_bundle
from tests.support.exports import Bundles, Checkpoints, in_process, know_tiny_networks


@pytest.fixture(scope="session")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileViTv2-0.5 for ONNX at 32x32, a copy of the one that the converters' tests read."""
    bundles = _onnx(run_folder, tmp_path_factory)
    return shutil.copytree(bundles("real_v2"), tmp_path_factory.mktemp("exported") / "bundle")


@pytest.fixture(scope="session")
def tiny_bundle(
    run_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Bundle]:
    """Bundles of tiny networks for ONNX, by their names in the recipes of exports."""
    bundles = _onnx(run_folder, tmp_path_factory)

    def read(name: str) -> Bundle:
        with pytest.MonkeyPatch.context() as patch:
            know_tiny_networks(patch.setattr)
            return read_bundle(bundles(name))

    return read


def _onnx(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    from converters.cli import export_main

    checkpoints = Checkpoints(tmp_path_factory.mktemp("checkpoints"))
    return Bundles("onnx", in_process(export_main), checkpoints, run_folder / "onnx")
