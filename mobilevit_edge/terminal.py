"""Printing for people. Apart from ``console``, which must stay importable without rich."""

from __future__ import annotations

from rich.console import Console


class PlainConsole(Console):
    """Prints user-supplied text as it is: brackets and colons in a label are not markup."""

    def __init__(self, width: int | None = None) -> None:
        super().__init__(width=width, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Leave it to the command, which ends quietly."""
        raise BrokenPipeError
