"""Whether an emulated processor gives the same answers as this machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.arm.emulation import Array
from converters.job.precisions import PRECISIONS
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.report import Agreement, InstructionRow


def agreement(expected: Array, found: Array) -> Agreement:
    """How two machines' outputs for the same inputs compare, both ``[inputs, outputs]``."""
    largest = np.maximum(np.abs(expected).max(axis=1), 1e-6)
    differences = np.abs(found - expected).max(axis=1) / largest
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    return Agreement(len(expected), int(same.sum()), float(differences.max()))


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
