"""What is made from the code says all of it."""

from __future__ import annotations

import inspect
import json
import re

import pytest

from converters.rewrites import REWRITES
from mobilevit_edge import errors
from tools.docs.commands import PARSERS, commands, subcommands_of
from tools.docs.exit_codes import exit_codes
from tools.docs.markdown import cell
from tools.docs.rewrites import rewrites
from tools.docs.schemas import schema_fields
from tools.docs.site import ROOT


def test_every_option_of_every_command_is_described() -> None:
    text = commands()
    for name, make in PARSERS.items():
        parser = make()
        assert f"## {name}\n" in text
        for path, part in {"": parser, **subcommands_of(parser)}.items():
            assert f"# {' '.join(filter(None, (name, path)))}\n" in text
            for action in part._actions:
                flag = action.option_strings[-1] if action.option_strings else ""
                hidden = action.help == "==SUPPRESS=="
                assert hidden or flag in ("--help", "--version") or flag in text, flag
    assert "| `--batch N\\|dynamic` | images per call (default 1) |" in text
    assert "| `--unit UNIT` | " in text
    assert "### mobilevit-bench device\n" in text


@pytest.mark.parametrize("name", ["bundle.v2.json", "latency_report.v1.json"])
def test_every_field_of_a_schema_is_described(name: str) -> None:
    schema = json.loads((ROOT / "mobilevit_edge" / "schemas" / name).read_text("utf-8"))
    text = schema_fields(name)
    rows = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    ends = {re.split(r"[.\[\]]+", row)[-1] for row in rows}

    def names(part: object) -> set[str]:
        if isinstance(part, list):
            return set().union(*map(names, part)) if part else set()
        if not isinstance(part, dict):
            return set()
        own = part.get("properties", {})
        return set(own if isinstance(own, dict) else ()) | names(list(part.values()))

    missing = names(schema) - ends
    # A field may itself be called "properties", whose own fields are then not the schema's.
    assert missing == set()
    for part in schema["$defs"]:
        assert f"### {part}\n" in text


def test_a_field_that_may_be_null_or_absent_says_so() -> None:
    text = schema_fields("bundle.v2.json")
    assert re.search(r"^\| `calibration` \| null or object \|", text, re.MULTILINE)
    assert re.search(r"^\| `calibration.images` \| integer \(≥ 1", text, re.MULTILINE)
    assert re.search(r"^\| `coreml.sizes\[\].function` \| string or null", text, re.MULTILINE)


def test_every_rewrite_has_its_algebra() -> None:
    text = rewrites()
    for name, rewrite in REWRITES.items():
        section = text.split(f"### {name}\n")[1].split("\n### ")[0]
        assert rewrite.identity in section
        assert len(section) > len(rewrite.identity) + 80
    assert text.index("## For NPUs") > text.index("### tanh_silu")
    assert text.index("### band_layout") > text.index("## For NPUs")


def test_every_error_has_a_remedy() -> None:
    rows = exit_codes().splitlines()[2:]
    assert [int(row.split("|")[1]) for row in rows] == sorted(int(r.split("|")[1]) for r in rows)
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, errors.MobileViTEdgeError):
            if value is errors.MobileViTEdgeError:
                continue
            (row,) = [row for row in rows if f"`{name}`" in row]
            _, code, _, means, remedy, _ = row.split("|")
            assert int(code) == value.exit_code
            assert len(means) > 10
            assert len(remedy) > 10, f"{name} has no remedy"


def test_a_cell_is_one_line_without_bars() -> None:
    assert cell("a|b\n  c") == "a\\|b c"
