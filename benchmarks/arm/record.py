"""Counts recorded in a file, and what has changed since."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jsonschema

from mobilevit_edge.errors import ReportError, VerificationError
from mobilevit_edge.files import write_atomically
from mobilevit_edge.formats.report import InstructionRow
from mobilevit_edge.reading import read_text

TOLERANCE: Final = 0.005
"""Allowed change, as a share of all instructions. A count repeats exactly; another installation
moves it by up to 0.05 %, since paths are on the guest's stack."""
_MAX_BYTES: Final = 1024**2
_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "maxProperties": 10_000,
    "additionalProperties": {
        "type": "object",
        "additionalProperties": {"type": "integer", "minimum": 0},
    },
}


def write_record(rows: Sequence[InstructionRow], path: Path) -> None:
    """Add the rows' counts to a record, or make one.

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


def check_record(rows: Sequence[InstructionRow], path: Path) -> None:
    """Compare with a record, each kind of instruction by itself.

    Raises:
        ReportError: the record is damaged.
        VerificationError: a count has changed, or a row is not recorded or was not counted.
    """
    recorded = read_record(path)
    problems = [problem for row in rows for problem in _problems(row, recorded.get(row.id))]
    if problems:
        raise VerificationError(
            f"{len(problems)} counts differ from {path}: {'; '.join(problems[:5])}; "
            f"if that is intended, --record {path} records the new ones"
        )


def _problems(row: InstructionRow, recorded: Mapping[str, int] | None) -> list[str]:
    if row.not_run is not None:
        return [f"{row.id}: not run: {row.not_run}"]
    if recorded is None:
        return [f"{row.id} is not recorded"]
    kinds = sorted({*recorded, *row.counts})
    pairs = [(kind, recorded.get(kind, 0), row.counts.get(kind, 0)) for kind in kinds]
    # Relative to all instructions, not to the kind: a few more of a rare one are no regression.
    allowed = TOLERANCE * max(recorded.values(), default=0)
    return [
        f"{row.id}: {kind} {old:,} -> {new:,} ({new / old - 1:+.2%})"
        if old
        else f"{row.id}: {kind} 0 -> {new:,}"
        for kind, old, new in pairs
        if abs(new - old) > allowed
    ]
