"""Ending a run between two iterations when the user or the system asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from mobilevit_edge.console import INTERRUPTED, TERMINATED
from mobilevit_edge.errors import MobileViTEdgeError

_CODES: Final = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class StoppedError(MobileViTEdgeError):
    """The run was asked to stop, and its state is saved."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        # 0: another rank got the signal; Ctrl-C sends it to all of them.
        self.exit_code = _CODES[signal.Signals(number or signal.SIGINT)]  # type: ignore[misc]


class StopRequest:
    """The signal that asked to stop; 0 as long as there was none."""

    signal: int = 0


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Notes the first Ctrl-C or SIGTERM; a second one ends the program at once."""
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in _CODES}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        request.signal = number
        restore()

    for number in _CODES:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()


def leave_signals_to_parent(worker: int = 0) -> None:
    """For worker processes: the main process handles Ctrl-C, and then ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
