"""Printing for people. Apart from ``console``, which must stay importable without rich."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from mobilevit_edge.printable import printable


class PlainConsole(Console):
    """Prints user-supplied text as it is: brackets and colons in a label are not markup.

    Whatever could act on the terminal is printed as an escape.
    """

    def __init__(self, width: int | None = None, *, stderr: bool = False) -> None:
        super().__init__(
            width=width,
            stderr=stderr,
            highlight=False,
            soft_wrap=True,
            markup=False,
            emoji=False,
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The parts of what is printed; cells of a table come through here as well."""
        for segment in super().render(renderable, options):
            if segment.control is None:
                yield Segment(printable(segment.text), segment.style)
            else:
                yield segment

    def on_broken_pipe(self) -> None:
        """Leave it to the command, which ends quietly."""
        raise BrokenPipeError
