"""``mobilevit-bench attention``: what is measured, what is not and why, and what is made of it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.workloads.attention import (
    PAPER_MS,
    attention_groups,
    fitted_exponent,
    profile_unit,
    reason_not_to_run,
    token_counts,
    unit,
    unit_macs,
)
from mobilevit_edge.formats.report import read_report
from mobilevit_edge.specs import ATTENTIONS, Attention
from tests.support.benchmarks import bench, rows_of

GB = 10**9


def test_tokens_double_up_to_the_largest() -> None:
    assert token_counts(64) == [64]
    assert token_counts(1000) == [64, 128, 256, 512]
    assert token_counts(16_384)[-1] == 16_384


@pytest.mark.parametrize("kind", ATTENTIONS)
@pytest.mark.parametrize("tokens", [64, 300, 512])
def test_multiply_adds_are_those_that_run(kind: Attention, tokens: int) -> None:
    module, x = unit(kind, tokens), torch.zeros(1, tokens, 512)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        assert module(x).shape == x.shape
    assert unit_macs(kind, tokens) == counter.get_total_flops() // 2


@given(
    exponent=st.floats(0.2, 3),
    factor=st.floats(1, 1e6),
    count=st.integers(2, 9),
)
def test_the_exponent_of_a_power_law_is_found(exponent: float, factor: float, count: int) -> None:
    tokens = [64 << i for i in range(count)]
    found = fitted_exponent(tokens, [factor * k**exponent for k in tokens])
    assert found is not None
    assert math.isclose(found, exponent, rel_tol=1e-9)


def test_the_exponent_is_that_of_the_upper_half() -> None:
    tokens = [64, 128, 256, 512, 1024, 2048]
    flat_then_linear = [8.0, 8.0, 8.0, 16.0, 32.0, 64.0]
    found = fitted_exponent(tokens, flat_then_linear)
    assert found is not None
    assert math.isclose(found, 1.0)
    assert fitted_exponent([64], [1.0]) is None


def test_multi_head_stops_where_memory_or_time_forbids_and_says_so() -> None:
    assert reason_not_to_run("multi_head", 1024, 16 * GB) is None
    reason = reason_not_to_run("multi_head", 16_384, 16 * GB)
    assert reason is not None
    assert "16384 x 16384 scores take 25.8 GB" in reason
    slow = reason_not_to_run("multi_head", 16_384, None)
    assert slow is not None
    assert "one inference would take about" in slow
    assert reason_not_to_run("separable", 65_536, GB) is None


def test_each_number_of_tokens_is_a_group_of_its_own() -> None:
    groups = attention_groups(16_384, 16 * GB)
    assert [group.name for group in groups][-2:] == ["16384 tokens", "mobilevit_s"]
    assert all(len(group.candidates) == 3 for group in groups)
    out = [c.row.id for group in groups for c in group.candidates if c.row.not_run is not None]
    assert out == ["multi_head 8192", "multi_head 16384"]


def test_the_profile_names_the_products() -> None:
    profile = profile_unit("multi_head", 64)
    assert {"addmm", "bmm", "_softmax"} <= {operator.kind for operator in profile.operators}
    times = [operator.total_ns for operator in profile.operators]
    assert times == sorted(times, reverse=True)
    assert times[-1] > 0


def test_the_command_measures_prints_and_reports(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ("--max-tokens", "256", "--processes", "1", "--seconds", "0.02", "--output", report)
    finished = bench("attention", *options)
    assert finished.code == 0, finished.err
    assert "multi_head / separable" in finished.out
    assert "exponent" in finished.out
    assert "Top operators at 256 tokens" in finished.out
    (run,) = read_report(report).runs
    rows = rows_of(run)
    assert len(rows) == 3 * 3 + 3
    assert all(row.series and row.series[0].samples_ns for row in rows.values())
    assert [row_id for row_id, row in rows.items() if row.profile] == [
        f"{kind} 256" for kind in ATTENTIONS
    ]

    again = bench("attention", *options, "--resume", "--json")
    assert again.code == 0, again.err
    summary = json.loads(again.out)
    assert [entry["attention"] for entry in summary["units"]] == list(ATTENTIONS)
    assert set(summary["units"][0]["median_ns"]) == {"64", "128", "256"}
    inside = {entry["attention"]: entry for entry in summary["mobilevit_s"]}
    assert inside["multi_head"]["paper_ms"] == PAPER_MS["multi_head"]
    assert inside["multi_head"]["against_separable"]["ratio"] > 0
    assert inside["separable"]["against_separable"] is None


@pytest.mark.parametrize("tokens", ["63", "many", "1000000"])
def test_an_impossible_number_of_tokens_is_refused(tokens: str) -> None:
    finished = bench("attention", "--max-tokens", tokens)
    assert finished.code == 2
    assert "from 64 to 65536" in finished.err
