"""Outputs that would replace something else than ours, of every command, before any work."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.cli import main as bench_main
from converters.cli import export_main
from mobilevit_edge.formats.report import write_report
from mobilevit_edge.training.cli import main as train_main
from tests.bad_inputs.conftest import Refuses
from tests.formats.test_report import REPORT
from tests.test_places import SPECIAL

Main = Callable[[list[str]], int]

EXPORT = ("--target", "onnx", "--weights", "random", "--model", "mobilevit_xxs", "--output")
TRAIN = ("data", "--model", "mobilevit_xxs", "--output")
FILES: dict[str, tuple[Main, tuple[str, ...]]] = {
    "report --html": (bench_main, ("report", "report.json", "--html")),
    "models --output": (bench_main, ("models", "--output")),
    "blocks --output": (bench_main, ("blocks", "--model", "mobilevit_xxs", "--output")),
    "attention --output": (bench_main, ("attention", "--output")),
    "run --output": (bench_main, ("run", "bundle", "--output")),
    "compare --output": (bench_main, ("compare", "bundle", "bundle", "--output")),
    "device --output": (bench_main, ("device", "android", "bundle", "--output")),
    "arm --output": (bench_main, ("arm", "bundle", "--output")),
    "arm --record": (bench_main, ("arm", "bundle", "--record")),
}
"""Commands that write a file, without its name."""
FOLDERS: dict[str, tuple[Main, tuple[str, ...]]] = {
    "export": (export_main, EXPORT),
    "train": (train_main, TRAIN),
}
"""Commands that write a folder, without its name."""


@pytest.fixture(autouse=True)
def inputs(good: Path, tmp_path: Path) -> None:
    """What the commands read, in the current folder."""
    shutil.copytree(good, tmp_path / "bundle")
    write_report(REPORT, tmp_path / "report.json")
    (tmp_path / "data").mkdir()


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("command", [*FILES, *FOLDERS])
def test_a_device_pipe_socket_or_link(
    tmp_path: Path, refuses: Refuses, command: str, kind: str
) -> None:
    main, arguments = (FILES | FOLDERS)[command]
    SPECIAL[kind](tmp_path / "output")
    assert "output" in refuses(main, *arguments, "output")


@pytest.mark.parametrize("command", FILES)
def test_a_folder_for_a_file(tmp_path: Path, refuses: Refuses, command: str) -> None:
    main, arguments = FILES[command]
    (tmp_path / "output").mkdir()
    assert "is a folder" in refuses(main, *arguments, "output")


@pytest.mark.parametrize("command", FILES)
def test_a_file_in_a_folder_that_is_not_there(refuses: Refuses, command: str) -> None:
    main, arguments = FILES[command]
    assert "there is no folder" in refuses(main, *arguments, "missing/output")


@pytest.mark.parametrize("command", FOLDERS)
def test_a_file_for_a_folder(tmp_path: Path, refuses: Refuses, command: str) -> None:
    main, arguments = FOLDERS[command]
    (tmp_path / "output").write_text("mine")
    assert "is a file" in refuses(main, *arguments, "output")


def test_a_folder_of_somebody_elses(tmp_path: Path, refuses: Refuses) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "notes.txt").write_text("mine")
    assert "not touched" in refuses(export_main, *EXPORT, "output")


def test_a_bundle_with_another_file_in_it(tmp_path: Path, refuses: Refuses) -> None:
    (tmp_path / "bundle" / "notes.txt").write_text("mine")
    assert "not touched" in refuses(export_main, *EXPORT, "bundle")


@pytest.mark.parametrize("path", ["/dev/null", "/dev/full", "/etc/hostname", "/etc", "."])
def test_a_place_of_the_system(refuses: Refuses, path: str) -> None:
    refuses(export_main, *EXPORT, path)


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("report", "report.json", "--html"), "report.json"),
        (("report", "report.json", "--html"), "./report.json"),
        (("report", "report.json", "--html"), "bundle/../report.json"),
        (("report", "report.json", "--html"), "hard link"),
        (("run", "bundle", "--output"), "bundle/report.json"),
        (("run", "bundle", "--output"), "bundle/manifest.json"),
        (("arm", "bundle", "--check", "report.json", "--output"), "report.json"),
        (("arm", "bundle", "--output", "new.json", "--record"), "new.json"),
        (("arm", "bundle", "--record"), "bundle/labels.txt"),
    ],
)
def test_an_input(
    tmp_path: Path, refuses: Refuses, arguments: tuple[str, ...], output: str
) -> None:
    (tmp_path / "hard link").hardlink_to(tmp_path / "report.json")
    refuses(bench_main, *arguments, output)


def test_an_export_over_its_own_labels(tmp_path: Path, refuses: Refuses) -> None:
    labels = ("--labels", "bundle/labels.txt")
    assert "which this command reads" in refuses(export_main, *labels, *EXPORT, "bundle")


def test_a_run_among_its_images(refuses: Refuses) -> None:
    assert "lies in data" in refuses(train_main, *TRAIN, "data/run")
