"""Whether an emulated processor gives the same answers as this machine."""

from __future__ import annotations

from collections.abc import Sequence

from converters.job.precisions import PRECISIONS
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.report import InstructionRow


def check_answers(rows: Sequence[InstructionRow]) -> None:
    """Refuse what the bundle's self-test would refuse on such a processor.

    Raises:
        VerificationError: an emulated runtime failed, or its answers differ.
    """
    problems = [problem for row in rows for problem in _problems(row)]
    if problems:
        raise VerificationError(
            f"{len(problems)} of {len(rows)} rows do not give the same answers as this machine: "
            f"{'; '.join(problems[:5])}; export in another precision or for another target"
        )


def _problems(row: InstructionRow) -> list[str]:
    if row.agreement is None:
        return [f"{row.id}: {row.not_run}"]
    difference = row.agreement.largest_difference
    allowed = PRECISIONS[row.subject.precision or ""].device_tolerance
    if difference <= allowed:
        return []
    return [f"{row.id} differs by {difference:.1e} of the largest output; {allowed:.0e} is allowed"]
