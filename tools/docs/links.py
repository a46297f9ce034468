"""Links of Markdown files: where they lead, and how they are moved."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_FENCED: Final = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?^\1`*[ ]*$", re.DOTALL | re.MULTILINE)
_ELSEWHERE: Final = re.compile(r"[a-z][a-z+.-]*:")


def targets(text: str) -> Iterator[str]:
    """What a page links to in its repository: paths, with ``#heading`` where there is one."""
    for _, _, target in _LINK.findall(_FENCED.sub("", text)):
        if not _ELSEWHERE.match(target):
            yield target


def relinked(text: str, home: Path, place: Path, pages: dict[Path, Path]) -> str:
    """A page of ``home`` for the folder ``place``; where both are the same, only ``pages`` matter.

    Args:
        text: Markdown with links relative to ``home``.
        home: the folder that it was written for.
        place: the folder that it will be read in.
        pages: files with what stands for each. A folder has no page: its link becomes text.
    """

    def moved(link: re.Match[str]) -> str:
        picture, label, target = link.groups()
        path, hash_, heading = target.partition("#")
        if _ELSEWHERE.match(target) or not path:
            return link[0]
        found = Path(os.path.normpath(home / path))
        if found.is_dir():
            return label
        now = os.path.relpath(pages.get(found, found), place)
        return f"{picture}[{label}]({now}{hash_}{heading})"

    return _LINK.sub(moved, text)
