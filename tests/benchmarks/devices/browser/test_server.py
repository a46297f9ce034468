"""The server against strangers: what it has is in its table, and who may post is the page alone."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

import pytest

from benchmarks.devices.browser import server as server_module
from benchmarks.devices.browser.address import ANY, Address
from benchmarks.devices.browser.server import MAX_POST_BYTES, POSTS_PER_MINUTE, Answer, serving
from mobilevit_edge.errors import DeviceError
from mobilevit_edge.web.site import SiteFile
from tests.support.browsers import TOKEN, local

FILES: Final = {
    "index.html": SiteFile("text/html; charset=utf-8", b"the page"),
    "page/app.js": SiteFile("text/javascript; charset=utf-8", b"code"),
}
JSON: Final = {"Content-Type": "application/json"}


@pytest.fixture
def posts() -> list[str]:
    return []


@pytest.fixture
def served(posts: list[str]) -> Iterator[Address]:
    def take(text: str) -> Answer:
        posts.append(text)
        return Answer(HTTPStatus.OK, "taken")

    with serving(local(), FILES, {"report": take}) as address:
        yield address


def ask(
    address: Address,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> tuple[int, Mapping[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=20)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def post(address: Address, body: bytes = b"{}", **changes: str | None) -> int:
    headers = {"Origin": f"http://127.0.0.1:{address.port}", **JSON}
    for name, value in changes.items():
        headers.pop(name.replace("_", "-"), None)
        if value is not None:
            headers[name.replace("_", "-")] = value
    return ask(address, f"/{TOKEN}/report", "POST", headers, body)[0]


def raw(address: Address, request: bytes, *, end: bool = False) -> bytes:
    """What the server answers until it closes; ``end``: after the request nothing follows."""
    with socket.create_connection(("127.0.0.1", address.port), timeout=20) as connection:
        connection.sendall(request)
        if end:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


@pytest.mark.parametrize(
    ("path", "content"), [("", b"the page"), ("page/app.js", b"code"), ("index.html", b"the page")]
)
def test_files_of_the_table_come_with_a_policy_and_isolated(
    served: Address, path: str, content: bytes
) -> None:
    status, headers, body = ask(served, f"/{TOKEN}/{path}")
    assert (status, body) == (200, content)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers
    status, of_head, body = ask(served, f"/{TOKEN}/{path}", "HEAD")
    assert (status, body, of_head["Content-Length"]) == (200, b"", headers["Content-Length"])


@pytest.mark.parametrize(
    "path",
    [
        "/",
        f"/{TOKEN}",
        f"/{TOKEN[:-1]}/",
        f"/{TOKEN}x/",
        "/index.html",
        f"/{TOKEN}/../index.html",
        f"/{TOKEN}/page/../index.html",
        f"/{TOKEN}/page/%2e%2e/index.html",
        f"/{TOKEN}//etc/passwd",
        f"/{TOKEN}/page/",
        f"/{TOKEN}/page/app.js?x",
        f"/{TOKEN}/page/app.js%00",
        f"/{TOKEN}/PAGE/APP.JS",
        f"/{TOKEN}/report",
        f"http://127.0.0.1/{TOKEN}/",
        "*",
        f"/{'é' * 16}/",
    ],
)
def test_nothing_else_is_there(served: Address, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n"
    answer = raw(served, request.encode())
    assert b"404 Not Found" in answer or b"400 Bad Request" in answer
    assert b"root:" not in answer
    assert b"Content-Security-Policy" in answer
    assert TOKEN.encode() not in answer


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    """As where a bundle is exported again under the server."""
    model = tmp_path / "model.onnx"
    model.write_bytes(b"weights")
    with serving(local(), {"model.onnx": SiteFile("application/octet-stream", model)}, {}) as here:
        assert ask(here, f"/{TOKEN}/model.onnx")[::2] == (200, b"weights")
        model.unlink()
        status, _, body = ask(here, f"/{TOKEN}/model.onnx")
        assert status == 410
        assert b"start mobilevit-bench again" in body
        # The connection's end is the peer's; the server goes on.
        model.write_bytes(b"others")
        assert ask(here, f"/{TOKEN}/model.onnx")[::2] == (200, b"others")


@pytest.mark.parametrize(
    "host",
    ["", "evil.test", "evil.test:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.test:{port}"],
)
def test_another_hosts_name_is_refused_with_the_token_too(served: Address, host: str) -> None:
    name = host.format(port=served.port)
    answer = raw(served, f"GET /{TOKEN}/ HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    assert b"421 Misdirected Request" in answer
    assert b"the page" not in answer


def test_two_hosts_and_none_are_refused(served: Address) -> None:
    good = f"Host: 127.0.0.1:{served.port}\r\n"
    for hosts in ("", good + "Host: evil.test\r\n", good + good):
        answer = raw(served, f"GET /{TOKEN}/ HTTP/1.1\r\n{hosts}\r\n".encode())
        assert b"421 Misdirected Request" in answer


def test_the_page_posts(served: Address, posts: list[str]) -> None:
    assert post(served, b'{"a": "\xc3\xa9"}') == 200
    assert post(served, Sec_Fetch_Site="same-origin") == 200
    assert post(served, Origin=f"http://localhost:{served.port}") == 200
    assert posts == ['{"a": "é"}', "{}", "{}"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Origin": None}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "origin"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": None}, 415),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": "²"}, 411),
        ({"Content_Length": "1" * 5000}, 413),
        ({"Content_Length": str(MAX_POST_BYTES + 1)}, 413),
        ({"Transfer_Encoding": "chunked"}, 411),
    ],
)
def test_other_posts_are_refused_unread(
    served: Address, posts: list[str], changes: dict[str, str | None], status: int
) -> None:
    headers: dict[str, str | None] = {
        "Host": "127.0.0.1:{port}",
        "Origin": "http://127.0.0.1:{port}",
        "Content-Length": "2",
        **JSON,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    lines = [f"{k}: {v.format(port=served.port)}" for k, v in headers.items() if v is not None]
    request = f"POST /{TOKEN}/report HTTP/1.1\r\n"
    content = (request + "\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + b"{}"
    answer = raw(served, content)
    assert f" {status} ".encode() in answer.split(b"\r\n")[0]
    assert posts == []


def test_posts_elsewhere_and_other_methods_are_refused(served: Address, posts: list[str]) -> None:
    headers = {"Origin": f"http://127.0.0.1:{served.port}", **JSON}
    assert ask(served, f"/{TOKEN}/page/app.js", "POST", headers, b"{}")[0] == 404
    assert ask(served, "/report", "POST", headers, b"{}")[0] == 404
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "x"):
        assert ask(served, f"/{TOKEN}/report", method, headers)[0] == 501
    assert posts == []


def test_what_is_no_text_or_cut_off_reaches_nobody(served: Address, posts: list[str]) -> None:
    assert post(served, b"\xff\xfe") == 400
    head = (
        f"POST /{TOKEN}/report HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        f"Origin: http://127.0.0.1:{served.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: 100\r\n\r\n"
    )
    assert raw(served, head.encode() + b"{}", end=True) == b""
    assert posts == []


def test_too_many_posts_wait_a_minute(
    served: Address, posts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [post(served) for _ in range(POSTS_PER_MINUTE)] == [200] * POSTS_PER_MINUTE
    assert post(served) == 429
    monkeypatch.setattr(server_module, "_MINUTE", 0.0)
    assert post(served) == 200
    assert len(posts) == POSTS_PER_MINUTE + 1


def test_silent_and_garbled_peers_keep_nobody_waiting(
    served: Address, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    silent = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(20)]
    assert raw(served, b"\x16\x03\x01\x00\xa5garbage\r\n\r\n")
    assert ask(served, f"/{TOKEN}/")[0] == 200
    # One peer alone gets no more connections than this.
    monkeypatch.setattr(server_module, "_MAX_OF_ONE_PEER", 20)
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(served, f"/{TOKEN}/")
    for connection in silent:
        connection.close()
    end = time.monotonic() + 20
    while True:
        try:
            assert ask(served, f"/{TOKEN}/")[0] == 200
            break
        except (http.client.HTTPException, OSError):
            assert time.monotonic() < end
    assert capfd.readouterr().err == ""


def test_a_large_file_comes_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    (tmp_path / "model.onnx").write_bytes(content)
    files = {"model": SiteFile("application/octet-stream", tmp_path / "model.onnx")}
    with serving(local(), files, {}) as address:
        assert ask(address, f"/{TOKEN}/model")[2] == content


def test_a_port_that_is_taken_and_a_foreign_address_are_told(served: Address) -> None:
    with (
        pytest.raises(DeviceError, match="--port another port"),
        serving(local(served.port), FILES, {}),
    ):
        pass
    foreign = Address("http", "192.0.2.1", 0, TOKEN)
    with (
        pytest.raises(DeviceError, match="an address of this machine"),
        serving(foreign, FILES, {}),
    ):
        pass


def test_names_by_which_each_address_is_known() -> None:
    assert local(80).hosts == {"127.0.0.1:80", "localhost:80", "[::1]:80"}
    assert Address("https", "10.0.0.7", 80, TOKEN).origins == {"https://10.0.0.7:80"}
    assert Address("http", "10.0.0.7", 80, TOKEN).url == f"http://10.0.0.7:80/{TOKEN}/"
    assert Address("http", "::1", 80, TOKEN).url == f"http://[::1]:80/{TOKEN}/"
    everywhere = Address("http", ANY, 80, TOKEN)
    assert {"127.0.0.1:80", "localhost:80"} < everywhere.hosts
    assert ANY not in everywhere.url


def test_https_has_a_certificate_for_its_names() -> None:
    pytest.importorskip("cryptography")
    from benchmarks.devices.browser.certificate import certificate_context

    asked = Address("https", "127.0.0.1", 0, TOKEN)
    with serving(asked, FILES, {}, certificate_context(asked.names)) as address:
        # A peer that never speaks TLS, and one that speaks http.
        silent = socket.create_connection(("127.0.0.1", address.port))
        plain = socket.create_connection(("127.0.0.1", address.port))
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        pem = ssl.get_server_certificate(("127.0.0.1", address.port))
        trusting = ssl.create_default_context(cadata=pem)
        trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT
        for name in ("127.0.0.1", "localhost"):
            connection = http.client.HTTPSConnection(name, address.port, context=trusting)
            connection.request("GET", f"/{TOKEN}/", headers={"Host": f"{name}:{address.port}"})
            assert connection.getresponse().read() == b"the page"
            connection.close()
        silent.close()
        plain.close()
