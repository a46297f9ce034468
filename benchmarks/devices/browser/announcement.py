"""What people are told of where the page is: address, QR code, and what works there."""

from __future__ import annotations

import io
import os
from typing import Final

from benchmarks.devices.browser.address import LOOPBACK, Address
from mobilevit_edge.errors import MissingPackageError

_PLAIN: Final = (
    "Over plain http a phone has photos, one thread and reports; the camera, several threads and a "
    "fine clock need --https (the browser warns of the certificate: go on) or a cable."
)
_SECURE: Final = (
    "The browser warns that it does not know the certificate, which was made for this run: go on "
    "to the page."
)


def announcement(address: Address, *, color: bool) -> str:
    """The page's address, for a terminal; ``color`` draws the QR code for dark and light ones."""
    if address.is_local:
        forward = f"adb reverse tcp:{address.port} tcp:{address.port}"
        lines = [
            f"open {address.url}",
            f"on this computer; on an Android phone with cable and USB debugging after: {forward}",
            "phones in the same network: --host ADDRESS, this computer's address there, or 0.0.0.0",
        ]
    else:
        note = _SECURE if address.scheme == "https" else _PLAIN
        lines = [*_code(address.url, color=color), f"open {address.url}", note]
        if address.names[0] in LOOPBACK:
            lines.append("this computer has no network: only it reaches that address")
    lines.append("whoever has the address can open the page; Ctrl-C ends it")
    return "\n".join(lines)


def _code(url: str, *, color: bool) -> list[str]:
    try:
        import segno
    except ImportError:
        return [f"no QR code: {MissingPackageError('segno')}"]
    drawn = io.StringIO()
    # Without colors light modules are drawn as blocks, as on a dark terminal.
    segno.make(url, micro=False).terminal(drawn, compact=True, border=2 if color else 4)
    return drawn.getvalue().rstrip("\n").split("\n")


def supports_color(stream: object) -> bool:
    """Whether a stream is a terminal that draws colors."""
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty() and "NO_COLOR" not in os.environ)
