"""Every link of every document leads somewhere, its heading included."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.docs.links import relinked, targets
from tools.docs.site import DOCS, ROOT, filled_in


def repository_files(*patterns: str) -> list[Path]:
    """What git has of them, or will have."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file())


PAGES = repository_files("*.md")
CODE = repository_files(
    *(f"*.{kind}" for kind in ("py", "js", "kt", "kts", "swift", "toml", "yml"))
)


def headings(path: Path) -> Iterator[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = filled_in(path.read_text("utf-8"), path.parent)
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#{1,4} (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        yield plain.strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in targets(page.read_text("utf-8")):
        name, _, heading = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        assert path.resolve().is_relative_to(ROOT), f"{target} leads out of the repository"
        if heading:
            assert heading in set(headings(path)), target


def test_the_pages_that_code_names_are_there() -> None:
    named = {
        (page, path.relative_to(ROOT))
        for path in CODE
        for page in re.findall(r"\bdocs/[\w/]+\.md\b", path.read_text("utf-8"))
    }
    assert len(named) > 5
    assert not [each for each in named if not (ROOT / each[0]).exists()]


def test_every_page_is_in_the_contents() -> None:
    contents = (DOCS / "index.md").read_text("utf-8")
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        assert name == "index" or re.search(rf"^{name}$", contents, re.MULTILINE), name


def test_links_move_with_their_page_and_folders_lose_theirs(tmp_path: Path) -> None:
    (tmp_path / "app" / "src").mkdir(parents=True)
    text = "[a](page.md#part) ![b](../b.png) [c](src/) [d](https://x.y) [e](#here) [f](../LOG.md)"
    pages = {tmp_path / "LOG.md": tmp_path / "docs" / "log.md"}
    found = relinked(text, tmp_path / "app", tmp_path / "docs" / "howto", pages)
    assert found == (
        "[a](../../app/page.md#part) ![b](../../b.png) c [d](https://x.y) [e](#here) [f](../log.md)"
    )


def test_links_in_code_are_none() -> None:
    assert list(targets("[a](b)\n```\n[c](d)\n```\n[e](https://f) [g](h#i)")) == ["b", "h#i"]
