"""Debian's packages of any suite and architecture, unpacked into a folder, without root.

An apt with a state of its own does not touch the system's, and checks what it fetches against
signed indices.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import ToolchainError
from mobilevit_edge.processes import run_program

_KEYS: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MIRROR: Final = "http://deb.debian.org/debian"


def unpack_packages(
    suites: Mapping[str, Sequence[str]], root: Path, architecture: str = "amd64"
) -> None:
    """Unpack packages into a folder, as if it were the root of the file system.

    Args:
        suites: package names by suite; it need not be the one that this machine runs.
        root: where to; it is made if necessary.
        architecture: Debian's name of it.

    Raises:
        ToolchainError: a package is not available; the message says what failed.
    """
    if not _KEYS.is_file():
        raise ToolchainError(
            f"Debian's signing keys ({_KEYS}) are not installed; "
            f"run: sudo apt-get install debian-archive-keyring"
        )
    for suite, packages in suites.items():
        with tempfile.TemporaryDirectory() as folder:
            _unpack_suite(Path(folder), suite, packages, root, architecture)


def _unpack_suite(
    apt: Path, suite: str, packages: Sequence[str], root: Path, architecture: str
) -> None:
    for name in ("lists/partial", "cache/archives/partial", "debs"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={_KEYS}] {_MIRROR} {suite} main\n")
    config = apt / "apt.conf"
    config.write_text(
        f'Dir::State "{apt}";\nDir::State::lists "{apt}/lists";\nDir::Cache "{apt}/cache";\n'
        f'Dir::State::status "{apt}/status";\nDir::Etc::sourcelist "{apt}/sources.list";\n'
        f'Dir::Etc::sourceparts "-";\n'
        f'APT::Architecture "{architecture}";\nAPT::Architectures {{ "{architecture}"; }};\n'
        # The packages are unpacked, not installed: no sandbox user has to read the folder.
        'APT::Sandbox::User "";\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(config)}

    def run(command: Sequence[str], folder: Path) -> None:
        failure = f"cannot fetch Debian's packages (is there a network?): {' '.join(command)}"
        run_program(command, failure, folder=folder, environment=environment)

    run(["apt-get", "update", "-qq"], apt)
    run(["apt-get", "download", "-qq", *packages], apt / "debs")
    for package in sorted((apt / "debs").glob("*.deb")):
        run(["dpkg", "-x", str(package), str(root)], apt)
