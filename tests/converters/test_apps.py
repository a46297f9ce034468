"""Bundles for the sample apps, as ``mobilevit-export`` hands them over."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from converters.bundling.apps import add_to_ios
from converters.cli import export_main
from mobilevit_edge.errors import OutputError
from mobilevit_edge.formats.archive import app_name, zip_bundle
from mobilevit_edge.formats.bundle import read_bundle

SMALL = ("--target", "onnx", "--weights", "demo", "--image-size", "32")


def export(*arguments: object) -> int:
    return export_main([str(argument) for argument in arguments])


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "assets"
    folder.mkdir()
    return folder


def test_an_export_lands_in_the_android_app(
    assets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "my model"
    assert export(*SMALL, "--output", output, "--android-assets", assets, "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["bundle"] == str(output)
    packed = assets / "bundles" / "my_model.zip"
    assert str(packed) in printed.err
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert read_bundle(tmp_path / "unpacked").manifest == read_bundle(output).manifest


def test_the_same_bundle_gives_the_same_zip(assets: Path, tmp_path: Path) -> None:
    assert export(*SMALL, "--output", tmp_path / "a", "--android-assets", assets) == 0
    zip_bundle(read_bundle(tmp_path / "a"), tmp_path / "again.zip")
    digests = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (assets / "bundles" / "a.zip", tmp_path / "again.zip")
    }
    assert len(digests) == 1


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
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    output = tmp_path / "a"
    assert export(*SMALL, *options, "--output", output, "--android-assets", assets) == code
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_a_folder_that_is_not_there_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "a"
    assert export(*SMALL, "--output", output, "--android-assets", tmp_path / "none") == 4
    assert "app/src/main/assets" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize(
    ("folder", "name"), [("a", "a"), ("..b", "b"), ("größe 2", "gr__e_2"), ("x" * 150, "x" * 100)]
)
def test_apps_know_a_bundle_by_a_plain_name(tmp_path: Path, folder: str, name: str) -> None:
    assert export(*SMALL, "--output", tmp_path / folder) == 0
    assert app_name(read_bundle(tmp_path / folder)) == name


COREML = ("--target", "coreml", "--weights", "demo", "--image-size", "32")


def test_an_export_lands_in_the_ios_app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = tmp_path / "Models"
    models.mkdir()
    assert export(*COREML, "--output", tmp_path / "leaf", "--ios-resources", models) == 0
    assert str(models / "leaf") in capsys.readouterr().err
    assert read_bundle(models / "leaf").manifest == read_bundle(tmp_path / "leaf").manifest
    # A bundle is replaced, somebody's own files are not.
    assert add_to_ios(tmp_path / "leaf", models) == models / "leaf"
    (models / "leaf" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="move it away"):
        add_to_ios(tmp_path / "leaf", models)
    assert (models / "leaf" / "notes.txt").read_text() == "mine"


def test_the_ios_app_takes_core_ml_into_a_folder_that_exists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(*SMALL, "--output", tmp_path / "a", "--ios-resources", tmp_path) == 2
    assert "takes --target coreml" in capsys.readouterr().err
    assert export(*COREML, "--output", tmp_path / "a", "--ios-resources", tmp_path / "no") == 4
    assert "ios_demo/App/Models" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
