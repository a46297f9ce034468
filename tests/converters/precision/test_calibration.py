from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from converters.job.job import ExportJob
from converters.precision import calibration
from converters.precision.calibration import MIN_IMAGES, calibration_set
from mobilevit_edge.errors import CalibrationError
from tests.support.jobs import job_of, with_options

SIZE = (64, 96)


@pytest.fixture(scope="module")
def job() -> ExportJob:
    return job_of(image_size=SIZE)


def fill(folder: Path, count: int, color: int | None = None) -> Path:
    """Images whose first pixel tells their number."""
    for index in range(count):
        name = folder / f"class{index % 3}" / f"{index:03}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (64, 96, 3), dtype=np.uint8)
        if color is not None:
            pixels[:] = color
        Image.fromarray(pixels).save(name)
    return folder


def silent(_: str) -> None:
    pass


def test_every_image_becomes_an_input_as_the_artifact_takes_it(
    tmp_path: Path, job: ExportJob
) -> None:
    told: list[str] = []
    found = calibration_set(fill(tmp_path, 9), job, told.append)
    assert found.images == 9
    assert found.unreadable == 0
    assert [b.shape for b in found.batches] == [(1, 3, 64, 96)] * 9
    assert all(b.dtype == torch.float32 and 0.9 < b.max() <= 1 for b in found.batches)
    assert told[0] == "reading calibration image 1 of 9"
    assert told[-1] == "reading calibration image 9 of 9"


def test_raw_input_is_bytes(tmp_path: Path, job: ExportJob) -> None:
    found = calibration_set(fill(tmp_path, 8), with_options(job, raw_input=True), silent)
    assert found.batches[0].shape == (1, 64, 96, 3)
    assert found.batches[0].dtype == torch.uint8


@pytest.mark.parametrize(("batch", "size", "count"), [(4, 4, 3), (None, 2, 5)])
def test_batches_have_the_artifacts_size(
    tmp_path: Path, job: ExportJob, batch: int | None, size: int, count: int
) -> None:
    found = calibration_set(fill(tmp_path, 9), with_options(job, batch=batch), silent)
    assert [b.shape[0] for b in found.batches] == [size] * count
    # The last batch is filled up with the first images again.
    assert torch.equal(found.batches[-1][-1], found.batches[0][(size * count - 10)])


def test_images_are_spread_over_the_folder(
    tmp_path: Path, job: ExportJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "MAX_IMAGES", 10)
    folder = fill(tmp_path, 31)
    last = sorted(folder.rglob("*.png"))[-1]
    found = calibration_set(folder, job, silent)
    assert found.images == 10
    expected = np.asarray(Image.open(last)).transpose(2, 0, 1)
    largest = [np.abs(b[0].numpy() * 255 - expected).max() for b in found.batches]
    assert min(largest) < 128 or job.source.preprocessing.resize != "stretch"


def test_unreadable_files_are_counted_and_replaced(
    tmp_path: Path, job: ExportJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "MAX_IMAGES", 10)
    folder = fill(tmp_path, 12)
    (folder / "000.jpg").write_bytes(b"no image")
    (folder / "class0" / "000.png").write_bytes(b"")
    found = calibration_set(folder, job, silent)
    assert found.images == 10
    assert found.unreadable in (1, 2)


def test_what_cannot_calibrate_is_refused(tmp_path: Path, job: ExportJob) -> None:
    few, dull, broken, empty = (tmp_path / name for name in ("few", "dull", "broken", "empty"))
    fill(few, MIN_IMAGES - 1)
    fill(dull, 10, color=7)
    empty.mkdir()
    broken.mkdir()
    for index in range(10):
        (broken / f"{index}.png").write_bytes(b"no image")
    cases = {
        few: f"7 readable images; calibration needs at least {MIN_IMAGES}",
        dull: "of one color",
        empty: "no images below",
        broken: "none of the 10 images",
        tmp_path / "missing": "no image or folder",
        next(few.rglob("*.png")): "is a file",
    }
    for path, message in cases.items():
        with pytest.raises(CalibrationError, match=message):
            calibration_set(path, job, silent)
