"""Debian's Swift in a folder: a small Debian 13, entered with ``chroot``.

Debian 12 has no Swift. ``debootstrap`` and ``chroot`` need root, and the folder takes 3.5 GB.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import MobileViTEdgeError, ToolchainError
from mobilevit_edge.processes import run_program, run_to_end
from tools.app_check import filling, is_made_of, require_programs

SUITE: Final = "trixie"
PACKAGES: Final = ("swiftlang", "libc6-dev", "libstdc++-14-dev", "git")
_MIRROR: Final = "http://deb.debian.org/debian"
_SWIFT: Final = "/usr/libexec/swift/bin"
_TOOLS: Final = ("chroot", "unshare", "apt-get", "dpkg")
_SECONDS: Final = 1200


@dataclass(frozen=True)
class Toolchain:
    """A folder that :func:`gather` has filled: a Debian with Swift."""

    folder: Path

    def run(
        self,
        command: Sequence[str],
        work: Path,
        error_type: type[MobileViTEdgeError] = ToolchainError,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, where this machine's folder ``work`` has the same path.

        Raises:
            MobileViTEdgeError: of type ``error_type``: it takes too long.
        """
        inside = self.folder / work.relative_to("/")
        inside.mkdir(parents=True, exist_ok=True)
        # A mount namespace of its own: whatever happens, nothing stays mounted.
        script = f'mount --bind "{work}" "{inside}" && mount -t proc proc "{self.folder}/proc" && '
        script += f'exec chroot "{self.folder}" /usr/bin/env -i PATH={_SWIFT}:/usr/bin:/bin '
        script += f'HOME=/root LANG=C.UTF-8 sh -c \'cd "$0" && exec "$@"\' "{work}" "$@"'
        enter = ["unshare", "--mount", "sh", "-c", script, "sh"]
        failure = f"{command[0]} failed in the small Debian"
        return run_to_end([*enter, *command], failure, seconds=_SECONDS, error_type=error_type)


def gather(cache: Path, show: Callable[[str], None]) -> Toolchain:
    """Make the folder, unless it is there.

    Args:
        cache: an absolute path; the folder is replaced as a whole.
        show: called with each step that begins.

    Raises:
        ToolchainError: this is not root, a program is not installed, or the network fails.
        OutputError: something else is at ``cache``; it is untouched.
    """
    if os.geteuid() != 0:
        raise ToolchainError("entering a Debian with Swift needs root")
    require_programs(_TOOLS)
    parts = repr((SUITE, PACKAGES))
    if is_made_of(cache, parts):
        return Toolchain(cache)
    with (
        filling(cache, parts) as fresh,
        tempfile.TemporaryDirectory(dir=cache.parent) as temporary,
    ):
        show("making a small Debian 13")
        _bootstrap(Path(temporary), fresh)
        show("fetching Swift (700 MB)")
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
        done = Toolchain(fresh).run(install, Path(temporary))
        if done.returncode:
            raise ToolchainError(f"Swift cannot be installed: {done.stderr.strip()[-300:]}")
    return Toolchain(cache)


def _bootstrap(folder: Path, target: Path) -> None:
    """Run Debian's own script, which is unpacked into ``folder``: this machine stays as it is."""

    def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        failure = f"a small Debian cannot be made (is there a network?): {command[0]} failed"
        run_program(command, failure, folder=folder, environment=environment)

    run(["apt-get", "download", "-qq", "debootstrap"])
    (package,) = folder.glob("debootstrap_*.deb")
    run(["dpkg", "-x", package, folder])
    script = folder / "usr" / "sbin" / "debootstrap"
    environment = {**os.environ, "DEBOOTSTRAP_DIR": str(folder / "usr" / "share" / "debootstrap")}
    run([script, "--variant=minbase", SUITE, target, _MIRROR], environment)
