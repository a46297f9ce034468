"""Measuring on an Android phone, through ``adb`` and the sample app.

Files go through the app's own content provider, which is open to ``adb`` alone: since Android 11 an
app's folder on the shared storage is closed to ``adb push`` on many phones.
"""

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
_PROVIDER: Final = f"content://{PACKAGE}.bench"
_STAGING: Final = PurePosixPath("/data/local/tmp")
"""Where every phone lets adb write."""
_LOG_TAG: Final = "MobileViTBench"
_ANSWER: Final = re.compile(r"MOBILEVIT-BENCH (DONE|FAILED) (\S+)(?: (.*))?")
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
    with tempfile.TemporaryDirectory() as folder:
        for name, bundle in bundles.items():
            show(f"pushing {name}")
            packed = Path(folder) / f"{name}.zip"
            zip_bundle(bundle, packed)
            _hand_over(adb, packed)
        name = f"bench-{uuid.uuid4()}"
        # A fresh process, so that the first load is a cold start.
        adb.run("shell", "am", "force-stop", PACKAGE)
        show("starting the app")
        _start(adb, _extras(list(bundles), plan, name))
        show("measuring on the device")
        _wait(adb, name, timeout)
        fetched = Path(folder) / "report.json"
        fetched.write_text(_content(adb, f"read --uri {_PROVIDER}/reports/{name}.json"), "utf-8")
        report = read_report(fetched)
    # Kept on the phone until it has arrived.
    adb.query("content", "delete", "--uri", f"{_PROVIDER}/reports/{name}.json")
    if len(report.runs) != 1:
        raise ReportError(f"the app on {adb.serial} wrote {len(report.runs)} runs instead of one")
    return report


def _hand_over(adb: Adb, packed: Path) -> None:
    """Give a file to the app, through a place that both adb and the phone's shell reach."""
    staged = _STAGING / f"mobilevit-{packed.name}"
    try:
        adb.run("push", str(packed), str(staged))
        _content(adb, f"write --uri {_PROVIDER}/incoming/{packed.name} < {staged}")
    finally:
        adb.query("rm", "-f", str(staged))


def _content(adb: Adb, command: str) -> str:
    """What a command to the app's provider prints; its exit code is 0 whatever happens."""
    finished = run_tool([adb.program, "-s", adb.serial, "shell", f"content {command}"])
    # Android's runtime prints warnings too.
    failed = re.search(r"Error while accessing provider|Exception", finished.stderr)
    unknown = re.search(r"^\[ERROR\]", finished.stdout, re.MULTILINE)
    if finished.returncode == 0 and failed is None and unknown is None:
        return finished.stdout
    printed = f"{finished.stderr}\n{finished.stdout}".strip()
    if "ENOSPC" in printed or "No space left" in printed:
        raise DeviceError(f"the storage of {adb.serial} is full: free some space")
    if "Could not find provider" in printed:
        raise DeviceError(
            f"the app on {adb.serial} is older than this command: build android_demo and pass "
            f"--app FILE"
        )
    if "Permission Denial" in printed or "SecurityException" in printed:
        raise DeviceError(
            f"{adb.serial} does not let adb reach the app: allow USB debugging (security settings) "
            f"in its developer options: {printed[:300]}"
        )
    raise DeviceError(f"the app on {adb.serial} takes no files: {printed[:300]}")


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
    """Wait until the app says that the report is there.

    It says so in the log: asking its provider would start a virtual machine on the phone each time,
    in the middle of the measurement.
    """
    end = time.monotonic() + timeout
    misses = 0
    while True:
        if _has_answered(adb, name):
            return
        misses = 0 if adb.query("pidof", PACKAGE) else misses + 1
        if misses >= _MISSES:
            # It may have answered and ended since.
            if _has_answered(adb, name):
                return
            raise DeviceError(_app_exit_reason(adb))
        if time.monotonic() >= end:
            adb.query("am", "force-stop", PACKAGE)
            raise DeviceError(
                f"no report after {timeout:.0f} s (is the screen of {adb.serial} unlocked?): "
                f"allow more time with --timeout, or ask for fewer runs"
            )
        time.sleep(_POLL_SECONDS)


def _has_answered(adb: Adb, name: str) -> bool:
    """Whether the log holds the app's answer for this report.

    Raises:
        DeviceError: the app refused.
    """
    log = adb.query("logcat", "-d", "-v", "raw", "-s", _LOG_TAG)
    for outcome, report, reason in _ANSWER.findall(log):
        if report == name and outcome == "DONE":
            return True
        if report == name:
            raise DeviceError(f"the app on {adb.serial} refused: {reason[:300]}")
    return False


def _app_exit_reason(adb: Adb) -> str:
    """Why the app is not running any more."""
    if adb.serial not in run_tool([adb.program, "devices"]).stdout:
        return f"{adb.serial} is no longer attached"
    log = adb.query("logcat", "-b", "crash", "-d", "-v", "raw").splitlines()
    shown = "\n".join(f"  {line[:200]}" for line in log[:_CRASH_LINES])
    return f"the app on {adb.serial} ended without a report" + (f":\n{shown}" if log else "")
