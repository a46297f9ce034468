"""The parser of a command: help that ends with examples, ``--version``, completion in shells."""

from __future__ import annotations

import os
import textwrap
from argparse import Action, ArgumentError, ArgumentParser, HelpFormatter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final

from mobilevit_edge import __version__

_COMPLETING: Final = "_ARGCOMPLETE"
"""What a shell that asks for completions sets."""


class _Formatter(HelpFormatter):
    """Fills paragraphs, and keeps lines that are indented."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        return "\n".join(
            line if line.startswith(" ") else textwrap.fill(line, width, initial_indent=indent)
            for line in lines
        )


class CommandParser(ArgumentParser):
    """A parser whose help ends with examples and, if there are any, exit codes.

    Subcommands of it are parsers of the same kind.
    """

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        exit_codes: str | None = None,
        **settings: Any,
    ) -> None:
        parts = ["examples:", *(f"  {example}" for example in examples)] if examples else []
        parts += ["", f"exit codes: {exit_codes}"] if exit_codes else []
        settings = {
            "epilog": "\n".join(parts).strip("\n") or None,
            "formatter_class": _Formatter,
        } | settings
        super().__init__(*args, **settings)
        self.examples = tuple(examples)

    def _check_value(self, action: Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except ArgumentError as error:
            similar = get_close_matches(str(value).lower(), map(str, action.choices or ()), n=1)
            if not similar:
                raise
            hint = f"{error.message}; did you mean {similar[0]!r}?"
            raise ArgumentError(action, hint) from error

    def add_version(self) -> None:
        """``--version``."""
        self.add_argument(
            "--version",
            action="version",
            version=f"{self.prog} {__version__}",
            help="show the version and exit",
        )


def is_completing() -> bool:
    """Whether a shell asks for completions."""
    return _COMPLETING in os.environ


def complete(parser: ArgumentParser) -> None:
    """Answer a shell that asks what may follow, and exit; nothing for any other caller.

    The shell's function comes from argcomplete, which whoever sets it up installs.
    """
    if not is_completing():
        return
    import argcomplete

    argcomplete.autocomplete(parser)
