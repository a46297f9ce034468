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

from benchmarks.devices.plan import DevicePlan
from benchmarks.devices.program import last_words, talk
from mobilevit_edge.errors import DeviceError, ReportError, ToolchainError
from mobilevit_edge.formats.archive import zip_bundle
from mobilevit_edge.formats.bundle import Bundle, TargetName
from mobilevit_edge.formats.report import Report, read_report

PACKAGE: Final = "org.mobilevitedge.app"
TARGETS: Final[tuple[TargetName, ...]] = ("onnx", "executorch")
_FILES: Final = PurePosixPath("/sdcard/Android/data") / PACKAGE / "files"
_INCOMING: Final = _FILES / "incoming"
_REPORTS: Final = _FILES / "reports"
_POLL_SECONDS: Final = 1.0
_MISSES: Final = 3
"""Looks without the app's process before it counts as gone: it takes a moment to start."""
_CRASH_LINES: Final = 15


@dataclass(frozen=True)
class Adb:
    """``adb`` for one device."""

    program: str
    serial: str

    def run(self, *arguments: str) -> str:
        """What a command prints.

        Raises:
            DeviceError: it fails; the message has what it printed.
        """
        finished = talk([self.program, "-s", self.serial, *arguments])
        if finished.returncode:
            printed = last_words(finished)
            if "No space left" in printed:
                raise DeviceError(f"the storage of {self.serial} is full: free some of it")
            raise DeviceError(f"adb {arguments[0]} failed on {self.serial}: {printed}")
        return finished.stdout

    def asks(self, *command: str) -> str:
        """What a command of the device prints; empty if it fails."""
        return talk([self.program, "-s", self.serial, "shell", *command]).stdout.strip()


def find_adb() -> str:
    """The program, from ``PATH`` or Android's SDK.

    Raises:
        ToolchainError: there is none.
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
    finished = talk([program, "devices"])
    if finished.returncode:
        raise DeviceError(f"adb cannot list devices: {last_words(finished)}")
    lines = [line.split() for line in finished.stdout.splitlines()[1:] if "\t" in line]
    states = {line[0]: line[1] for line in lines}
    if not states:
        raise DeviceError(
            "no device: attach a phone, enable USB debugging in its developer options, and see "
            "whether adb devices lists it"
        )
    if serial is None and len(states) > 1:
        raise DeviceError(f"several devices: choose one of {', '.join(states)} with --serial")
    chosen = serial or next(iter(states))
    if chosen not in states:
        raise DeviceError(f"no device {chosen}; there are {', '.join(states)}")
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

    ``app`` is the app, installed first; ``None`` if it is on the device. ``timeout`` is in seconds,
    for the whole measurement.

    Raises:
        DeviceError: the device or the app fails; the message says how.
        ReportError: the app's report is not valid.
    """
    if app is not None:
        show("installing the app")
        adb.run("install", "-r", str(app))
    elif not adb.asks("pm", "path", PACKAGE):
        raise DeviceError(
            f"the app is not on {adb.serial}: build android_demo and install it, or pass --app FILE"
        )
    # A fresh process, so that the first load is one.
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
            adb.asks(
                "rm", "-f", str(_REPORTS / f"{name}.json"), str(_REPORTS / f"{name}.error.txt")
            )
        report = read_report(fetched)
    if len(report.runs) != 1:
        raise ReportError(f"the app on {adb.serial} wrote {len(report.runs)} runs instead of one")
    return report


def _extras(names: Sequence[str], plan: DevicePlan, report: str) -> list[str]:
    numbers = {
        "threads": plan.threads,
        "warm_up": plan.warm_up,
        "runs": plan.runs,
        "rounds": plan.rounds,
        "cool_down": plan.cool_down,
    }
    texts = ["--es", "bundles", ",".join(names), "--es", "report", report]
    whole = [part for name, value in numbers.items() for part in ("--ei", name, str(value))]
    return [*texts, *whole, "--ez", "pin", "true" if plan.pin else "false"]


def _start(adb: Adb, extras: Sequence[str]) -> None:
    adb.run("logcat", "-b", "crash", "-c")
    printed = adb.run("shell", "am", "start", "-n", f"{PACKAGE}/.BenchActivity", *extras)
    # am ends with 0 even where it starts nothing.
    problem = re.search(r"Error.*", printed)
    if problem:
        raise DeviceError(f"{adb.serial} does not start the app: {problem.group()[:300]}")


def _wait(adb: Adb, name: str, timeout: float) -> None:
    """Until the report is there."""
    end = time.monotonic() + timeout
    misses = 0
    while True:
        written = adb.asks("ls", str(_REPORTS)).split()
        if f"{name}.json" in written:
            return
        if f"{name}.error.txt" in written:
            reason = adb.asks("cat", str(_REPORTS / f"{name}.error.txt"))
            raise DeviceError(f"the app on {adb.serial} refuses: {reason[:300]}")
        misses = 0 if adb.asks("pidof", PACKAGE) else misses + 1
        if misses >= _MISSES:
            raise DeviceError(_gone(adb))
        if time.monotonic() >= end:
            adb.asks("am", "force-stop", PACKAGE)
            raise DeviceError(
                f"no report after {timeout:.0f} s (is the screen of {adb.serial} unlocked?); "
                f"allow more with --timeout, or ask for fewer runs"
            )
        time.sleep(_POLL_SECONDS)


def _gone(adb: Adb) -> str:
    """What became of the app."""
    if adb.serial not in talk([adb.program, "devices"]).stdout:
        return f"{adb.serial} is no longer attached"
    log = adb.asks("logcat", "-b", "crash", "-d", "-v", "raw").splitlines()
    shown = "\n".join(f"  {line[:200]}" for line in log[:_CRASH_LINES])
    return f"the app on {adb.serial} has ended without a report" + (f":\n{shown}" if log else "")
