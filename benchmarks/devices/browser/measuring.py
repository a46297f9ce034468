"""Measuring in browsers: serving the page, and waiting for the reports."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from benchmarks.devices.browser.address import LOOPBACK, Address
from benchmarks.devices.browser.certificate import certificate_context
from benchmarks.devices.browser.headless import BrowserName, opened
from benchmarks.devices.browser.reception import Reception
from benchmarks.devices.browser.server import serving
from benchmarks.devices.plan import DevicePlan, settings_of
from mobilevit_edge.errors import DeviceError
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.formats.report import Report, Run
from mobilevit_edge.web.offline import with_offline
from mobilevit_edge.web.site import SiteContent, make_site

_TOKEN_BYTES: Final = 12
_POLL_SECONDS: Final = 0.5
_UNATTENDED: Final = "#unattended"
"""What makes the page measure by itself."""


@dataclass(frozen=True)
class Serving:
    """How the page is served, and what is waited for.

    Attributes:
        host: the address to listen on.
        port: 0 for any that is free.
        https: whether with a certificate that is made on the spot.
        reports: how many to wait for.
        headless: a browser of this machine that is started and measures by itself; ``None`` waits
            for people.
        timeout: in seconds, for all reports.
    """

    host: str = LOOPBACK[0]
    port: int = 0
    https: bool = False
    reports: int = 1
    headless: BrowserName | None = None
    timeout: float = 1800.0


def measure_in_browsers(
    bundles: Mapping[str, Bundle],
    plan: DevicePlan,
    how: Serving,
    keep: Callable[[Report], None],
    announce: Callable[[Address], None],
    show: Callable[[str], None],
) -> list[Run]:
    """Serve the page until the reports have come, or Ctrl-C after the first of them.

    Args:
        bundles: by their names on the page.
        plan: what the page is asked to measure.
        how: where, and until when.
        keep: writes each report as it comes.
        announce: tells people where the page is.
        show: shows the running step.

    Raises:
        DeviceError: no report came, the browser failed, or the address cannot be used.
    """
    content = SiteContent(
        collects=True,
        plan=settings_of(plan, "browser"),
        device=_this_device(how.headless) if how.headless else None,
    )
    models = [file for bundle in bundles.values() for file in bundle.manifest.files]
    reception = Reception({file.sha256 for file in models}, keep)
    receivers = {"report": reception.take_report, "failure": reception.take_failure}
    scheme = "https" if how.https else "http"
    asked = Address(scheme, how.host, how.port, secrets.token_urlsafe(_TOKEN_BYTES))
    context = certificate_context(asked.names) if how.https else None
    files = with_offline(make_site(bundles, content))
    with serving(asked, files, receivers, context) as address:
        if how.headless is None:
            announce(address)
        browser = (
            nullcontext()
            if how.headless is None
            else opened(how.headless, address.url + _UNATTENDED)
        )
        with browser as running:
            return _collect(reception, how, running, show)


def _collect(
    reception: Reception,
    how: Serving,
    exit_reason: Callable[[], str | None] | None,
    show: Callable[[str], None],
) -> list[Run]:
    runs: list[Run] = []
    end = time.monotonic() + how.timeout
    try:
        while len(runs) < how.reports:
            show(f"waiting for reports: {len(runs)} of {how.reports}")
            run = reception.wait(_POLL_SECONDS)
            if run is not None:
                runs.append(run)
            elif reason := exit_reason() if exit_reason else None:
                raise DeviceError(reason)
            elif time.monotonic() >= end:
                raise DeviceError(
                    f"{len(runs)} of {how.reports} reports after {how.timeout:.0f} s: allow more "
                    f"time with --timeout, or ask for fewer runs; what came is in the report"
                    if runs
                    else f"no report after {how.timeout:.0f} s: allow more time with --timeout, "
                    f"or ask for fewer runs"
                )
    except KeyboardInterrupt:
        # What came until then has been written.
        if not runs:
            raise
    return runs


def _this_device(browser: BrowserName) -> dict[str, str]:
    """What a browser on this machine cannot know of it."""
    from benchmarks.harness.machine import this_device

    device = this_device()
    return {"name": f"{browser} on {device.name}"[:200], "processor": device.processor}
