"""Debian's Swift in a folder of its own: a small Debian 13, entered with ``chroot``.

Debian 12 has no Swift. Needs root, for ``debootstrap`` and ``chroot``, and 3.5 GB of disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUITE: Final = "trixie"
PACKAGES: Final = ("swiftlang", "libc6-dev", "libstdc++-14-dev", "git")
_MIRROR: Final = "http://deb.debian.org/debian"
_SWIFT: Final = "/usr/libexec/swift/bin"
_STAMP: Final = "made-of.txt"
_SECONDS: Final = 1200


class MissingToolError(Exception):
    """Something that this needs cannot be had; the message names it."""


@dataclass(frozen=True)
class Toolchain:
    """A Debian with Swift, in a folder that :func:`gather` has filled."""

    folder: Path

    def run(self, command: Sequence[str], work: Path) -> subprocess.CompletedProcess[str]:
        """Run a command inside, with ``work`` of this machine at the same path."""
        inside = self.folder / work.relative_to("/")
        inside.mkdir(parents=True, exist_ok=True)
        # A mount namespace of its own: whatever happens, nothing stays mounted.
        script = f'mount --bind "{work}" "{inside}" && mount -t proc proc "{self.folder}/proc" && '
        script += f'exec chroot "{self.folder}" /usr/bin/env -i PATH={_SWIFT}:/usr/bin:/bin '
        script += f'HOME=/root LANG=C.UTF-8 sh -c \'cd "$0" && exec "$@"\' "{work}" "$@"'
        return subprocess.run(  # noqa: S603  commands of ours
            ["unshare", "--mount", "sh", "-c", script, "sh", *command],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )


def default_cache() -> Path:
    """``mobilevit-edge/swift`` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mobilevit-edge" / "swift"


def gather(cache: Path, say: Callable[[str], None]) -> Toolchain:
    """Make the folder, unless it is there.

    Raises:
        MissingToolError: no root, a program is missing, or the network is.
    """
    stamp = repr((SUITE, PACKAGES))
    made = cache / _STAMP
    if os.geteuid() != 0:
        raise MissingToolError("entering a Debian with Swift needs root")
    for tool in ("chroot", "unshare", "apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise MissingToolError(f"{tool} is not installed")
    if made.is_file() and made.read_text() == stamp:
        return Toolchain(cache)
    shutil.rmtree(cache, ignore_errors=True)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as temporary:
        say("making a small Debian 13")
        _bootstrap(Path(temporary), cache)
        say("fetching Swift (700 MB)")
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
        done = Toolchain(cache).run(install, Path(temporary))
        if done.returncode:
            raise MissingToolError(f"Swift cannot be installed: {done.stderr.strip()[-300:]}")
    # Last: a cache with this stamp is complete.
    made.write_text(stamp)
    return Toolchain(cache)


def _bootstrap(folder: Path, target: Path) -> None:
    """Debian's own script, unpacked aside: nothing of this machine changes."""
    _fetch(["apt-get", "download", "-qq", "debootstrap"], folder)
    (package,) = folder.glob("debootstrap_*.deb")
    _fetch(["dpkg", "-x", str(package), str(folder)], folder)
    script = folder / "usr" / "sbin" / "debootstrap"
    environment = {**os.environ, "DEBOOTSTRAP_DIR": str(folder / "usr" / "share" / "debootstrap")}
    command = [str(script), "--variant=minbase", SUITE, str(target), _MIRROR]
    _fetch(command, folder, environment)


def _fetch(command: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command that gathers something, or raise what it printed."""
    try:
        done = subprocess.run(  # noqa: S603  commands of ours
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingToolError(f"{command[0]}: {error}") from error
    if done.returncode:
        reason = (done.stderr or done.stdout).strip()[-300:]
        raise MissingToolError(f"{command[0]} failed (is there a network?): {reason}")
