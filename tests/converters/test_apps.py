"""Bundles for the sample apps, as ``mobilevit-export`` hands them over."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from converters.bundling.apps import add_to_ios
from mobilevit_edge.errors import OutputError
from mobilevit_edge.formats.archive import app_name, zip_bundle
from mobilevit_edge.formats.bundle import read_bundle
from tests.support.exports import Bundles, Checkpoints, Command, ConvertsTo

SIZE = ("--image-size", "64")
SMALL = ("--target", "onnx", "--weights", "demo", *SIZE)
COREML = ("--target", "coreml", "--weights", "demo", *SIZE)


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "assets"
    folder.mkdir()
    return folder


def test_an_export_lands_in_the_android_app(
    assets: Path,
    tmp_path: Path,
    export: Command,
    bundle: Bundles,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
) -> None:
    model = bundle("v1") / "model.onnx"
    converts_to(lambda path: shutil.copy(model, path))
    weights = ("--target", "onnx", "--weights", checkpoint("v1"), *SIZE)
    output = tmp_path / "my model"
    finished = export(*weights, "--output", output, "--android-assets", assets, "--json")
    assert finished.code == 0, finished.err
    assert json.loads(finished.out)["bundle"] == str(output)
    packed = assets / "bundles" / "my_model.zip"
    assert str(packed) in finished.err
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert read_bundle(tmp_path / "unpacked").manifest == read_bundle(output).manifest
    # The same bundle gives the same zip.
    zip_bundle(read_bundle(output), tmp_path / "again.zip")
    digests = [hashlib.sha256(p.read_bytes()).digest() for p in (packed, tmp_path / "again.zip")]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--target", "coreml"), 2, "takes --target onnx or executorch"),
        (("--target", "executorch", "--backend", "coreml"), 2, "takes --target onnx or exec"),
        (("--batch", "2"), 2, "leave out --batch"),
    ],
)
def test_what_the_app_cannot_run_is_refused_before_any_work(
    assets: Path,
    tmp_path: Path,
    export: Command,
    options: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    output = tmp_path / "a"
    finished = export(*SMALL, *options, "--output", output, "--android-assets", assets)
    assert finished.code == code
    assert message in finished.err
    assert not output.exists()


def test_a_folder_that_is_not_there_is_refused_before_any_work(
    tmp_path: Path, export: Command
) -> None:
    output = tmp_path / "a"
    finished = export(*SMALL, "--output", output, "--android-assets", tmp_path / "none")
    assert finished.code == 4
    assert "app/src/main/assets" in finished.err
    assert not output.exists()


@pytest.mark.parametrize(
    ("folder", "name"), [("a", "a"), ("..b", "b"), ("größe 2", "gr__e_2"), ("x" * 150, "x" * 100)]
)
def test_apps_know_a_bundle_by_a_plain_name(
    tmp_path: Path, bundle: Bundles, folder: str, name: str
) -> None:
    assert app_name(shutil.copytree(bundle("v1"), tmp_path / folder)) == name


def test_an_export_lands_in_the_ios_app(
    tmp_path: Path,
    export: Command,
    package: Bundles,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
) -> None:
    model = package.read("v1").model_path
    converts_to(lambda path: shutil.copytree(model, path), "coreml")
    weights = ("--target", "coreml", "--weights", checkpoint("v1"), *SIZE)
    models = tmp_path / "Models"
    models.mkdir()
    finished = export(*weights, "--output", tmp_path / "leaf", "--ios-resources", models)
    assert finished.code == 0, finished.err
    assert str(models / "leaf") in finished.err
    assert read_bundle(models / "leaf").manifest == read_bundle(tmp_path / "leaf").manifest
    # A bundle is replaced, somebody's own files are not.
    assert add_to_ios(tmp_path / "leaf", models) == models / "leaf"
    (models / "leaf" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not touched"):
        add_to_ios(tmp_path / "leaf", models)
    assert (models / "leaf" / "notes.txt").read_text() == "mine"


def test_the_ios_app_takes_core_ml_into_a_folder_that_exists(
    tmp_path: Path, export: Command
) -> None:
    finished = export(*SMALL, "--output", tmp_path / "a", "--ios-resources", tmp_path)
    assert finished.code == 2
    assert "takes --target coreml" in finished.err
    finished = export(*COREML, "--output", tmp_path / "a", "--ios-resources", tmp_path / "no")
    assert finished.code == 4
    assert "ios_demo/App/Models" in finished.err
    assert not (tmp_path / "a").exists()
