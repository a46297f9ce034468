"""Measuring on an iPhone or iPad, through Xcode's ``devicectl`` and the sample app.

It needs a Mac. The bundles are already in the app: ``mobilevit-export --ios-resources``.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.devices.plan import DevicePlan, settings_of
from benchmarks.devices.program import STEP_SECONDS, run_tool
from mobilevit_edge.errors import DeviceError, ReportError, ToolchainError
from mobilevit_edge.formats.report import Report, read_report
from mobilevit_edge.processes import output_tail

PACKAGE: Final = "org.mobilevitedge.app"
_ANSWER: Final = re.compile(r"MOBILEVIT-BENCH (DONE|FAILED)(?: (.*))?")


@dataclass(frozen=True)
class DeviceControl:
    """``xcrun devicectl`` for one device."""

    program: str
    device: str

    def run(
        self, *arguments: str, timeout: float = STEP_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command for the device.

        Raises:
            DeviceError: there is no answer in time.
        """
        device = ["--device", self.device]
        return run_tool(
            [self.program, "devicectl", *arguments[:3], *device, *arguments[3:]], timeout
        )


def find_xcrun() -> str:
    """The program.

    Raises:
        ToolchainError: this is not a Mac with Xcode.
    """
    found = shutil.which("xcrun")
    if found is None:
        raise ToolchainError(
            "measuring on an iPhone needs a Mac with Xcode 15 or later; without one, start the "
            "app's Measure screen and share its report, which mobilevit-bench report reads"
        )
    return found


def find_iphone(program: str, serial: str | None) -> DeviceControl:
    """The device to measure on: the only one, or the one with the identifier or name ``serial``.

    Raises:
        DeviceError: there is none, it is not connected, or a choice is needed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "devices.json"
        command = [program, "devicectl", "list", "devices", "--json-output", str(path)]
        finished = run_tool(command)
        try:
            listed = json.loads(path.read_text())["result"]["devices"]
            devices = [device for device in map(_device, listed) if device is not None]
        except (OSError, ValueError, KeyError, TypeError) as error:
            printed = output_tail(finished) or error
            raise DeviceError(f"devicectl cannot list devices: {printed}") from error
    if serial is not None:
        devices = [device for device in devices if serial in (device.identifier, device.name)]
    if not devices:
        raise DeviceError(
            "no such device: attach an iPhone, trust this Mac, switch developer mode on, and check "
            "that xcrun devicectl list devices shows it"
        )
    if len(devices) > 1:
        names = ", ".join(f"{device.name} ({device.identifier})" for device in devices)
        raise DeviceError(f"several devices: choose one with --serial: {names}")
    (device,) = devices
    if not device.paired:
        raise DeviceError(f"{device.name} does not trust this Mac: unlock it and trust this Mac")
    return DeviceControl(program, device.identifier)


@dataclass(frozen=True)
class _Device:
    identifier: str
    name: str
    paired: bool


def _device(found: Any) -> _Device | None:
    """An iPhone or iPad; ``None`` for what else is listed: watches, other systems, simulators.

    Xcode 27 moved what it tells of a device to ``properties``, and lists simulators. Where it does
    not tell, the device counts.
    """
    hardware = _part(found, "hardware", "hardwareProperties")
    if "simulated" in str(hardware.get("reality")) or found.get("visibilityClass") == "simulators":
        return None
    if hardware.get("platform") not in (None, "iOS", "iPadOS"):
        return None
    identifier = str(found["identifier"])
    name = _part(found, "state", "deviceProperties").get("name") or hardware.get("marketingName")
    connection = _part(found, "connection", "connectionProperties")
    return _Device(
        identifier=identifier,
        name=str(name or identifier),
        paired=connection.get("pairingState") == "paired",
    )


def _part(found: Any, name: str, earlier_name: str) -> dict[str, Any]:
    """What is told of one side of a device, as Xcode 27 has it or as earlier ones do."""
    if not isinstance(found, dict):
        raise TypeError(f"a device is not an object: {str(found)[:100]}")
    properties = found.get("properties")
    parts = [
        found.get(earlier_name),
        properties.get(name) if isinstance(properties, dict) else None,
    ]
    # Entry by entry: a name may stand in one of them alone.
    return {
        key: value
        for part in parts
        if isinstance(part, dict)
        for key, value in part.items()
        if value is not None
    }


def measure_on_ios(
    control: DeviceControl,
    names: Sequence[str],
    plan: DevicePlan,
    app: Path | None,
    timeout: float,
    show: Callable[[str], None],
) -> Report:
    """Let the app measure bundles that it holds, and fetch its report.

    ``app`` is installed first; ``None`` if it is already on the device. ``timeout`` is in seconds,
    for the whole measurement.

    Raises:
        DeviceError: the device or the app fails; the message says how.
        ReportError: the app's report is not valid.
    """
    if app is not None:
        show("installing the app")
        finished = control.run("device", "install", "app", str(app))
        if finished.returncode:
            raise DeviceError(f"the app cannot be installed: {output_tail(finished)}")
    report = f"bench-{uuid.uuid4()}"
    show("measuring on the device")
    # With --console the command ends when the app does.
    environment = json.dumps(_environment(names, plan, report))
    launch = ["--console", "--terminate-existing", "--environment-variables", environment, PACKAGE]
    finished = control.run("device", "process", "launch", *launch, timeout=timeout)
    answer = _ANSWER.search(finished.stdout)
    if answer is None:
        raise DeviceError(
            f"the app ended without a report (is the device unlocked, and the app installed?): "
            f"{output_tail(finished)}"
        )
    if answer.group(1) == "FAILED":
        raise DeviceError(f"the app refused: {(answer.group(2) or '')[:300]}")
    with tempfile.TemporaryDirectory() as folder:
        fetched = Path(folder) / "report.json"
        source = ["--source", f"Documents/reports/{report}.json", "--destination", str(fetched)]
        container = ["--domain-type", "appDataContainer", "--domain-identifier", PACKAGE]
        finished = control.run("device", "copy", "from", *container, *source)
        if finished.returncode:
            raise DeviceError(f"the report cannot be fetched: {output_tail(finished)}")
        found = read_report(fetched)
    if len(found.runs) != 1:
        raise ReportError(f"the app wrote {len(found.runs)} runs instead of one")
    return found


def _environment(names: Sequence[str], plan: DevicePlan, report: str) -> dict[str, str]:
    settings = settings_of(plan, "ios")
    return {
        "BENCH_BUNDLES": ",".join(names),
        "BENCH_REPORT": report,
        **{f"BENCH_{name.upper()}": str(value) for name, value in settings.items()},
    }
