"""``mobilevit-export --web``: a page with the bundle, as a folder and as a single file."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from converters.bundling.apps import add_to_web
from mobilevit_edge.errors import OutputError
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.web.site import SiteContent, SiteFile, make_site
from mobilevit_edge.web.writing import holds_only_a_site, single_page, write_site
from tests.support.exports import Bundles, Checkpoints, Command, ConvertsTo

SIZE = ("--image-size", "64")
SECONDS: Final = 60.0

TEST: Final = """
const pause = () => new Promise((done) => setTimeout(done, 50));
const until = async (ready) => { while (!ready()) await pause(); };
const text = (id) => document.getElementById(id).textContent;
await until(() => document.querySelector("#bundles button"));
document.querySelector("#bundles button").click();
await until(() => /Passed|Failed|cannot/.test(text("bundles")) || text("problem"));
const asked = performance.getEntriesByType("resource").map(({ name }) => name);
const found = { bundles: text("bundles"), problem: text("problem"), asked };
"""
"""Runs the self-test."""
LOGGED: Final = 'console.log("FOUND" + JSON.stringify(found));'
"""Writes what is shown to the browser's log."""


def self_testing(bundle: Path, then: str = LOGGED) -> dict[str, SiteFile]:
    """A site whose page tests itself, and what it does then."""
    files = make_site({"small": read_bundle(bundle)}, SiteContent())
    code = files["page/app.js"].read() + TEST.encode() + then.encode()
    return {**files, "page/app.js": SiteFile("text/javascript", code)}


def shown(url: str, folder: Path) -> dict[str, Any]:
    """What the page writes first to Chromium's log."""
    with contextlib.closing(log_of(url, folder)) as found:
        return next(found)


def log_of(url: str, folder: Path, seconds: float = SECONDS) -> Generator[dict[str, Any]]:
    """What the page writes to Chromium's log, without a driver or a server to post to."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    options = ["--headless", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]
    command = [program, *options, *root, f"--user-data-dir={folder / 'profile'}"]
    with subprocess.Popen(
        [*command, "--remote-debugging-port=0", url],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        killer = threading.Timer(seconds, lambda: os.killpg(process.pid, 9))
        killer.start()
        try:
            assert process.stderr is not None
            for line in process.stderr:
                found = re.search(r"FOUND(\{.*\})", line)
                if found:
                    yield json.loads(found[1].replace('\\"', '"'))
        finally:
            killer.cancel()
            os.killpg(process.pid, 9)
    raise AssertionError("the page shows nothing")


@contextmanager
def any_web_host(folder: Path, port: int = 0, *, encodes: bool = False) -> Iterator[str]:
    """A server that knows nothing of us; ``encodes``: it says of compressed files that they are."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def end_headers(self) -> None:
            if encodes and self.path.endswith(".gz"):
                self.send_header("Content-Encoding", "gzip")
            super().end_headers()

    handler = partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/deep/"
        server.shutdown()


def test_a_single_file_opens_from_a_disk_and_asks_for_nothing(
    bundle: Bundles, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(single_page(self_testing(bundle("v2"))))
    found = shown(page.as_uri(), tmp_path)
    assert "Passed" in found["bundles"], found
    assert found["asked"] == []


def test_a_folder_runs_on_any_web_host(bundle: Bundles, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    write_site(self_testing(bundle("v2")), tmp_path / "host" / "deep")
    with any_web_host(tmp_path / "host", encodes=True) as url:
        found = shown(url, tmp_path)
        assert "Passed" in found["bundles"], found
        assert found["asked"]
        assert all(name.startswith(url) for name in found["asked"])


KEPT: Final = """
const again = setTimeout(() => location.reload(), 15000);
const names = async () => {
  const [store] = await caches.keys();
  return store ? (await (await caches.open(store)).keys()).map(({ url }) => url) : [];
};
const { bundles: [bundle] } = await (await fetch("site.json")).json();
const wanted = [`bundles/${bundle}/manifest.json?`, `bundles/${bundle}/model.onnx?`, "wasm.gz?"];
await until(() => navigator.serviceWorker.controller);
for (let kept = []; !wanted.every((part) => kept.some((url) => url.includes(part))); ) {
  await pause();
  kept = await names();
  found.kept = kept.map((url) => url.replace(/.*deep./, "").replace(/[?].*/, ""));
}
found.isolated = crossOriginIsolated;
const signal = () => AbortSignal.timeout(2000);
const here = () => fetch("nothing", { signal: signal() }).then(() => true, () => false);
const before = await here();
Object.assign(found, { online: before, asked: [] });
clearTimeout(again);
console.log("FOUND" + JSON.stringify(found));
while ((await here()) === before) await pause();
location.reload();
"""
"""What follows the self-test: the page is reloaded when its server has gone, or come back.

A site that changes while its page is open is at times kept only by the next visit, which comes.
"""


def test_a_page_reloads_without_its_host_and_is_never_stale(
    bundle: Bundles, tmp_path: Path
) -> None:
    files = self_testing(bundle("v2"), KEPT)
    place = tmp_path / "host" / "deep"
    place.parent.mkdir()
    write_site(files, place)
    # The same page with another bundle.
    manifest = files["bundles/small/manifest.json"]
    edited = json.loads(manifest.read())
    edited["model"]["name"] = "another model"
    other = {
        name.replace("/small/", "/other/"): file
        for name, file in files.items()
        if name != "bundles/small/manifest.json"
    }
    content = {**json.loads(files["site.json"].read()), "bundles": ["other"]}
    other["site.json"] = replace(files["site.json"], content=json.dumps(content).encode())
    other["bundles/other/manifest.json"] = replace(manifest, content=json.dumps(edited).encode())

    with any_web_host(place.parent) as url:
        port = urlsplit(url).port
        assert port is not None
        told = log_of(url, tmp_path, 4 * SECONDS)
        online = next(told)
    with contextlib.closing(told):
        offline = next(told)
        write_site(other, place)
        with any_web_host(place.parent, port):
            updated = next(told)
        last = next(told)
    found = [online, offline, updated, last]
    assert [each["online"] for each in found] == [True, False, True, False]
    assert all("Passed" in each["bundles"] for each in found), found
    assert ["another model" in each["bundles"] for each in found] == [False, False, True, True]
    assert "bundles/small/model.onnx" in offline["kept"]
    assert "bundles/other/model.onnx" in last["kept"]
    assert not any("small" in name for name in last["kept"])


@pytest.mark.parametrize("name", ["demo", "demo.html"])
def test_an_export_becomes_a_page(
    name: str,
    tmp_path: Path,
    export: Command,
    bundle: Bundles,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
) -> None:
    model = bundle("v1") / "model.onnx"
    converts_to(lambda path: shutil.copy(model, path))
    weights = ("--target", "onnx", "--weights", checkpoint("v1"), *SIZE)
    place = tmp_path / name
    for _ in range(2):  # a page of ours is replaced
        done = export(*weights, "--output", tmp_path / "my model", "--web", place)
        assert done.code == 0, done.err
        assert f"as a page: {place}" in done.err
    page = place if place.suffix else place / "index.html"
    assert "Content-Security-Policy" in page.read_text()
    if place.is_dir():
        assert holds_only_a_site(place)
        content = json.loads((place / "site.json").read_text())
        assert content["bundles"] == ["my_model"]
        assert content["collects"] is False


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--target", "coreml"), 2, "--web takes --target onnx"),
        (("--target", "onnx", "--batch", "2"), 2, "--web takes one image at a time"),
        (("--target", "onnx", "--web", "full"), 4, "full"),
    ],
)
def test_what_no_page_can_be_is_refused_before_any_work(
    options: tuple[str, ...],
    code: int,
    message: str,
    tmp_path: Path,
    export: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    given = ("--weights", "demo", *SIZE, "--output", "out", "--web", "page", *options)
    done = export(*given)
    assert done.code == code
    assert message in done.err
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "full" / "letter.txt").read_text() == "mine"


def damaged(content: Mapping[str, str], folder: Path) -> None:
    for name, text in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    "content",
    [
        {"page/app.js": ""},
        {"site.json": "[]"},
        {"site.json": "{", "index.html": ""},
        {"site.json": '{"bundles": []}', "notes.txt": "mine"},
        {"site.json": '{"bundles": []}', "bundles/a/photo.jpg": "mine"},
        {"site.json": '{"bundles": []}', "page/a/b": "mine"},
    ],
)
def test_a_folder_with_anything_else_is_not_replaced(
    content: Mapping[str, str], bundle: Bundles, tmp_path: Path
) -> None:
    damaged(content, tmp_path / "site")
    with pytest.raises(OutputError):
        add_to_web(bundle("v1"), tmp_path / "site")
    assert {
        path.relative_to(tmp_path / "site").as_posix()
        for path in (tmp_path / "site").rglob("*")
        if path.is_file()
    } == set(content)


def test_nothing_in_a_name_or_a_label_becomes_code(bundle: Bundles, tmp_path: Path) -> None:
    hostile = Path(shutil.copytree(bundle("v1"), tmp_path / "hostile"))
    manifest = json.loads((hostile / "manifest.json").read_text())
    manifest["model"]["name"] = "</script><script>alert(1)</script>"
    (hostile / "manifest.json").write_text(json.dumps(manifest))
    page = single_page(make_site({"a": read_bundle(hostile)}, SiteContent())).decode()
    assert "alert(1)" not in page
