"""Downloads from a hub: a small local server that speaks what huggingface_hub asks."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError, MissingPackageError
from mobilevit_edge.installation import install_command
from mobilevit_edge.weights import hub
from mobilevit_edge.weights.provenance import labels_of
from mobilevit_edge.weights.saving import named_weights
from mobilevit_edge.weights.sources import HubSource
from tests.conftest import filled_model

huggingface_hub = pytest.importorskip("huggingface_hub", reason="hub: needs the extra of that name")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = json.dumps({"id2label": {"0": "cat", "1": "dog"}}).encode()


def repositories(folder: Path) -> dict[str, dict[str, bytes]]:
    model = filled_model("mobilevit_xxs", num_classes=2)
    weights = named_weights(model, "transformers")
    torch.save(weights, folder / "weights.bin")
    return {
        "org/good": {"model.safetensors": save(weights), "config.json": CONFIG, "big.onnx": b"x"},
        "org/older": {"pytorch_model.bin": (folder / "weights.bin").read_bytes()},
        "org/empty": {"README.md": b"nothing here"},
    }


def blob_id(body: bytes) -> str:
    """Forty hexadecimal digits, as git's."""
    return hashlib.sha256(body).hexdigest()[:40]


class Hub(ThreadingHTTPServer):
    """``files`` are the repositories; ``asked`` records the paths of downloads."""

    def __init__(self, files: dict[str, dict[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.split("?")[0].strip("/")
        is_api = path.startswith("api/models/")
        owner, name, kind, *rest = [*path.removeprefix("api/models/").split("/"), "info"]
        files = self.server.files.get(f"{owner}/{name}")
        if files is None:
            self.answer(404, b"{}", X_Error_Code="RepoNotFound")
        elif is_api and kind in ("info", "revision"):
            siblings = [{"rfilename": file} for file in files]
            info = {"id": f"{owner}/{name}", "sha": COMMIT, "siblings": siblings}
            self.answer(200, json.dumps(info).encode(), Content_Type="application/json")
        elif is_api and kind == "tree":
            tree = [
                {
                    "type": "file",
                    "path": file,
                    "size": len(body),
                    "oid": blob_id(body),
                }
                for file, body in files.items()
            ]
            self.answer(200, json.dumps(tree).encode(), Content_Type="application/json")
        elif kind == "resolve" and rest[1] in files:
            body = files[rest[1]]
            if self.command == "GET":
                self.server.asked.append(rest[1])
            etag = f'"{blob_id(body)}"'
            self.answer(200, body, ETag=etag, X_Repo_Commit=COMMIT)
        else:
            self.answer(404, b"{}", X_Error_Code="EntryNotFound")

    do_HEAD = do_GET  # noqa: N815 - the base class looks for this name


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    server = Hub(repositories(tmp_path_factory.mktemp("repositories")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


DOWNLOAD = """
import sys
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.weights.hub import download
from mobilevit_edge.weights.sources import find_source
try:
    print(download(find_source("hub:" + sys.argv[1])))
except CheckpointError as error:
    print(f"CheckpointError: {error}")
"""


def downloaded(url: str, repository: str, home: Path, **environment: str) -> str:
    """The answer of a fresh process, since the hub's settings are read at import: a folder."""
    clean = {k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY")}
    settings = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", DOWNLOAD, repository],
        env=clean | settings | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_repository_is_downloaded_once_and_then_read_without_network(
    server: Hub, tmp_path: Path, closed_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.asked.clear()
    folder = downloaded(server.url, "org/good", tmp_path)
    assert sorted(server.asked) == ["config.json", "model.safetensors"], "nothing else is fetched"
    assert downloaded(closed_port, "org/good", tmp_path) == folder
    assert downloaded(closed_port, "org/good", tmp_path, HF_HUB_OFFLINE="1") == folder
    assert len(server.asked) == 2

    monkeypatch.setattr(hub, "download", {HubSource("org/good"): Path(folder)}.__getitem__)
    checkpoint = me.read_checkpoint("hub:org/good")
    assert (checkpoint.origin, checkpoint.naming) == ("hub:org/good", "transformers")
    assert labels_of(checkpoint) == ("cat", "dog")
    assert me.load_model(checkpoint).num_classes == 2


def test_an_older_repository_with_a_bin_file_is_read(
    server: Hub, tmp_path: Path, closed_port: str
) -> None:
    folder = downloaded(server.url, "org/older", tmp_path)
    assert downloaded(closed_port, "org/older", tmp_path) == folder
    checkpoint = me.read_checkpoint(folder)
    assert checkpoint.naming == "transformers"
    assert labels_of(checkpoint) is None
    assert me.load_model(checkpoint).num_classes == 2


@pytest.mark.parametrize(
    ("repository", "message"),
    [
        ("org/unknown", "cannot download hub:org/unknown"),
        ("org/empty", "holds no model.safetensors and no pytorch_model.bin"),
        ("a/b/c", "'a/b/c' is not a repository name"),
    ],
)
def test_a_repository_that_cannot_serve_is_a_clear_error(
    server: Hub, tmp_path: Path, repository: str, message: str
) -> None:
    answer = downloaded(server.url, repository, tmp_path)
    assert answer.startswith("CheckpointError: ")
    assert message in answer
    assert len(answer.splitlines()) == 1


def test_an_unreachable_hub_is_a_clear_error(tmp_path: Path, closed_port: str) -> None:
    answer = downloaded(closed_port, "org/good", tmp_path)
    assert answer.startswith("CheckpointError: cannot download hub:org/good")
    assert "check the name and the network" in answer


@pytest.mark.parametrize("name", ["", "no spaces/allowed", "org/..", "-x/y"])
def test_a_malformed_name_never_reaches_the_network(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("asked the network"))
    with pytest.raises(CheckpointError, match="not a repository name"):
        hub.download(HubSource(name))


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), OSError("\n")])
def test_an_error_without_words_is_still_reported(
    monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(CheckpointError, match="cannot download hub:org/good"):
        hub.download(HubSource("org/good"))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingPackageError, match=re.escape(install_command("hub"))):
        hub.download(HubSource("org/good"))
