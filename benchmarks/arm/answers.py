"""Whether an emulated processor answers as this machine does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.arm.emulation import Array
from converters.job.precisions import PRECISIONS
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.report import Agreement, InstructionRow


def agreement(expected: Array, found: Array) -> Agreement:
    """How two machines' outputs for the same inputs compare. ``[inputs, outputs]`` both."""
    largest = np.maximum(np.abs(expected).max(axis=1), 1e-6)
    differences = np.abs(found - expected).max(axis=1) / largest
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    return Agreement(len(expected), int(same.sum()), float(differences.max()))


def check_answers(rows: Sequence[InstructionRow]) -> None:
    """Refuse what apps on such a processor would refuse by the bundle's self-test.

    Raises:
        VerificationError: an emulated runtime failed, or its answers are others.
    """
    problems = [problem for row in rows for problem in _problems(row)]
    if problems:
        raise VerificationError(
            f"{len(problems)} of {len(rows)} rows do not answer as this machine does: "
            f"{'; '.join(problems[:5])}; export in another precision or for another target"
        )


def _problems(row: InstructionRow) -> list[str]:
    if row.agreement is None:
        return [f"{row.id}: {row.not_run}"]
    difference = row.agreement.largest_difference
    allowed = PRECISIONS[row.subject.precision or ""].device_tolerance
    if difference <= allowed:
        return []
    return [f"{row.id} differs by {difference:.1e} of the largest output, allowed is {allowed:.0e}"]
