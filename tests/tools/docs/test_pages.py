"""Pages hold what the code and the files of figures say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.docs.pages import GENERATED, up_to_date
from tools.docs.site import DOCS, filled_in

MARK = re.compile(r"^<!-- (generated|table|file|site): ([^\n]+) -->$", re.MULTILINE)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_a_page_is_up_to_date(page: Path) -> None:
    text = page.read_text("utf-8")
    assert up_to_date(text) == text, "run: python -m tools.docs.pages"
    kept = [kind for kind, _ in MARK.findall(text) if kind in ("generated", "table")]
    assert len(re.findall("^<!-- end -->$", text, re.MULTILINE)) == len(kept)


def test_what_differs_is_written_again() -> None:
    text = (DOCS / "measurements" / "arm.md").read_text("utf-8")
    assert "| mobilevit_xxs-onnx-fp32-64 cortex-a76 | 16.64 |" in text
    assert up_to_date(text.replace("| 16.64 |", "| 16.63 |")) == text
    text = (DOCS / "reference" / "exit_codes.md").read_text("utf-8")
    assert up_to_date(text.replace("`UsageError`", "`AnotherError`")) == text


@pytest.mark.parametrize("mark", ["generated: nothing", "table: nothing a.json"])
def test_a_mark_of_nothing_is_an_error(mark: str) -> None:
    with pytest.raises(KeyError, match="nothing"):
        up_to_date(f"<!-- {mark} -->\n<!-- end -->")


def test_every_generator_is_used_and_the_site_knows_all_other_marks() -> None:
    pages = {page: page.read_text("utf-8") for page in DOCS.rglob("*.md")}
    used = {
        about
        for text in pages.values()
        for kind, about in MARK.findall(text)
        if kind == "generated"
    }
    assert used == set(GENERATED)
    for page, text in pages.items():
        on_site = filled_in(text, page.parent)
        assert {kind for kind, _ in MARK.findall(on_site)} <= {"generated", "table"}
