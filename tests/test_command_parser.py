"""Help, examples, versions and completion of every command."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec

import pytest

import converters.welcome
import mobilevit_edge
from converters.cli import export_main, export_parser
from mobilevit_edge import console
from mobilevit_edge.command_parser import CommandParser
from mobilevit_edge.installation import install_command
from tools.docs.commands import PARSERS, subcommands_of

EVERY = {
    f"{name} {path}".rstrip(): parser
    for name, make in PARSERS.items()
    for path, parser in {"": make(), **subcommands_of(make())}.items()
}


def commands_of(examples: tuple[str, ...]) -> list[list[str]]:
    """The words of each example; a backslash goes on in the next line."""
    lines = re.sub(r"\\\n\s*", "", "\n".join(examples)).splitlines()
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("name", EVERY)
def test_help_ends_with_examples_that_work(name: str) -> None:
    parser = EVERY[name]
    assert isinstance(parser, CommandParser)
    assert parser.examples
    shown = parser.format_help()
    for example in parser.examples:
        # As they are, whatever the terminal's width: for copying.
        assert f"  {example}\n" in shown
        assert len(example) <= 88
    for command, *words in commands_of(parser.examples):
        if "--help" not in words:
            PARSERS[command]().parse_args(words)


@pytest.mark.parametrize("name", PARSERS)
def test_every_command_says_its_version(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        PARSERS[name]().parse_args(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"{name} {mobilevit_edge.__version__}\n"
    assert "exit codes: 0 done, 2 usage" in " ".join(PARSERS[name]().format_help().split())


def test_every_option_of_an_export_has_a_group_and_a_meaning() -> None:
    parser = PARSERS["mobilevit-export"]()
    for action in parser._actions:
        assert action.help, action.option_strings
    (plain,) = [group for group in parser._action_groups if group.title == "options"]
    names = {action.option_strings[-1] for action in plain._group_actions}
    assert names == {"--help", "--json", "--debug", "--version"}


def test_without_arguments_an_export_explains_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert export_main([]) == 2
    shown = capsys.readouterr().out
    for command, *words in commands_of(tuple(re.findall("^  (mobilevit-.*)$", shown, re.M))):
        PARSERS[command]().parse_args(words)
    assert shown.count("\n  mobilevit-") == 3
    monkeypatch.setattr(converters.welcome, "find_spec", lambda name: None)
    assert install_command("onnx") in converters.welcome.welcome()


@pytest.mark.skipif(find_spec("argcomplete") is None, reason="argcomplete is not installed")
def test_a_shell_completes_options_and_their_values() -> None:
    def completions(line: str) -> set[str]:
        code = "import os; os.dup2(1, 8); from mobilevit_edge.entry import export; export()"
        asked = {
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_IFS": "\n",
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
        }
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, check=True
        )
        return {word.strip() for word in done.stdout.decode().split("\n")}

    assert "--calibration" in completions("mobilevit-export --cal")
    assert {"onnx", "litert"} <= completions("mobilevit-export --target ")


@pytest.mark.parametrize(
    ("variables", "color"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_color_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], color: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b" in console._in_red("error:")) == color


def test_progress_shows_the_time_of_a_step_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with console.progress() as show:
        show("converting")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with console.progress() as show:
        show("converting [red]x[/red]")
    shown = capsys.readouterr().err
    assert "converting [red]x[/red]" in shown
    assert "0:00:00" in shown


@pytest.mark.parametrize(
    ("given", "meant"), [("onxx", "onnx"), ("tflite", "litert"), ("CoreML", "coreml")]
)
def test_a_choice_that_does_not_exist_names_the_nearest(
    capsys: pytest.CaptureFixture[str], given: str, meant: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        export_parser().parse_args(["--target", given])
    assert f"invalid choice: '{given}' (choose from" in (text := capsys.readouterr().err)
    assert text.endswith(f"; did you mean '{meant}'?\n")


def test_a_choice_near_to_none_is_refused_without_a_guess(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        export_parser().parse_args(["--target", "xyz"])
    assert "did you mean" not in capsys.readouterr().err
