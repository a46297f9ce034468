"""Exit codes with what they mean and what to do, from the classes of errors."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

from mobilevit_edge import errors
from mobilevit_edge.console import INTERRUPTED, TERMINATED, UNEXPECTED
from tools.docs.markdown import code, table

_COMMON: Final = (
    (0, "", "done", ""),
    (
        UNEXPECTED,
        "",
        "a defect of the program, or packages of the same name that hide ours",
        "Run again with `--debug` and report what it prints; install into a fresh environment.",
    ),
)
_SIGNALS: Final = (
    (
        INTERRUPTED,
        "",
        "interrupted by Ctrl-C",
        "Nothing half-written is left; a bench or a training continues with `--resume`.",
    ),
    (TERMINATED, "", "ended by SIGTERM", "As for 130."),
)


def exit_codes() -> str:
    """A table of every code that a command ends with."""
    rows = sorted((*_COMMON, *_of_errors(), *_SIGNALS), key=lambda row: row[0])
    texts = ((str(number), code(name), means, remedy) for number, name, means, remedy in rows)
    return table(("code", "error", "means", "what to do"), texts)


def _of_errors() -> Iterator[tuple[int, str, str, str]]:
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, errors.MobileViTEdgeError):
            if value is errors.MobileViTEdgeError:
                continue
            means, _, remedy = (inspect.getdoc(value) or "").partition("\n\n")
            yield value.exit_code, name, means.rstrip("."), remedy.replace("``", "`")
