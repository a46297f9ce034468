"""Every command line in the documents is one that the real parsers take."""

from __future__ import annotations

import importlib
import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.tools.docs.test_links import PAGES
from tools.docs.commands import PARSERS
from tools.docs.site import ROOT

_PLACEHOLDERS = {
    "MODEL": "mobilevit_xxs",
    "COMMAND": "models",
    "$model": "mobilevit_xxs",
    "$m": "mobilevit_xxs",
    "$target": "onnx",
}
"""What stands for a value in the documents, where a parser judges values."""


def blocks(text: str) -> Iterator[str]:
    """Fenced blocks without a language, which hold commands and their output."""
    for _, language, body in re.findall(
        r"^(`{3,})(\w*)\n(.*?)^\1 *$", text, re.DOTALL | re.MULTILINE
    ):
        if language in ("", "sh", "bash", "console"):
            yield body


def command_lines(text: str) -> Iterator[list[str]]:
    """The words of every command of ours in the fenced blocks of a page, and in its prose."""
    joined = re.sub(r" *\\\n *", " ", "\n".join(blocks(text)))
    for part in re.split(r"\n|; |&& ", joined):
        line = re.sub(r"^\s*(\$ |do )*(torchrun .* --no-python )?", "", part)
        if re.match(r"(mobilevit-\w+|python -m tools\S*)( |$)", line):
            words = shlex.split(re.sub(r"\s+[<>].*$", "", line), comments=True)
            yield [word for word in words if word != "..."]


def parser_of(words: list[str]) -> tuple[ArgumentParser, list[str]]:
    """The parser of a command, and its arguments."""
    if words[0] in PARSERS:
        return PARSERS[words[0]](), words[1:]
    parser: ArgumentParser = importlib.import_module(words[2]).parser()
    return parser, words[3:]


LINES = [(page, words) for page in PAGES for words in command_lines(page.read_text("utf-8"))]


def test_there_are_as_many_as_one_sees() -> None:
    assert len(LINES) > 80
    assert {words[0] for _, words in LINES} == {*PARSERS, "python"}


@pytest.mark.parametrize(
    ("page", "words"),
    LINES,
    ids=[f"{page.relative_to(ROOT)}: {' '.join(words)[:60]}" for page, words in LINES],
)
def test_the_parser_takes_it(
    page: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser, arguments = parser_of(words)
    # An ellipsis stands for more of the same.
    arguments = [word.removesuffix("...") for word in arguments]
    arguments = [_PLACEHOLDERS.get(word, word) for word in arguments]
    with suppress(SystemExit):
        parser.parse_args(arguments)
    assert capsys.readouterr().err == ""


def test_an_option_that_does_not_exist_is_seen() -> None:
    text = "```\nmobilevit-export --target onnx \\\n    --wieghts demo   # a comment\n```\n"
    ((parser, arguments),) = map(parser_of, command_lines(text))
    assert arguments == ["--target", "onnx", "--wieghts", "demo"]
    with pytest.raises(SystemExit):
        parser.parse_args(arguments)
