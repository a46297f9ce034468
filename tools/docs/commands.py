"""Every command and option, from the parsers that the commands themselves run."""

from __future__ import annotations

import argparse
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from benchmarks.cli import bench_parser
from converters.cli import export_parser, predict_parser
from mobilevit_edge.command_parser import CommandParser
from mobilevit_edge.training.cli import train_parser
from tools.docs.markdown import code, table

PARSERS: Final[Mapping[str, Callable[[], ArgumentParser]]] = MappingProxyType(
    {
        "mobilevit-export": export_parser,
        "mobilevit-predict": predict_parser,
        "mobilevit-train": train_parser,
        "mobilevit-bench": bench_parser,
    }
)
_UNTITLED: Final = frozenset({"positional arguments", "options"})


def commands() -> str:
    """A section for each command, and for each subcommand."""
    parts = []
    for name, make in PARSERS.items():
        parser = make()
        parts.append(_section(name, parser, level=2))
        parts += [
            _section(f"{name} {path}", sub, level=3) for path, sub in subcommands_of(parser).items()
        ]
    return "\n\n".join(parts)


def subcommands_of(parser: ArgumentParser) -> dict[str, ArgumentParser]:
    """Every subcommand by its words, those of a subcommand's own included."""
    found: dict[str, ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                below = subcommands_of(sub)
                found |= {name: sub} if not below else {}
                found |= {f"{name} {path}": each for path, each in below.items()}
    return found


def _section(name: str, parser: ArgumentParser, *, level: int) -> str:
    parts = [f"{'#' * level} {name}", parser.description or ""]
    for title, note, rows in _groups(parser):
        heading = "" if title in _UNTITLED else f"**{title}**" + (f" ({note})" if note else "")
        parts += [heading, table(("option", "meaning"), rows)]
    examples = parser.examples if isinstance(parser, CommandParser) else ()
    parts += ["```\n" + "\n".join(examples) + "\n```"] if examples else []
    return "\n\n".join(part for part in parts if part)


def _groups(parser: ArgumentParser) -> Iterator[tuple[str, str | None, list[tuple[str, str]]]]:
    for group in parser._action_groups:
        rows = [
            (_name(action), _meaning(action))
            for action in group._group_actions
            if _is_shown(action)
        ]
        if rows:
            yield group.title or "options", group.description, rows


def _is_shown(action: Action) -> bool:
    hidden = (argparse._HelpAction, argparse._VersionAction, argparse._SubParsersAction)
    return action.help != SUPPRESS and not isinstance(action, hidden)


def _name(action: Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return code(value)
    # The other names say the same.
    return code(f"{action.option_strings[-1]} {value}".rstrip())


def _value(action: Action) -> str:
    if action.nargs == 0:
        return ""
    metavar: Any = action.metavar or action.dest.replace("_", "-").upper()
    names = [str(each) for each in metavar] if isinstance(metavar, tuple) else [str(metavar)]
    return " ".join(names) + (" ..." if action.nargs in ("+", "*") else "")


def _meaning(action: Action) -> str:
    text = (action.help or "").replace("%%", "%")
    if action.choices is None or action.metavar is not None:
        return text
    choices = ", ".join(code(str(choice)) for choice in action.choices)
    return f"{text}: {choices}" if text else choices
