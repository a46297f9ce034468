"""``mobilevit-bench device ios`` against an ``xcrun`` that replays exchanges."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilevit_edge.formats.report import read_report
from tests.support.benchmarks import (
    DEVICE_REPORT,
    SCRIPTED_ADB,
    Exchange,
    Finished,
    Phone,
    bench,
)


def device(name: str, identifier: str, *, paired: bool = True) -> dict[str, Any]:
    return {
        "identifier": identifier,
        "deviceProperties": {"name": name},
        "connectionProperties": {"pairingState": "paired" if paired else "unpaired"},
    }


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Phone:
    phone = Phone(tmp_path / "phone", "xcrun")
    monkeypatch.setenv("PATH", str(phone.folder))
    monkeypatch.setenv("SCRIPTED_ADB", str(phone.folder))
    monkeypatch.setattr("uuid.uuid4", lambda: "1234")
    return phone


@pytest.fixture
def listed(phone: Phone) -> Callable[..., Exchange]:
    def exchange(*devices: dict[str, Any]) -> Exchange:
        path = phone.folder / "devices.json"
        path.write_text(json.dumps({"result": {"devices": devices}}))
        return {"asked": "devicectl list devices --json-output", "file": str(path)}

    return exchange


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    """As far as this command looks, a Core ML bundle."""
    folder = Path(shutil.copytree(exported, tmp_path / "small"))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["target"] = "coreml"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def measure(phone: Phone, bundle: Path, tmp_path: Path) -> Callable[..., Finished]:
    def run(*options: object) -> Finished:
        return bench("device", "ios", bundle, "--output", tmp_path / "report.json", *options)

    return run


LAUNCHED = {"asked": "device process launch", "out": "MOBILEVIT-BENCH DONE bench-1234"}
FETCHED = {"asked": "device copy from .*bench-1234.json", "file": str(DEVICE_REPORT)}


def test_a_report_is_fetched_shown_and_kept(
    phone: Phone,
    listed: Callable[..., Exchange],
    measure: Callable[..., Finished],
    tmp_path: Path,
) -> None:
    installed = {"asked": "device install app --device A-1 .*MobileViTEdge.app", "out": ""}
    phone.plays(listed(device("Ada", "A-1")), installed, LAUNCHED, FETCHED)
    done = measure("--runs", "7", "--app", "MobileViTEdge.app")
    assert done.code == 0, done.err
    assert read_report(tmp_path / "report.json") == read_report(DEVICE_REPORT)
    (launch,) = [line for line in phone.asked if "process launch" in line]
    assert "--device A-1 --console --terminate-existing" in launch
    assert '"BENCH_BUNDLES": "small"' in launch
    assert '"BENCH_RUNS": "7"' in launch
    assert '"BENCH_WARM_UP": "10"' in launch
    # What its app does not offer is not sent.
    assert "BENCH_THREADS" not in launch
    assert launch.endswith("org.mobilevitedge.app")


def test_one_of_two_devices_is_chosen_by_name(
    phone: Phone, listed: Callable[..., Exchange], measure: Callable[..., Finished]
) -> None:
    both = listed(device("Ada", "A-1"), device("Eve", "E-2"))
    phone.plays(both, LAUNCHED, FETCHED)
    done = measure()
    assert (done.code, "Ada (A-1), Eve (E-2)" in done.err) == (3, True)
    assert measure("--serial", "Eve").code == 0
    assert "--device E-2" in phone.asked[-1]


def newer(
    name: str | None, identifier: str, *, reality: str = "physical", platform: str = "iOS"
) -> dict[str, Any]:
    """A device as Xcode 27 tells of it."""
    return {
        "identifier": identifier,
        "visibilityClass": "simulators" if reality == "simulated" else "default",
        "properties": {
            "state": {} if name is None else {"name": name},
            "hardware": {"platform": platform, "reality": reality, "marketingName": "iPhone 17"},
            "connection": {"pairingState": "paired", "state": "connected"},
        },
    }


NO_PHONES = [
    newer("Ada's Watch", "W-1", platform="watchOS"),
    newer("iPhone 17 Pro", "S-1", reality="simulated"),
    {"identifier": "S-2", "visibilityClass": "simulators"},
    {**device("Old watch", "W-2"), "hardwareProperties": {"platform": "watchOS"}},
    {**device("Simulated", "S-3"), "hardwareProperties": {"reality": "simulated"}},
]


@pytest.mark.parametrize("phone_entry", [device("Ada", "A-1"), newer("Ada", "A-1")])
def test_simulators_and_watches_are_no_phones(
    phone: Phone,
    listed: Callable[..., Exchange],
    measure: Callable[..., Finished],
    phone_entry: dict[str, Any],
) -> None:
    phone.plays(listed(*NO_PHONES, phone_entry), LAUNCHED, FETCHED)
    done = measure()
    assert done.code == 0, done.err
    assert "--device A-1" in phone.asked[-1]
    phone.plays(listed(*NO_PHONES))
    assert "attach an iPhone" in measure().err


def test_a_device_without_a_name_has_its_models(
    phone: Phone, listed: Callable[..., Exchange], measure: Callable[..., Finished]
) -> None:
    bare = {"identifier": "B-3", "connectionProperties": {"pairingState": "paired"}}
    phone.plays(listed(newer(None, "A-1"), bare), LAUNCHED, FETCHED)
    assert "iPhone 17 (A-1), B-3 (B-3)" in measure().err
    assert measure("--serial", "B-3").code == 0


def test_a_list_of_another_shape_is_an_error_in_words(
    phone: Phone, listed: Callable[..., Exchange], measure: Callable[..., Finished]
) -> None:
    entries: list[Any] = ["text", None, {}]
    for entry in entries:
        phone.plays(listed(entry))
        done = measure()
        assert (done.code, "devicectl cannot list devices" in done.err) == (3, True)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ([{"asked": "launch", "code": 1, "err": "Locked"}], "is the device unlocked"),
        (
            [{"asked": "launch", "out": "MOBILEVIT-BENCH FAILED no bundle called small"}],
            "the app refused: no bundle called small",
        ),
        ([LAUNCHED, {"asked": "copy", "code": 1, "err": "no such file"}], "cannot be fetched"),
        ([LAUNCHED, {"asked": "copy", "file": str(SCRIPTED_ADB)}], "is not JSON"),
    ],
    ids=["no-answer", "refusal", "no-report", "bad-report"],
)
def test_what_goes_wrong_is_told_and_nothing_is_written(
    phone: Phone,
    listed: Callable[..., Exchange],
    measure: Callable[..., Finished],
    tmp_path: Path,
    script: list[Exchange],
    message: str,
) -> None:
    phone.plays(listed(device("Ada", "A-1")), *script)
    done = measure()
    assert done.code in (3, 4)
    assert message in done.err
    assert "unexpected" not in done.err
    assert not (tmp_path / "report.json").exists()


def test_devices_that_are_not_ready(
    phone: Phone, listed: Callable[..., Exchange], measure: Callable[..., Finished]
) -> None:
    phone.plays(listed())
    assert "attach an iPhone" in measure().err
    phone.plays(listed(device("Ada", "A-1", paired=False)))
    assert "does not trust this Mac" in measure().err
    phone.plays({"asked": "list devices", "code": 1, "err": "no CoreDevice"})
    done = measure()
    assert (done.code, "no CoreDevice" in done.err) == (3, True)


def test_an_app_that_never_ends_is_given_up(
    phone: Phone, listed: Callable[..., Exchange], measure: Callable[..., Finished]
) -> None:
    phone.plays(listed(device("Ada", "A-1")))
    program = phone.folder / "xcrun"
    slow = program.read_text().replace(
        "    script = json",
        "    import time; time.sleep(2 * ('launch' in asked))\n    script = json",
    )
    program.write_text(slow)
    done = measure("--timeout", "0.5")
    assert (done.code, "gave no answer within 0.5 s" in done.err) == (3, True)


def test_off_a_mac_the_next_step_is_named(
    measure: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = measure()
    assert (done.code, "needs a Mac" in done.err) == (3, True)
