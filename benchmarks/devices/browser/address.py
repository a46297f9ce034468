"""Where the page can be opened, and by which names."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Final

ANY: Final = "0.0.0.0"  # noqa: S104  only where the user asks for it
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_ELSEWHERE: Final = ("192.0.2.1", 9)
"""An address of documentation (RFC 5737): nothing is sent there."""


@dataclass(frozen=True)
class Address:
    """What a server listens on, and the secret part of its addresses.

    ``extra_names`` are further hosts by which it may be asked for, shown before its own.
    """

    scheme: str
    host: str
    port: int
    token: str
    extra_names: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether this machine alone reaches it."""
        return self.host in LOOPBACK

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The hosts by which it may be asked for, the one to show first.

        Any other name in a request is that of a foreign page whose name was made to lead here (DNS
        rebinding).
        """
        if self.is_local:
            others = [name for name in LOOPBACK if name != self.host]
        else:
            others = [*LOOPBACK] if self.host == ANY else []
        first = lan_address() or LOOPBACK[0] if self.host == ANY else self.host
        return (*self.extra_names, first, *others)

    @property
    def hosts(self) -> frozenset[str]:
        """Values of the header Host that are ours."""
        return frozenset(f"{_bracketed(name)}:{self.port}" for name in self.names)

    @property
    def origins(self) -> frozenset[str]:
        """Values of the header Origin that are ours."""
        return frozenset(f"{self.scheme}://{host}" for host in self.hosts)

    @property
    def url(self) -> str:
        """The page's."""
        return f"{self.scheme}://{_bracketed(self.names[0])}:{self.port}/{self.token}/"


def lan_address() -> str | None:
    """This machine's address in its network; ``None`` without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing: it asks the system which way it would go.
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        found: str = probe.getsockname()[0]
        return found


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
