"""``mobilevit-export --explain``: what each rewrite of a target does to a model."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import converters.job.source
from converters.rewrites import REWRITES
from converters.rewrites.base import Context, apply_rewrites
from mobilevit_edge.formats.manifest import TargetName
from tests.support.networks import BLOCKS, Family, calibrated_model, tiny_model, tiny_spec
from tests.support.rewrites import macs, record, rewrites_of

Command = Callable[..., Any]
Explain = Callable[..., dict[str, Any]]

MOVES = {
    *("_unsafe_view", "alias", "as_strided", "detach", "empty", "expand", "permute", "select"),
    *("slice", "split", "split_with_sizes", "squeeze", "t", "transpose", "unsqueeze", "view"),
}
"""Operators that compute nothing: they are not counted."""

targets = pytest.mark.parametrize("target", ["onnx", "executorch", "coreml", "litert"])
families = pytest.mark.parametrize("family", ["v1", "v2"])


def arguments(target: TargetName, family: Family, *options: str) -> tuple[str, ...]:
    source = ("--weights", "random", "--model", family, "--image-size", "64")
    return ("--explain", "--target", target, *source, *options)


@pytest.fixture(scope="module", autouse=True)
def tiny_networks() -> Iterator[None]:
    """``--model`` takes the name of a family of tiny networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(converters.job.source, "find_spec", tiny_spec)
        patch.setattr(converters.job.source, "create_model", calibrated_model)
        yield


@pytest.fixture(scope="module")
def explain(export: Command) -> Explain:
    """What the command prints with ``--json``, computed once for the same arguments."""

    @cache
    def run(target: TargetName, family: Family, *options: str) -> dict[str, Any]:
        finished = export(*arguments(target, family, *options), "--json")
        assert finished.code == 0, finished.err
        printed: dict[str, Any] = json.loads(finished.out)
        return printed

    return run


def effects_of(explanation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {effect["name"]: effect for effect in explanation["effects"]}


@targets
def test_every_rewrite_of_the_target_is_listed_in_order_with_its_identity(
    explain: Explain, target: TargetName
) -> None:
    explanation = explain(target, "v2")
    names = ["preprocessing_fold", *rewrites_of(target, tiny_spec("v2"))]
    assert explanation.keys() == {"model", "macs", "operators", "effects"}
    assert explanation["model"] == "tiny_mobilevitv2_050"
    assert [effect["name"] for effect in explanation["effects"]] == names
    for effect in explanation["effects"]:
        assert effect.keys() == {"name", "identity", "sites", "refused", "operators", "macs"}
        assert effect["identity"] == REWRITES[effect["name"]].identity


@targets
@families
def test_the_changes_add_up_to_the_rewritten_model(
    explain: Explain, target: TargetName, family: Family
) -> None:
    explanation = explain(target, family)
    reference, x = tiny_model(family), torch.zeros(1, 3, 64, 64)
    changed = copy.deepcopy(reference)
    names = rewrites_of(target, reference.spec)
    apply_rewrites(changed, [REWRITES[name] for name in names], Context((64, 64)))

    assert explanation["macs"] == macs(reference, x)
    added = sum(effect["macs"] for effect in explanation["effects"])
    assert explanation["macs"] + added == macs(changed, x)

    before, after = record(reference, x).operators, record(changed, x).operators
    counted = {kind: number for kind, number in before.items() if kind not in MOVES}
    assert explanation["operators"] == sum(counted.values())
    changes: Counter[str] = Counter()
    for effect in explanation["effects"]:
        changes.update(effect["operators"])
    kinds = (before.keys() | after.keys() | changes.keys()) - MOVES
    assert {kind: changes[kind] for kind in kinds} == {k: after[k] - before[k] for k in kinds}
    assert not MOVES & changes.keys()


def test_each_change_is_that_of_its_own_rewrite(explain: Explain) -> None:
    effects = effects_of(explain("onnx", "v1"))
    folded = effects["batch_norm_fold"]
    assert folded["sites"] > 10
    assert folded["operators"] == {"native_batch_norm": -folded["sites"]}
    assert folded["macs"] == 0
    explicit = effects["explicit_attention"]
    assert explicit["sites"] == BLOCKS
    # Key and value get projections of their own, without a bias.
    assert explicit["operators"]["mm"] == 2 * BLOCKS
    # Attention on tokens: nothing for this one to do.
    idle = effects["key_after_pooling"]
    assert (idle["sites"], idle["refused"], idle["operators"], idle["macs"]) == (0, None, {}, 0)


def test_keys_after_pooling_save_multiply_adds(explain: Explain) -> None:
    assert effects_of(explain("onnx", "v2"))["key_after_pooling"]["macs"] < 0


@pytest.mark.parametrize(("options", "sites"), [((), 0), (("--raw-input",), 1)])
def test_the_preprocessing_is_folded_where_pixels_are_raw(
    explain: Explain, options: tuple[str, ...], sites: int
) -> None:
    assert effects_of(explain("onnx", "v1", *options))["preprocessing_fold"]["sites"] == sites


WITHOUT_HEAD = ("executorch", "v2", "--no-rewrite", "head_as_convolution")
REASON = "needs head_as_convolution, which was not applied"


def test_a_rewrite_that_is_left_out_is_not_listed_and_what_needs_it_is_refused(
    explain: Explain,
) -> None:
    effects = effects_of(explain(*WITHOUT_HEAD))
    assert "head_as_convolution" not in effects
    refused = effects["early_pooling"]
    assert (refused["sites"], refused["operators"], refused["macs"]) == (0, {}, 0)
    assert refused["refused"] == REASON


@targets
def test_leaving_out_what_the_target_does_not_use_is_a_usage_error(
    export: Command, target: TargetName
) -> None:
    finished = export(*arguments(target, "v2", "--no-rewrite", "no_such_rewrite"))
    assert finished.code == 2
    assert finished.out == ""
    assert "no rewrite no_such_rewrite" in finished.err
    assert "batch_norm_fold" in finished.err


def rows_of(text: str) -> dict[str, list[str]]:
    """Cells of the printed table by the first one; lines of a cell are joined by a space."""
    rows = re.split(r"[├╞┡╪][^\n]*[┤╡┩]\n", text)
    cells = (
        [" ".join(part.strip() for part in column).strip() for column in zip(*lines, strict=True)]
        for row in rows
        if (lines := [line.strip("│┃").split("│") for line in row.splitlines() if "│" in line])
    )
    return {name: rest for name, *rest in cells}


@pytest.mark.parametrize("case", [("onnx", "v1"), ("coreml", "v2"), WITHOUT_HEAD], ids=str)
def test_the_table_says_what_the_json_says(
    export: Command,
    explain: Explain,
    case: tuple[Any, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    explanation = explain(*case)
    finished = export(*arguments(*case))
    assert finished.code == 0, finished.err
    assert f"Rewrites of {explanation['model']}" in finished.out
    assert f"the reference: {explanation['operators']} operators" in finished.out
    assert f"{explanation['macs'] / 1e6:,.1f} M multiply-adds" in finished.out

    rows = rows_of(finished.out)
    idle = re.sub(r"\s+", " ", finished.out).rpartition("nothing to do here for: ")[2].strip()
    at_work = {e["name"]: e for e in explanation["effects"] if e["sites"] or e["refused"]}
    assert list(rows) == list(at_work)
    assert idle.split(", ") == [e["name"] for e in explanation["effects"] if e["name"] not in rows]
    for name, (places, operators, multiply_adds) in rows.items():
        effect = at_work[name]
        changes = ", ".join(f"{kind} {number:+d}" for kind, number in effect["operators"].items())
        assert places == (str(effect["sites"]) if effect["sites"] else "refused")
        told = effect["refused"] or changes or "no operator changes"
        assert operators == f"{effect['identity']} {told}"
        assert multiply_adds == (f"{effect['macs'] / 1e6:+,.1f}" if effect["macs"] else "")
    assert not list(tmp_path.iterdir()), "an explanation writes no file"
