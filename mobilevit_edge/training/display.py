"""What a run shows on stderr: one line per epoch, and a progress bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mobilevit_edge.printable import printable
from mobilevit_edge.terminal import PlainConsole

_NAMES: Final[Mapping[str, str]] = {
    "top1": "top-1",
    "top5": "top-5",
    "miou": "mean IoU",
    "accuracy": "pixels",
}


def shown_scores(scores: Mapping[str, float | None]) -> str:
    """Scores for people: ``top-1 81.20%, top-5 98.68%``."""
    known = {name: score for name, score in scores.items() if score is not None}
    return ", ".join(f"{_NAMES[name]} {score:.2%}" for name, score in known.items())


class Display:
    """Lines and one bar. ``shown=False`` (ranks other than the first) shows nothing."""

    def __init__(self, *, shown: bool = True) -> None:
        self._shown = shown
        self._console = PlainConsole(stderr=True)
        self._bar: Progress | None = None

    def line(self, text: str) -> None:
        """Print a line that stays."""
        if not self._shown:
            return
        if self._bar is not None:
            self._bar.console.print(text)
        else:
            print(printable(text), file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, title: str, total: int, done: int = 0) -> Iterator[_Bar]:
        """A bar while the block runs; nothing if stderr is not a terminal."""
        if not self._shown or not sys.stderr.isatty():
            yield _Bar(None)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(title, total=total, completed=done, note="")
            self._bar = progress
            try:
                yield _Bar(progress)
            finally:
                self._bar = None


class _Bar:
    """The one task of a progress display, or none."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """Show ``done`` of ``total``, which stays the same if not given."""
        if self._progress is not None:
            task = self._progress.task_ids[0]
            self._progress.update(task, completed=done, total=total, note=note)
