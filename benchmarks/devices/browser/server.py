"""The server of the page: a fixed table of files, and two places that take a post.

Of the standard library, since it does little: what is asked for is in the table or refused. Whoever
reaches the port is a stranger until the address holds the token; requests by another host's name
(DNS rebinding) and posts from another page's origin are refused even with it.
"""

from __future__ import annotations

import contextlib
import hmac
import socket
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final

from benchmarks.devices.browser.address import Address
from mobilevit_edge.errors import DeviceError
from mobilevit_edge.web.site import CONTENT_POLICY, INDEX, MEDIA_TYPES, SiteFile

MAX_POST_BYTES: Final = 8 * 1024**2
POSTS_PER_MINUTE: Final = 30
_MINUTE: Final = 60.0
_SILENCE_SECONDS: Final = 30.0
"""How long a peer may say nothing."""
_BODY_SECONDS: Final = 60.0
"""How long a post may take."""
_MAX_CONNECTIONS: Final = 64
_MAX_OF_ONE_PEER: Final = 32
_CHUNK: Final = 2**16

_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": f"{CONTENT_POLICY}; frame-ancestors 'none'",
    # Isolated: shared memory for threads, and a fine clock.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Answer:
    """The answer to a post: a status, and a sentence for whoever sent it."""

    status: HTTPStatus
    text: str


Receiver = Callable[[str], Answer]
"""What takes the text of a post."""


@contextmanager
def serving(
    address: Address,
    files: Mapping[str, SiteFile],
    receivers: Mapping[str, Receiver],
    context: ssl.SSLContext | None = None,
) -> Iterator[Address]:
    """Serve until the block ends; the address with the port that was free, if it asked for any.

    Args:
        address: where to listen; port 0 is any that is free.
        files: by their addresses relative to the page.
        receivers: what takes posts, by the same kind of address.
        context: of TLS, for https.

    Raises:
        DeviceError: this machine has no such address, or the port is taken.
    """
    try:
        server = _Server(address, files, receivers, context)
    except OSError as error:
        raise DeviceError(
            f"cannot listen on {address.host} port {address.port}: {error.strerror or error}; "
            f"--host takes an address of this machine, --port another port"
        ) from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.address
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        address: Address,
        files: Mapping[str, SiteFile],
        receivers: Mapping[str, Receiver],
        context: ssl.SSLContext | None,
    ) -> None:
        if ":" in address.host:
            self.address_family = socket.AF_INET6
        super().__init__((address.host, address.port), _Handler)
        self.address = replace(address, port=int(self.server_address[1]))
        self.files = files
        self.receivers = receivers
        self.context = context
        self._lock = Lock()
        self._peers: Counter[str] = Counter()
        self._posts: deque[float] = deque(maxlen=POSTS_PER_MINUTE)

    def may_post(self) -> bool:
        """Whether there were not too many posts in the last minute; counts this one."""
        with self._lock:
            now = time.monotonic()
            full = len(self._posts) == POSTS_PER_MINUTE
            if full and now - self._posts[0] < _MINUTE:
                return False
            self._posts.append(now)
            return True

    def process_request(self, request: Any, client_address: Any) -> None:
        peer = client_address[0]
        with self._lock:
            crowded = self._peers.total() >= _MAX_CONNECTIONS
            if crowded or self._peers[peer] >= _MAX_OF_ONE_PEER:
                self.shutdown_request(request)
                return
            self._peers[peer] += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._peers[client_address[0]] -= 1

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake in the connection's own thread: a silent peer keeps nobody else waiting.
        request.settimeout(_SILENCE_SECONDS)
        if self.context is None:
            _Handler(request, client_address, self)
            return
        with contextlib.closing(self.context.wrap_socket(request, server_side=True)) as secure:
            _Handler(secure, client_address, self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Peers that go away, or speak another protocol, concern nobody."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "mobilevit-bench"
    sys_version = ""
    timeout = _SILENCE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """A file of the table."""
        name = self._name()
        if name is None:
            return
        file = self.server.files.get(name or INDEX)
        if file is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such file")
            return
        self._send_file(file)

    def do_HEAD(self) -> None:
        """As GET, without the content."""
        self.do_GET()

    def do_POST(self) -> None:
        """A report, or the reason why there is none."""
        name = self._name()
        if name is None:
            return
        receiver = self.server.receivers.get(name)
        text = self._body(receiver)
        if receiver is None or text is None:
            return
        answer = receiver(text)
        self._send_text(answer.status, answer.text)

    def log_message(self, format: str, *values: Any) -> None:
        """Requests are not printed: their text is that of strangers."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses: in our form, with our headers."""
        self._refuse(HTTPStatus(code), "this request is not understood")

    def _name(self) -> str | None:
        """What is asked for, relative to the page; ``None`` once it has been refused."""
        if self.headers.get_all("Host", []) not in [[host] for host in self.server.address.hosts]:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this is not the address of this page")
            return None
        token, slash, name = self.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.address.token.encode()) or not slash:
            self._refuse(
                HTTPStatus.NOT_FOUND, "open the whole address that mobilevit-bench has printed"
            )
            return None
        return name

    def _body(self, receiver: Receiver | None) -> str | None:
        """The text of a post; ``None`` once it has been refused."""
        headers = self.headers
        origins = headers.get_all("Origin", [])
        length = headers.get("Content-Length", "")
        if receiver is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing that takes a post")
        elif (
            origins not in [[origin] for origin in self.server.address.origins]
            or headers.get("Sec-Fetch-Site", "same-origin") != "same-origin"
        ):
            self._refuse(HTTPStatus.FORBIDDEN, "only the page itself may post")
        elif headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "only JSON is taken")
        elif "Transfer-Encoding" in headers or not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "the length of the content is missing")
        elif len(length) > len(str(MAX_POST_BYTES)) or int(length) > MAX_POST_BYTES:
            limit = f"at most {MAX_POST_BYTES // 1024**2} MB are taken: measure fewer samples"
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, limit)
        elif not self.server.may_post():
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many posts: wait a minute")
        else:
            return self._read_text(int(length))
        return None

    def _read_text(self, length: int) -> str | None:
        content = bytearray()
        end = time.monotonic() + _BODY_SECONDS
        while len(content) < length:
            chunk = self.rfile.read1(min(_CHUNK, length - len(content)))
            if not chunk or time.monotonic() > end:
                self.close_connection = True
                return None
            content += chunk
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            self._refuse(HTTPStatus.BAD_REQUEST, "the content is not UTF-8")
            return None

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        # What was not read must not be taken for the next request.
        self.close_connection = True
        self._send_text(status, reason)

    def _send_text(self, status: HTTPStatus, text: str) -> None:
        content = f"{text}\n".encode()
        self._send_head(status, MEDIA_TYPES[".txt"], len(content))
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_file(self, file: SiteFile) -> None:
        if isinstance(file.content, Path):
            try:
                opening = file.content.open("rb")
            except OSError:
                self._refuse(HTTPStatus.GONE, "this file is gone: start mobilevit-bench again")
                return
            with opening as opened:
                opened.seek(0, 2)
                self._send_head(HTTPStatus.OK, file.media_type, opened.tell())
                opened.seek(0)
                if self.command != "HEAD":
                    while chunk := opened.read(_CHUNK):
                        self.wfile.write(chunk)
            return
        self._send_head(HTTPStatus.OK, file.media_type, len(file.content))
        if self.command != "HEAD":
            self.wfile.write(file.content)

    def _send_head(self, status: HTTPStatus, media_type: str, length: int) -> None:
        self.send_response(status)
        for header, value in _HEADERS.items():
            self.send_header(header, value)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
