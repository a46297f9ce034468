"""Text of unknown origin never acts on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.table import Table
from rich.text import Text

from mobilevit_edge.printable import few, message, one_line, printable
from mobilevit_edge.terminal import PlainConsole

HOSTILE = {
    "escape": ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    "null": ("a\0b", r"a\x00b"),
    "carriage return": ("a\rb", r"a\x0db"),
    "backspace": ("a\x08b", r"a\x08b"),
    "delete": ("a\x7fb", r"a\x7fb"),
    "eight-bit escape": ("\x9b31m", r"\x9b31m"),
    "next line": ("a\x85b", r"a\x85b"),
    "right to left": ("a\u202eb", r"a\u202eb"),
    "isolate": ("a\u2066b", r"a\u2066b"),
    "line separator": ("a\u2028b", r"a\u2028b"),
    "half a character": ("a\udc80b", r"a\udc80b"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_acts_on_a_terminal_becomes_an_escape(name: str) -> None:
    text, shown = HOSTILE[name]
    assert printable(text).lower() == shown.lower().replace(r"\x0d", r"\r")


@pytest.mark.parametrize("text", ["Hund \U0001f415", "犬", "שלום", "a\tb\nc", "[bold]:cat:", ""])
def test_everything_else_stays(text: str) -> None:
    assert printable(text) == text


def test_a_name_takes_one_line() -> None:
    assert one_line("a\nb\tc") == r"a\nb\tc"


def test_no_line_of_a_message_can_be_taken_for_another_message() -> None:
    assert message("bad\nmobilevit-predict: error: worse", 100).splitlines()[1].startswith("  ")


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    shown = message("cause" + "x" * 10**6 + "next step", 1000)
    assert len(shown) <= 1000
    assert shown.startswith("cause")
    assert shown.endswith("next step")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_console_prints_nothing_that_acts_on_the_terminal(name: str) -> None:
    text, _ = HOSTILE[name]
    table = Table(title=text)
    table.add_column(text)
    table.add_row(Text(text), style="bold")
    console = PlainConsole(width=80)
    console.file = io.StringIO()
    console.print(text)
    console.print(Text(text))
    console.print(table)
    written = console.file.getvalue()
    assert written
    assert printable(written) == written


def test_a_few_names_stand_for_many() -> None:
    assert few(["a", "b"], 2) == "a, b"
    assert few(["a", "b", "c", "d"], 2) == "a, b and 2 more"
