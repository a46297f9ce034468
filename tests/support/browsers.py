"""Pages opened in real browsers, without a driver: a script in the page posts what it has found."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import pytest

from benchmarks.devices.browser.address import Address
from benchmarks.devices.browser.headless import BrowserName, find_browser, opened
from benchmarks.devices.browser.server import Answer, Receiver, serving
from mobilevit_edge.errors import ToolchainError
from mobilevit_edge.web.site import INDEX, MEDIA_TYPES, SiteFile

SCRIPTS: Final = Path(__file__).parent / "browser"
TOKEN: Final = "token-of-the-tests"  # noqa: S105
_SECONDS: Final = 90.0


def require_browser(name: BrowserName) -> None:
    """Skip where it is not installed."""
    try:
        find_browser(name)
    except ToolchainError as error:
        pytest.skip(str(error))


def local(port: int = 0) -> Address:
    """An address of this machine alone."""
    return Address("http", "127.0.0.1", port, TOKEN)


def with_script(files: Mapping[str, SiteFile], script: str) -> dict[str, SiteFile]:
    """A site whose page also runs one of the scripts of ``browser/``."""
    tag = f'<script type="module" src="{script}"></script>\n</head>'
    index = files[INDEX].read().decode().replace("</head>", tag)
    code = SiteFile(MEDIA_TYPES[".js"], SCRIPTS / script)
    helper = SiteFile(MEDIA_TYPES[".js"], SCRIPTS / "driver.js")
    changed = {INDEX: SiteFile(MEDIA_TYPES[".html"], index.encode())}
    return {**files, **changed, script: code, "driver.js": helper}


def as_json(content: Any) -> SiteFile:
    """Data for a script."""
    return SiteFile(MEDIA_TYPES[".json"], json.dumps(content).encode())


def found_by(
    browser: BrowserName,
    files: Mapping[str, SiteFile],
    script: str,
    *,
    address: Address | None = None,
    extra: Sequence[str] = (),
    receivers: Mapping[str, Receiver] = {},
    context: ssl.SSLContext | None = None,
    seconds: float = _SECONDS,
) -> Any:
    """What a script finds in a page; ``receivers`` take other posts than its own."""
    require_browser(browser)
    posted: SimpleQueue[str] = SimpleQueue()

    def take(text: str) -> Answer:
        posted.put(text)
        return Answer(HTTPStatus.OK, "taken")

    site = with_script(files, script)
    with (
        serving(address or local(), site, {"result": take, **receivers}, context) as served,
        opened(browser, served.url, extra) as exit_reason,
    ):
        try:
            found = json.loads(posted.get(timeout=seconds))
        except Empty:
            raise AssertionError(f"{script} posts nothing; {exit_reason()}") from None
    if isinstance(found, dict) and "error" in found:
        raise AssertionError(found["error"])
    return found
