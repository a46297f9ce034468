"""Measuring on an Android phone, through ``adb`` and the sample app."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from benchmarks.devices.plan import DevicePlan, settings_of
from benchmarks.devices.program import run_tool
from mobilevit_edge.errors import DeviceError, ReportError, ToolchainError
from mobilevit_edge.formats.archive import zip_bundle
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.formats.report import Report, read_report
from mobilevit_edge.processes import output_tail

PACKAGE: Final = "org.mobilevitedge.app"
_FILES: Final = PurePosixPath("/sdcard/Android/data") / PACKAGE / "files"
_INCOMING: Final = _FILES / "incoming"
_REPORTS: Final = _FILES / "reports"
_POLL_SECONDS: Final = 1.0
_MISSES: Final = 3
"""Polls without the app's process until it counts as ended: it takes a moment to start."""
_CRASH_LINES: Final = 15


@dataclass(frozen=True)
class Adb:
    """``adb`` for one device."""

    program: str
    serial: str

    def run(self, *arguments: str) -> str:
        """What a command prints.

        Raises:
            DeviceError: it fails; the message ends with what it printed.
        """
        finished = run_tool([self.program, "-s", self.serial, *arguments])
        if finished.returncode:
            printed = output_tail(finished)
            if "No space left" in printed:
                raise DeviceError(f"the storage of {self.serial} is full: free some space")
            raise DeviceError(f"adb {arguments[0]} failed on {self.serial}: {printed}")
        return finished.stdout

    def query(self, *command: str) -> str:
        """What a command on the device prints; empty if it fails."""
        return run_tool([self.program, "-s", self.serial, "shell", *command]).stdout.strip()


def find_adb() -> str:
    """The program, from ``PATH`` or Android's SDK.

    Raises:
        ToolchainError: adb is not installed.
    """
    homes = [os.environ.get(name) for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT")]
    folders = [str(Path(home) / "platform-tools") for home in homes if home]
    found = shutil.which("adb") or shutil.which("adb", path=os.pathsep.join(folders))
    if found is None:
        raise ToolchainError(
            "adb is not installed: install Android's platform-tools and put them on PATH"
        )
    return found


def find_device(program: str, serial: str | None) -> Adb:
    """The device to measure on: the only one, or the one with ``serial``.

    Raises:
        DeviceError: there is none, it is not ready, or a choice is needed.
    """
    finished = run_tool([program, "devices"])
    if finished.returncode:
        raise DeviceError(f"adb cannot list devices: {output_tail(finished)}")
    lines = [line.split() for line in finished.stdout.splitlines()[1:] if "\t" in line]
    states = {line[0]: line[1] for line in lines}
    if not states:
        raise DeviceError(
            "no device: attach a phone, enable USB debugging in its developer options, and check "
            "that adb devices lists it"
        )
    if serial is None and len(states) > 1:
        raise DeviceError(f"several devices: choose one of {', '.join(states)} with --serial")
    chosen = serial or next(iter(states))
    if chosen not in states:
        raise DeviceError(f"no device {chosen}; attached are {', '.join(states)}")
    if states[chosen] == "unauthorized":
        raise DeviceError(f"{chosen} does not trust this computer: unlock it and allow debugging")
    if states[chosen] != "device":
        raise DeviceError(f"{chosen} is {states[chosen]}: attach it again")
    return Adb(program, chosen)


def measure_on_android(
    adb: Adb,
    bundles: Mapping[str, Bundle],
    plan: DevicePlan,
    app: Path | None,
    timeout: float,
    show: Callable[[str], None],
) -> Report:
    """Push the bundles, let the app measure them, and fetch its report.

    ``app`` is installed first; ``None`` if it is already on the device. ``timeout`` is in seconds,
    for the whole measurement.

    Raises:
        DeviceError: the device or the app fails; the message says how.
        ReportError: the app's report is not valid.
    """
    if app is not None:
        show("installing the app")
        adb.run("install", "-r", str(app))
    elif not adb.query("pm", "path", PACKAGE):
        raise DeviceError(
            f"the app is not installed on {adb.serial}: build android_demo and pass --app FILE"
        )
    # A fresh process, so that the first load is a cold start.
    adb.run("shell", "am", "force-stop", PACKAGE)
    with tempfile.TemporaryDirectory() as folder:
        adb.run("shell", "mkdir", "-p", str(_INCOMING))
        for name, bundle in bundles.items():
            show(f"pushing {name}")
            packed = Path(folder) / f"{name}.zip"
            zip_bundle(bundle, packed)
            adb.run("push", str(packed), str(_INCOMING / packed.name))
        name = f"bench-{uuid.uuid4()}"
        show("starting the app")
        _start(adb, _extras(list(bundles), plan, name))
        show("measuring on the device")
        try:
            _wait(adb, name, timeout)
            fetched = Path(folder) / "report.json"
            adb.run("pull", str(_REPORTS / f"{name}.json"), str(fetched))
        finally:
            adb.query(
                "rm", "-f", str(_REPORTS / f"{name}.json"), str(_REPORTS / f"{name}.error.txt")
            )
        report = read_report(fetched)
    if len(report.runs) != 1:
        raise ReportError(f"the app on {adb.serial} wrote {len(report.runs)} runs instead of one")
    return report


def _extras(names: Sequence[str], plan: DevicePlan, report: str) -> list[str]:
    """The plan as arguments of ``am start``: switches, whole numbers and texts."""
    extras = ["--es", "bundles", ",".join(names), "--es", "report", report]
    for name, value in settings_of(plan, "android").items():
        switch = isinstance(value, bool)
        extras += ["--ez" if switch else "--ei", name, str(value).lower()]
    return extras


def _start(adb: Adb, extras: Sequence[str]) -> None:
    adb.run("logcat", "-b", "crash", "-c")
    printed = adb.run("shell", "am", "start", "-n", f"{PACKAGE}/.BenchActivity", *extras)
    # am ends with 0 even if it starts nothing.
    problem = re.search(r"Error.*", printed)
    if problem:
        raise DeviceError(f"{adb.serial} cannot start the app: {problem.group()[:300]}")


def _wait(adb: Adb, name: str, timeout: float) -> None:
    """Wait until the report is there."""
    end = time.monotonic() + timeout
    misses = 0
    while True:
        written = adb.query("ls", str(_REPORTS)).split()
        if f"{name}.json" in written:
            return
        if f"{name}.error.txt" in written:
            reason = adb.query("cat", str(_REPORTS / f"{name}.error.txt"))
            raise DeviceError(f"the app on {adb.serial} refused: {reason[:300]}")
        misses = 0 if adb.query("pidof", PACKAGE) else misses + 1
        if misses >= _MISSES:
            raise DeviceError(_app_exit_reason(adb))
        if time.monotonic() >= end:
            adb.query("am", "force-stop", PACKAGE)
            raise DeviceError(
                f"no report after {timeout:.0f} s (is the screen of {adb.serial} unlocked?): "
                f"allow more time with --timeout, or ask for fewer runs"
            )
        time.sleep(_POLL_SECONDS)


def _app_exit_reason(adb: Adb) -> str:
    """Why the app is not running any more."""
    if adb.serial not in run_tool([adb.program, "devices"]).stdout:
        return f"{adb.serial} is no longer attached"
    log = adb.query("logcat", "-b", "crash", "-d", "-v", "raw").splitlines()
    shown = "\n".join(f"  {line[:200]}" for line in log[:_CRASH_LINES])
    return f"the app on {adb.serial} ended without a report" + (f":\n{shown}" if log else "")
