"""What happens to the posts of pages: reports are judged and kept, failures told."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from http import HTTPStatus
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Final

from benchmarks.devices.browser.server import Answer
from mobilevit_edge.errors import DeviceError, MobileViTEdgeError, ReportError
from mobilevit_edge.formats.report import LatencyRow, Report, Run, report_from_json
from mobilevit_edge.printable import one_line

_MAX_REASON: Final = 300
_ORIGIN: Final = "the report"


class Reception:
    """Takes the posts of pages, each in its own thread, and hands them to the one that waits.

    Args:
        served: SHA-256 of the model files that the page has.
        keep: writes a report; what it raises is the answer to the page.
    """

    def __init__(self, served: Collection[str | None], keep: Callable[[Report], None]) -> None:
        self._served = served
        self._keep = keep
        self._lock = Lock()
        self._known: dict[str, Run] = {}
        self._received: SimpleQueue[Run | DeviceError] = SimpleQueue()

    def take_report(self, text: str) -> Answer:
        """A report of one run about what is served here; the same one again is no second one."""
        try:
            report = report_from_json(text, _ORIGIN)
            run = _check_run(report, self._served)
            with self._lock:
                known = self._known.get(run.id)
                if known is not None and known != run:
                    return Answer(HTTPStatus.CONFLICT, "another report has the same id")
                if known is None:
                    self._keep(report)
                    self._known[run.id] = run
                    self._received.put(run)
        except ReportError as error:
            return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, one_line(str(error))[:_MAX_REASON])
        except MobileViTEdgeError as error:
            # Such as a full disk: whoever waits at the command must hear of it too.
            self._received.put(DeviceError(str(error)))
            return Answer(HTTPStatus.INSUFFICIENT_STORAGE, "the report could not be written")
        return Answer(HTTPStatus.OK, "written")

    def take_failure(self, text: str) -> Answer:
        """Why a page that nobody watches has no report."""
        try:
            reason = json.loads(text)["reason"]
        except (ValueError, RecursionError, KeyError, TypeError):
            reason = None
        if not isinstance(reason, str):
            return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, "a failure has a reason")
        told = one_line(reason)[:_MAX_REASON]
        self._received.put(DeviceError(f"the browser cannot measure: {told}"))
        return Answer(HTTPStatus.OK, "told")

    def wait(self, seconds: float) -> Run | None:
        """The next run; ``None`` if none comes in time.

        Raises:
            DeviceError: a page has failed, or a report cannot be kept.
        """
        try:
            received = self._received.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(received, DeviceError):
            raise received
        return received


def _check_run(report: Report, served: Collection[str | None]) -> Run:
    """The only run of a report, which holds latencies of what is served.

    Raises:
        ReportError: it is another kind of report.
    """
    if len(report.runs) != 1:
        raise ReportError(f"{_ORIGIN} holds {len(report.runs)} runs instead of one")
    (run,) = report.runs
    for row in run.rows:
        artifact = row.subject.artifact
        if not isinstance(row, LatencyRow) or artifact is None or artifact.sha256 not in served:
            raise ReportError(f"{_ORIGIN} is about other bundles than those of this page")
    return run
