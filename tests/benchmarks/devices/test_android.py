"""``mobilevit-bench device android`` against an ``adb`` that replays recorded exchanges."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.devices import android
from mobilevit_edge.formats.archive import zip_bundle
from mobilevit_edge.formats.report import read_report
from tests.support.benchmarks import (
    DEVICE_REPORT,
    Exchange,
    Finished,
    Phone,
    bench,
)

LISTED = "List of devices attached\n"
ONE = {"asked": "^devices$", "out": f"{LISTED}R5CT\tdevice\n"}
INSTALLED = {"asked": "shell pm path", "out": "package:/data/app/base.apk"}
QUIET = {"asked": "force-stop|logcat -b crash -c|shell rm|content delete", "out": ""}
PUSHED = {"asked": "^-s R5CT push .* /data/local/tmp/", "out": "1 file pushed, 0 skipped."}
TAKEN = {"asked": "content write --uri content://org.mobilevitedge.app.bench/incoming", "out": ""}
STARTED = {
    "asked": "am start",
    "out": "Starting: Intent { cmp=org.mobilevitedge.app/.BenchActivity (has extras) }",
}
RUNNING = {"asked": "pidof", "out": "4711"}
READY = (ONE, INSTALLED, QUIET, PUSHED, TAKEN, STARTED)
DONE = "MOBILEVIT-BENCH DONE bench-1234"
REFUSED = "MOBILEVIT-BENCH FAILED bench-1234 threads is 99; it must be 1 to 16"


def denied(reason: str) -> Exchange:
    """How ``content`` tells of a failure: exit code 0, and a trace."""
    provider = "org.mobilevitedge.app.bench"
    return {
        "asked": "content write",
        "err": f"Error while accessing provider:{provider}\n{reason}\n\tat android.os.Parcel",
    }


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Phone:
    phone = Phone(tmp_path / "phone", "adb")
    monkeypatch.setenv("PATH", str(phone.folder))
    monkeypatch.setenv("SCRIPTED_ADB", str(phone.folder))
    monkeypatch.setattr(android, "_POLL_SECONDS", 0)
    # The name of the report is made anew for every run; the script has to know it.
    monkeypatch.setattr("uuid.uuid4", lambda: "1234")
    return phone


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "small"))


@pytest.fixture
def measure(phone: Phone, bundle: Path, tmp_path: Path) -> Callable[..., Finished]:
    def run(*options: object) -> Finished:
        output = tmp_path / "report.json"
        return bench("device", "android", bundle, "--output", output, *options)

    return run


def report_after(polls: int) -> list[Exchange]:
    report = DEVICE_REPORT.read_text()
    return [
        {"asked": "logcat -d -v raw -s MobileViTBench", "out": "", "times": polls},
        {"asked": "logcat -d -v raw -s MobileViTBench", "out": f"an earlier line\n{DONE}"},
        {"asked": "content read --uri .*/reports/bench-1234.json", "out": report},
        RUNNING,
    ]


def test_a_report_is_fetched_shown_and_kept(
    phone: Phone, measure: Callable[..., Finished], tmp_path: Path
) -> None:
    phone.plays(*READY, *report_after(polls=3))
    done = measure("--runs", "7", "--threads", "2", "--no-pin")
    assert done.code == 0, done.err
    assert "Pixel 9" in done.out
    assert read_report(tmp_path / "report.json") == read_report(DEVICE_REPORT)
    (start,) = [line for line in phone.asked if "am start" in line]
    for extra in (
        "--es bundles small",
        "--es report bench-1234",
        "--ei runs 7",
        "--ei threads 2",
        "--ei warm_up 10",
        "--ez pin false",
    ):
        assert extra in start
    # The app's process is a fresh one, and nothing of ours stays on the phone.
    order = [line.split("shell ")[-1].split(" ")[0:2] for line in phone.asked if "shell" in line]
    assert order.index(["am", "force-stop"]) < order.index(["am", "start"])
    provider, staged = (
        "content://org.mobilevitedge.app.bench",
        "/data/local/tmp/mobilevit-small.zip",
    )
    written = f"-s R5CT shell content write --uri {provider}/incoming/small.zip < {staged}"
    assert [line for line in phone.asked if "content write" in line] == [written]
    assert f"-s R5CT shell rm -f {staged}" in phone.asked
    assert phone.asked[-1].endswith(f"content delete --uri {provider}/reports/bench-1234.json")


def test_a_folder_that_is_closed_to_adb_does_not_matter(
    phone: Phone, measure: Callable[..., Finished]
) -> None:
    """Android 11 and later: pushing into an app's folder fails on many phones."""
    closed = {
        "asked": "push .*/sdcard/",
        "code": 1,
        "err": "adb: error: failed to copy: remote fchown failed: Operation not permitted",
    }
    phone.plays(closed, *READY, *report_after(polls=0))
    assert measure().code == 0


def test_what_is_pushed_is_the_bundle(
    phone: Phone, measure: Callable[..., Finished], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.zip"
    zipped = zip_bundle

    def keep(bundle: Any, path: Path) -> None:
        zipped(bundle, path)
        shutil.copy(path, kept)

    monkeypatch.setattr(android, "zip_bundle", keep)
    phone.plays(*READY, *report_after(polls=0))
    assert measure().code == 0
    names = set(zipfile.ZipFile(kept).namelist())
    assert names == {"manifest.json", "labels.txt", "model.onnx"}


def test_runs_that_the_report_holds_stay(
    phone: Phone, measure: Callable[..., Finished], tmp_path: Path
) -> None:
    earlier = json.loads(DEVICE_REPORT.read_text())
    earlier["runs"][0]["id"] = "earlier"
    (tmp_path / "report.json").write_text(json.dumps(earlier))
    phone.plays(*READY, *report_after(polls=0))
    assert measure("--json").code == 0
    assert [run.id for run in read_report(tmp_path / "report.json").runs] == ["earlier", "whole"]


def test_the_app_is_installed_where_it_is_given(
    phone: Phone, measure: Callable[..., Finished], tmp_path: Path
) -> None:
    apk = tmp_path / "app.apk"
    installed = {"asked": "install -r .*app.apk", "out": "Success"}
    phone.plays(ONE, installed, QUIET, PUSHED, TAKEN, STARTED, *report_after(polls=0))
    assert measure("--app", apk).code == 0


@pytest.mark.parametrize(
    ("devices", "options", "message"),
    [
        ("", (), "no device: attach a phone"),
        ("R5CT\tunauthorized\n", (), "unlock it and allow debugging"),
        ("R5CT\toffline\n", (), "R5CT is offline"),
        ("R5CT\tdevice\nemulator-5554\tdevice\n", (), "choose one of R5CT, emulator-5554"),
        ("R5CT\tdevice\n", ("--serial", "other"), "no device other; attached are R5CT"),
    ],
)
def test_a_device_that_is_not_ready(
    phone: Phone,
    measure: Callable[..., Finished],
    devices: str,
    options: tuple[str, ...],
    message: str,
) -> None:
    phone.plays({"asked": "^devices$", "out": LISTED + devices})
    done = measure(*options)
    assert (done.code, message in done.err) == (3, True), done.err
    assert phone.asked == ["devices"]


def test_one_of_two_devices_is_chosen(phone: Phone, measure: Callable[..., Finished]) -> None:
    both = {"asked": "^devices$", "out": f"{LISTED}A\tdevice\nR5CT\tdevice\n"}
    phone.plays(both, *READY[1:], *report_after(polls=0))
    assert measure("--serial", "R5CT").code == 0
    assert all(line == "devices" or line.startswith("-s R5CT ") for line in phone.asked)


CRASH = "FATAL EXCEPTION: pool-2-thread-1\njava.lang.UnsatisfiedLinkError: no libonnxruntime.so"


@pytest.mark.parametrize(
    ("script", "messages"),
    [
        (
            [ONE, {"asked": "pm path", "out": "", "code": 1}],
            ["the app is not installed on R5CT", "--app"],
        ),
        (
            [
                *READY[:3],
                {
                    "asked": "push",
                    "code": 1,
                    "err": "adb: error: failed to copy: remote write failed: "
                    "No space left on device",
                },
            ],
            ["the storage of R5CT is full"],
        ),
        (
            [
                *READY[:4],
                denied("java.lang.SecurityException: Permission Denial: opening provider"),
            ],
            ["does not let adb reach the app", "USB debugging (security settings)"],
        ),
        (
            [*READY[:4], denied("java.io.IOException: write failed: ENOSPC")],
            ["the storage of R5CT is full"],
        ),
        (
            [*READY[:4], denied("java.lang.IllegalStateException: Could not find provider: x")],
            ["is older than this command", "--app"],
        ),
        (
            [*READY[:4], {"asked": "content write", "out": "[ERROR] Unsupported command: write"}],
            ["takes no files: [ERROR] Unsupported command: write"],
        ),
        (
            [*READY[:5], {"asked": "am start", "out": "Error type 3\nError: Activity class {x}"}],
            ["cannot start the app: Error type 3"],
        ),
        (
            [
                *READY,
                {"asked": "logcat -d", "out": REFUSED},
            ],
            ["the app on R5CT refused: threads is 99"],
        ),
        (
            [
                *READY,
                {"asked": "logcat -d", "out": ""},
                {**RUNNING, "times": 2},
                {"asked": "pidof", "out": "", "code": 1},
                {"asked": "logcat -b crash -d", "out": CRASH},
            ],
            ["ended without a report", "UnsatisfiedLinkError"],
        ),
        (
            [
                {**ONE, "times": 1},
                {"asked": "^devices$", "out": LISTED},
                *READY[1:],
                {"asked": "logcat -d", "code": 1, "err": "device not found"},
                {"asked": "pidof", "code": 1, "err": "device not found"},
            ],
            ["R5CT is no longer attached"],
        ),
        (
            [
                *READY,
                {"asked": "logcat -d", "out": DONE},
                {"asked": "content read", "out": "no report"},
            ],
            ["is not JSON"],
        ),
    ],
    ids=[
        "no-app",
        "full-storage",
        "denied",
        "full-app",
        "earlier-app",
        "no-write",
        "no-start",
        "refusal",
        "crash",
        "unplugged",
        "bad-report",
    ],
)
def test_what_goes_wrong_is_told_and_nothing_is_written(
    phone: Phone,
    measure: Callable[..., Finished],
    tmp_path: Path,
    script: list[Exchange],
    messages: list[str],
) -> None:
    phone.plays(*script)
    done = measure()
    assert done.code in (3, 4), done.err
    for message in messages:
        assert message in done.err
    assert "unexpected" not in done.err
    assert not (tmp_path / "report.json").exists()


def test_a_phone_that_never_answers_is_given_up(
    phone: Phone, measure: Callable[..., Finished]
) -> None:
    phone.plays(*READY, {"asked": "logcat -d", "out": ""}, RUNNING)
    done = measure("--timeout", "0")
    assert done.code == 3
    assert "no report after 0 s" in done.err
    # The app does not go on measuring.
    assert phone.asked[-1].endswith("am force-stop org.mobilevitedge.app")


def test_without_adb_there_is_a_next_step(
    measure: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    done = measure()
    assert (done.code, "platform-tools" in done.err) == (3, True)


def test_adb_of_the_sdk_is_found(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools = tmp_path / "sdk" / "platform-tools"
    tools.parent.mkdir()
    phone.folder.rename(tools)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ANDROID_HOME", str(tools.parent))
    assert android.find_adb() == str(tools / "adb")


def test_bundles_that_the_app_cannot_run_are_refused_before_any_device(
    phone: Phone, bundle: Path
) -> None:
    other = bundle.parent / "other" / "small"
    shutil.copytree(bundle, other)
    done = bench("device", "android", bundle, other)
    assert (done.code, "rename one of them" in done.err) == (2, True)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["target"] = "coreml"
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    done = bench("device", "android", bundle)
    assert (done.code, "the app runs onnx and executorch" in done.err) == (2, True)
    assert not (phone.folder / "asked.txt").exists()
