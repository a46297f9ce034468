"""The int8 precisions through the command, from photos to bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevit_edge.formats.bundle import read_bundle
from tests.support.exports import Checkpoints, Command
from tests.support.images import save_smooth

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve smooth colored pictures in two class folders, and a file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(12):
        save_smooth(folder / ("cat", "ship")[index % 2] / f"{index}.png", seed=index)
    (folder / "cat" / "broken.png").write_bytes(b"no image")
    return folder


def test_static_int8_is_calibrated_verified_and_measured(
    export: Command, photos: Path, place: Path, predict: Command
) -> None:
    finished = export(
        *("--target", "onnx", "--weights", "demo", "--output", place / "bundle"),
        *("--precision", "int8", "--calibration", photos, "--verify", photos / "cat" / "0.png"),
        *("--int8-keep", "stem,head", "--image-size", "64"),
    )
    assert finished.code == 0, finished.err
    assert "calibrated  on 12 images, 1 unreadable skipped" in finished.out
    manifest = read_bundle(place / "bundle").manifest
    assert manifest.calibration is not None
    assert (manifest.calibration.images, manifest.calibration.unreadable) == (12, 1)
    assert manifest.kept_in_float == ("stem", "head")
    assert manifest.golden.answered_by == "artifact"
    kinds = {operator.kind for operator in manifest.audit.operators}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    answered = predict(place / "bundle", photos / "cat" / "0.png")
    assert answered.code == 0, answered.err


def test_an_unknown_part_to_keep_is_named_with_its_neighbors(
    export: Command, photos: Path, place: Path
) -> None:
    finished = export(
        *("--target", "onnx", "--weights", "demo", "--output", place / "bundle"),
        *("--precision", "int8", "--calibration", photos, "--int8-keep", "layer9"),
    )
    assert finished.code == 2
    assert "no part 'layer9' to keep; near: layer" in finished.err


@pytest.mark.parametrize("precision", ["int8-dynamic", "int8-weight-only"])
def test_other_int8_needs_no_calibration(
    export: Command, checkpoint: Checkpoints, place: Path, precision: str
) -> None:
    finished = export(
        *("--target", "onnx", "--weights", checkpoint("v2_wide"), "--image-size", "64"),
        *("--precision", precision, "--output", place / "bundle"),
    )
    assert finished.code == 0, finished.err
    bundle = read_bundle(place / "bundle")
    assert bundle.manifest.calibration is None
    # A quarter for the weights, and the graph beside so few; fp16 would be more than half.
    assert bundle.model_path.stat().st_size < 0.45 * 4 * bundle.manifest.model.parameters
