"""``mobilevit-bench device browser`` through its entry point."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from benchmarks.devices.browser import headless, measuring
from benchmarks.devices.browser.address import Address
from benchmarks.devices.browser.announcement import announcement
from mobilevit_edge.formats.report import LatencyRow, read_report
from mobilevit_edge.installation import install_command
from tests.support.benchmarks import DEVICE_REPORT, Finished, bench
from tests.support.browsers import TOKEN, local, require_browser

QUICK = ("--runs", "4", "--rounds", "2", "--cool-down", "0", "--warm-up", "2", "--timeout", "120")


def test_this_machines_own_browser_gives_rows_like_any_other(
    exported: Path, tmp_path: Path
) -> None:
    require_browser("chromium")
    # A bundle that answers otherwise than when it was made has no latency.
    wrong = Path(shutil.copytree(exported, tmp_path / "wrong"))
    manifest = json.loads((wrong / "manifest.json").read_text())
    manifest["golden"]["expected"][0]["value"] += 1
    (wrong / "manifest.json").write_text(json.dumps(manifest))
    output = tmp_path / "report.json"
    output.write_text(DEVICE_REPORT.read_text())
    options = ("--headless", "chromium", "--output", output, *QUICK)
    done = bench("device", "browser", exported, wrong, *options)
    assert done.code == 0, done.err
    earlier, run = read_report(output).runs
    assert earlier.id == "whole"
    right, not_run = run.rows
    assert isinstance(right, LatencyRow)
    assert isinstance(not_run, LatencyRow)
    assert [len(series.samples_ns) for series in right.series] == [4, 4]
    assert [len(series.warm_up_ns) for series in right.series] == [2, 2]
    assert "the self-test differs by" in str(not_run.not_run)
    assert run.device.kind == "computer"
    assert run.device.name.startswith("chromium on ")
    assert "Runtime" in done.out
    shown = bench("report", output)
    assert shown.code == 0, shown.err


def refused(done: Finished, message: str) -> None:
    assert done.code in (2, 3, 4), done.err
    assert message in done.err
    assert "unexpected" not in done.err


@pytest.mark.parametrize(
    ("platform", "options", "message"),
    [
        ("browser", ("--serial", "x"), "--serial: not for browser"),
        ("android", ("--host", "0.0.0.0", "--https"), "--host, --https: not for android"),  # noqa: S104
        ("browser", ("--headless", "chromium", "--https"), "no --https, no --reports"),
        ("browser", ("--runs", "0"), "--runs 0 is out of range: 1 to 100000"),
        ("browser", ("--host", "192.0.2.1"), "--host takes an address of this machine"),
        ("browser", ("--timeout", "0.1"), "no report after 0 s"),
    ],
)
def test_what_cannot_be_is_told(
    exported: Path, tmp_path: Path, platform: str, options: tuple[str, ...], message: str
) -> None:
    output = tmp_path / "report.json"
    refused(bench("device", platform, exported, "--output", output, *options), message)
    assert not output.exists()


def test_a_bundle_for_another_system_is_refused(exported: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(exported, tmp_path / "other"))
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["target"] = "coreml"
    (other / "manifest.json").write_text(json.dumps(manifest))
    refused(bench("device", "browser", other), "is for coreml")


def test_a_browser_that_is_missing_or_ends_is_told(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    refused(
        bench("device", "browser", exported, "--headless", "firefox"), "firefox is not installed"
    )
    monkeypatch.setattr(headless, "find_browser", lambda name: "/bin/false")
    done = bench(
        "device", "browser", exported, "--headless", "firefox", "--output", tmp_path / "r.json"
    )
    refused(done, "/bin/false ended without a report (exit code 1)")


def test_reports_are_written_as_they_come_and_waited_for(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "secrets", type("Fixed", (), {"token_urlsafe": lambda n: TOKEN}))
    output = tmp_path / "report.json"
    content = json.loads(DEVICE_REPORT.read_text())
    manifest = json.loads((exported / "manifest.json").read_text())
    model = next(file for file in manifest["files"] if file["path"].startswith("model."))
    for row in content["runs"][0]["rows"]:
        row["subject"]["artifact"]["sha256"] = model["sha256"]
    written: list[int] = []

    def phone(address: Address, name: str) -> None:
        content["runs"][0]["id"] = name
        request = urllib.request.Request(  # noqa: S310  our own server
            f"{address.url}report",
            json.dumps(content).encode(),
            {"Content-Type": "application/json", "Origin": sorted(address.origins)[0]},
        )
        urllib.request.urlopen(request).close()  # noqa: S310
        written.append(len(read_report(output).runs))

    def phones() -> None:
        address = local(port)
        for name in ("first", "second"):
            while True:
                try:
                    phone(address, name)
                    break
                except OSError:
                    time.sleep(0.05)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    thread = threading.Thread(target=phones)
    thread.start()
    options = ("--port", port, "--reports", 2, "--timeout", 60, "--output", output, "--json")
    done = bench("device", "browser", exported, *options)
    thread.join()
    assert done.code == 0, done.err
    assert written == [1, 2]
    printed = json.loads(done.out)
    assert printed["report"] == str(output)
    assert len(printed["runs"]) == 2
    assert [run.id for run in read_report(output).runs] == ["first", "second"]
    assert f"open http://127.0.0.1:{port}/{TOKEN}/" in done.err
    assert f"adb reverse tcp:{port} tcp:{port}" in done.err


def test_people_are_told_what_works_where(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = announcement(Address("http", "10.0.0.7", 80, TOKEN), color=False)
    assert f"open http://10.0.0.7:80/{TOKEN}/" in plain
    assert "the camera, several threads" in plain
    secure = announcement(Address("https", "10.0.0.7", 80, TOKEN), color=False)
    assert "does not know the certificate" in secure
    monkeypatch.setitem(sys.modules, "segno", None)
    without = announcement(Address("http", "10.0.0.7", 80, TOKEN), color=False)
    assert install_command("browser") in without


def test_the_code_leads_to_the_address() -> None:
    segno = pytest.importorskip("segno")
    address = Address("http", "10.0.0.7", 80, TOKEN)
    shown = announcement(address, color=False).split("\n")
    code = shown[: shown.index(f"open {address.url}")]
    # Two rows of modules in a line, with a quiet zone of four.
    modules = segno.make(address.url, micro=False).symbol_size(border=4)[0]
    assert [len(line) for line in code] == [modules] * -(-modules // 2)
