"""Deterministic costs recorded in a file, and what has changed since."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import jsonschema

from mobilevit_edge.errors import ReportError, VerificationError
from mobilevit_edge.files import write_atomically
from mobilevit_edge.reading import read_text

Counts: TypeAlias = Mapping[str, int]
"""Costs of one row by kind."""
Allowed: TypeAlias = Callable[[str, Counts], float]
"""The change that a kind may have, from its name and the recorded costs of its row."""


class CountedRow(Protocol):
    """A report's row of deterministic costs."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def counts(self) -> Counts:
        """Costs by kind; none if it was not run."""

    @property
    def not_run(self) -> str | None:
        """Why it has no costs."""


_MAX_BYTES: Final = 1024**2
_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "maxProperties": 10_000,
    "additionalProperties": {
        "type": "object",
        "additionalProperties": {"type": "integer", "minimum": 0},
    },
}


def write_record(rows: Sequence[CountedRow], path: Path) -> None:
    """Add the rows' costs to a record, or make one.

    Raises:
        OutputError: the file cannot be written.
        ReportError: the file exists and is not a record.
    """
    recorded = read_record(path) if path.exists() else {}
    recorded |= {row.id: dict(row.counts) for row in rows if row.counts}
    text = json.dumps(dict(sorted(recorded.items())), indent=1) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def read_record(path: Path) -> dict[str, dict[str, int]]:
    """Counts by row.

    Raises:
        ReportError: the record is missing or damaged.
    """

    def no_record(reason: str) -> ReportError:
        return ReportError(f"{path} is not a record of counts: {reason}; --record makes one")

    try:
        content = json.loads(read_text(path, _MAX_BYTES, no_record))
        jsonschema.validate(content, _SCHEMA)
    except (ValueError, RecursionError, jsonschema.ValidationError) as error:
        raise no_record(str(error).partition("\n")[0]) from error
    return dict(content)


def check_record(rows: Sequence[CountedRow], path: Path, allowed: Allowed) -> None:
    """Compare with a record, each kind of cost by itself.

    Raises:
        ReportError: the record is damaged.
        VerificationError: a cost has changed by more than is ``allowed``, or a row is not recorded
            or was not run.
    """
    recorded = read_record(path)
    problems = [p for row in rows for p in _problems(row, recorded.get(row.id), allowed)]
    if problems:
        raise VerificationError(
            f"{len(problems)} counts differ from {path}: {'; '.join(problems[:5])}; "
            f"if that is intended, --record {path} records the new ones"
        )


def _problems(row: CountedRow, recorded: Counts | None, allowed: Allowed) -> list[str]:
    if row.not_run is not None:
        return [f"{row.id}: not run: {row.not_run}"]
    if recorded is None:
        return [f"{row.id} is not recorded"]
    kinds = sorted({*recorded, *row.counts})
    pairs = [(kind, recorded.get(kind, 0), row.counts.get(kind, 0)) for kind in kinds]
    return [
        f"{row.id}: {kind} {old:,} -> {new:,} ({new / old - 1:+.2%})"
        if old
        else f"{row.id}: {kind} 0 -> {new:,}"
        for kind, old, new in pairs
        if abs(new - old) > allowed(kind, recorded)
    ]
