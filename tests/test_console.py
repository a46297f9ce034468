"""What both commands share: messages instead of tracebacks, and a guard against other packages."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Protocol

import pytest
import tomllib

import converters
from mobilevit_edge import entry
from mobilevit_edge.console import add_common_arguments, run_command
from mobilevit_edge.errors import (
    OPTIONAL_PACKAGES,
    BundleError,
    ConversionError,
    MissingPackageError,
    MobileViTEdgeError,
    OutputError,
    UsageError,
    VerificationError,
)
from mobilevit_edge.installation import install_command
from mobilevit_edge.temporary import require_temporary_folder


class Run(Protocol):
    """Runs a command that raises ``error``; returns its exit code."""

    def __call__(self, error: BaseException | None, *argv: str) -> int: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)

    def go(error: BaseException | None, *argv: str) -> int:
        def command(arguments: Namespace) -> None:
            if error is not None:
                raise error

        parser = ArgumentParser(prog="mobilevit-test")
        add_common_arguments(parser)
        return run_command(parser, command, argv)

    return go


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("told so"), 2),
        (MissingPackageError("told so"), 3),
        (BundleError("told so"), 4),
        (ConversionError("told so"), 5),
        (VerificationError("told so"), 6),
        (ModuleNotFoundError("No module named 'told so'", name="told so.part"), 1),
        (RuntimeError("told so"), 1),
        (MemoryError("told so"), 1),
        (PermissionError(errno.EACCES, "told so", "model.onnx"), 4),
        (OSError(errno.ENOSPC, "told so"), 4),
        (OSError(errno.EIO, "told so"), 4),
        (FileNotFoundError(errno.ENOENT, "told so", "model.onnx"), 1),
    ],
)
def test_every_failure_is_one_message_and_its_exit_code(
    run: Run, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    assert run(error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mobilevit-test: error: ")
    assert err.count("\n") == 1
    assert "told so" in err


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("onnxruntime", "onnxruntime", "onnx"),
        ("coremltools.models", "coremltools", "coreml"),
        ("matplotlib.figure", "matplotlib", "report"),
    ],
)
def test_a_missing_optional_package_is_named_with_the_extra_that_installs_it(
    run: Run, capsys: pytest.CaptureFixture[str], module: str, package: str, extra: str
) -> None:
    assert run(ModuleNotFoundError(f"No module named {module!r}", name=module)) == 3
    message = capsys.readouterr().err
    assert f"the package {package!r}, which is not installed" in message
    assert message.endswith(f"run: {install_command(extra)}\n")


@pytest.mark.parametrize("name", ["mobilevit_edge.consloe", "torch", "onnx_ir", None])
def test_any_other_missing_module_is_a_defect(
    run: Run, capsys: pytest.CaptureFixture[str], name: str | None
) -> None:
    assert run(ModuleNotFoundError(f"No module named {name!r}", name=name)) == 1
    message = capsys.readouterr().err
    assert f"unexpected ModuleNotFoundError: No module named {name!r}" in message
    assert "pip install" not in message


def test_the_optional_packages_are_those_of_the_extras() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]

    def name(requirement: str) -> str:
        return re.split("[^A-Za-z0-9_-]", requirement)[0].replace("-", "_")

    always = {name(requirement) for requirement in project["dependencies"]}
    packages = {
        name(requirement): extra
        for extra, requirements in project["optional-dependencies"].items()
        if extra not in ("all", "dev", "docs")
        for requirement in requirements
        # An extra may narrow the range of what is always installed.
        if name(requirement) not in always
    }
    assert packages == OPTIONAL_PACKAGES


def test_a_system_without_a_folder_for_temporary_files_is_no_defect(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.gettempdir()
    assert run(caught.value) == 4
    assert "TMPDIR=" in capsys.readouterr().err
    with pytest.raises(OutputError, match="TMPDIR="):
        require_temporary_folder()


def test_a_message_is_short_and_acts_on_no_terminal(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run(UsageError("\x1b[2J\0" + "x" * 10**6 + "\nmobilevit-test: error: told so"))
    message = capsys.readouterr().err
    assert len(message) < 2000
    assert message.startswith(r"mobilevit-test: error: \x1b[2J\x00xxx")
    assert message.endswith("x\n  mobilevit-test: error: told so\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_device_as_standard_output_is_one_line_on_standard_error() -> None:
    code = "import sys; from mobilevit_edge.entry import export; sys.exit(export())"
    with Path("/dev/full").open("w") as full:
        finished = subprocess.run(
            [sys.executable, "-c", code, "--list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=Path(converters.__file__).parents[1],
        )
    assert finished.returncode == 4
    assert finished.stderr.count("\n") == 1
    assert "No space left on device" in finished.stderr


def test_a_command_that_ends_well_says_nothing(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(None) == 0
    assert capsys.readouterr() == ("", "")


def test_an_unexpected_exception_says_its_type_and_how_to_report_it(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run(ZeroDivisionError("by zero"))
    message = capsys.readouterr().err
    assert "ZeroDivisionError: by zero" in message
    assert "--debug" in message


@pytest.mark.parametrize("error", [UsageError("told so"), ZeroDivisionError("told so")])
def test_debug_shows_the_traceback(
    run: Run, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    run(error)
    assert "Traceback" not in capsys.readouterr().err
    run(error, "--debug")
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_interruption_is_no_error_of_the_program(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "mobilevit-test: interrupted\n"


def test_packages_from_two_places_are_refused_with_both_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    foreign = tmp_path / "elsewhere" / "converters" / "__init__.py"
    monkeypatch.setattr(converters, "__spec__", ModuleSpec("converters", None, origin=str(foreign)))
    assert entry.export() == MobileViTEdgeError.exit_code
    message = capsys.readouterr().err
    assert str(tmp_path / "elsewhere") in message
    assert "different places" in message
    assert "fresh environment" in message


@pytest.mark.parametrize("editable", [True, False], ids=["editable install", "wheel"])
@pytest.mark.parametrize(
    ("command", "argv"),
    [("mobilevit-export", ["--list"]), ("mobilevit-predict", ["bundle", "image.png"])],
)
def test_the_installed_commands_detect_a_foreign_package_named_converters(
    tmp_path: Path, command: str, argv: list[str], editable: bool
) -> None:
    (tmp_path / "converters").mkdir()
    (tmp_path / "converters" / "__init__.py").write_text("")
    # What the script in bin/ does; a wheel has no import hook that finds our modules regardless.
    code = f"""
import importlib.metadata, sys
if not {editable}:
    sys.meta_path = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
sys.argv[1:] = {argv}
(entry,) = importlib.metadata.entry_points(group="console_scripts", name={command!r})
sys.exit(entry.load()())
"""
    paths = [str(tmp_path), *([] if editable else [str(Path(converters.__file__).parents[1])])]
    finished = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert finished.returncode != 0
    assert "Traceback" not in finished.stderr
    assert str(tmp_path) in finished.stderr


@pytest.mark.parametrize("error", [ConversionError("torch refuses"), RuntimeError("wrapped")])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_code_in_between_turns_into_an_error_is_still_a_stop(
    number: signal.Signals, code: int, error: Exception
) -> None:
    def command(_: Namespace) -> None:
        try:
            signal.raise_signal(number)
        except BaseException as stop:
            raise error from stop

    parser = ArgumentParser()
    add_common_arguments(parser)
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    # A shell's background jobs ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run_command(parser, command, []) == code
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
