"""Browsers of this machine, started without a window and without a driver."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from glob import glob
from typing import Final, Literal, TypeAlias, get_args

from mobilevit_edge.errors import ToolchainError

BrowserName: TypeAlias = Literal["chromium", "firefox", "webkit"]
BROWSER_NAMES: Final[tuple[BrowserName, ...]] = get_args(BrowserName)
_GRACE_SECONDS: Final = 5.0


@dataclass(frozen=True)
class _Browser:
    """Programs by which a browser is known, and what starts it with a profile of its own.

    ``display`` is what gives it a screen, where it has no mode without one.
    """

    programs: tuple[str, ...]
    arguments: tuple[str, ...]
    display: tuple[str, ...] = ()


_BROWSERS: Final[Mapping[BrowserName, _Browser]] = {
    "chromium": _Browser(
        ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"),
        (
            "--headless",
            "--user-data-dir={profile}",
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-gpu",
            # Containers have little shared memory.
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ),
    ),
    "firefox": _Browser(
        ("firefox", "firefox-esr"), ("--headless", "--no-remote", "--profile", "{profile}")
    ),
    # WebKitGTK's own small browser.
    "webkit": _Browser(("MiniBrowser",), ("--private",), ("xvfb-run", "--auto-servernum")),
}
_FOLDERS: Final = ("/usr/lib/*/webkit2gtk-4.*", "/usr/libexec/webkit2gtk-4.*")
"""Where programs lie that are on no PATH."""
_AS_ROOT: Final[Mapping[BrowserName, tuple[str, ...]]] = {"chromium": ("--no-sandbox",)}
"""Chromium's sandbox does not exist for root; the page that it opens is our own."""


def find_browser(name: BrowserName) -> str:
    """The program.

    Raises:
        ToolchainError: it is not installed.
    """
    browser = _BROWSERS[name]
    folders = [os.environ.get("PATH", os.defpath), *(f for p in _FOLDERS for f in sorted(glob(p)))]
    places = os.pathsep.join(folders)
    found = next(filter(None, (shutil.which(p, path=places) for p in browser.programs)), None)
    if found is None or not all(map(shutil.which, browser.display[:1])):
        needed = " and ".join((" or ".join(browser.programs), *browser.display[:1]))
        raise ToolchainError(
            f"{name} is not installed: install it ({needed} on PATH), or leave out --headless and "
            f"open the page in any browser"
        )
    return found


@contextmanager
def opened(
    name: BrowserName, url: str, extra: Sequence[str] = ()
) -> Iterator[Callable[[], str | None]]:
    """Open a page until the block ends.

    ``extra`` are further arguments. What is yielded says why the browser is no longer running;
    ``None`` while it is.

    Raises:
        ToolchainError: it is not installed, or cannot be started.
    """
    program = find_browser(name)
    browser = _BROWSERS[name]
    root = _AS_ROOT.get(name, ()) if os.geteuid() == 0 else ()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = [argument.format(profile=profile) for argument in browser.arguments]
        command = [*browser.display, program, *arguments, *root, *extra, url]
        try:
            # A group of its own: a browser is many processes.
            process = subprocess.Popen(  # noqa: S603  a program of the user's
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolchainError(f"{program} cannot be started: {error}") from error
        try:
            yield lambda: _exit_reason(program, process)
        finally:
            _end(process)


def _exit_reason(program: str, process: subprocess.Popen[bytes]) -> str | None:
    code = process.poll()
    return None if code is None else f"{program} ended without a report (exit code {code})"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the browser and its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
