"""Rendered reports: what they say, and that nothing in a report can act."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import cattrs
import pytest

from benchmarks.analysis import comparison
from benchmarks.analysis.statistics import summarize
from benchmarks.output.attention import attention_summary
from benchmarks.output.charts import Bar, ScatterPoint
from benchmarks.output.rendering.content import sections_of
from benchmarks.output.rendering.figures import bars_figure, scatter_figure, strips_figure
from benchmarks.output.rendering.html import to_html
from benchmarks.output.rendering.markdown import to_markdown
from mobilevit_edge.formats.report import (
    Flag,
    LatencyRow,
    Report,
    Run,
    Runtime,
    Subject,
    read_report,
    write_report,
)
from tests.support.benchmarks import Launcher, bench, carry_out, named, plan, run_of_rows

HOSTILE = '</script><img src=x onerror="alert(1)">'


def run_of(*row_ids: str, **changes: Any) -> Run:
    """A run of made-up samples: 100 and 200 ns, an outlier among them."""
    samples = {
        row_id: [(100 if row_id == row_ids[0] else 200) + i % 3 for i in range(20)] + [9000]
        for row_id in row_ids
    }
    return replace(run_of_rows([c.row for c in named(*row_ids)], samples), **changes)


@pytest.fixture(scope="module")
def run() -> Run:
    return run_of("small", "large")


def report_of(*runs: Run) -> Report:
    return Report(1, runs)


class Page(HTMLParser):
    """Elements with their attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.script = ""
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.script += data


def test_markdown_has_a_table_a_verdict_and_the_machine(run: Run) -> None:
    text = to_markdown(sections_of(report_of(run)))
    assert text.startswith("# Latency report\n")
    assert f"## test on {run.device.name}".replace("_", r"\_") in text
    (large,) = [line for line in text.splitlines() if line.startswith("| large |")]
    assert "1.990 (1.990 to 1.990) slower" in large
    assert "slower" in large
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_a_row_that_did_not_run_shows_its_reason(run: Run) -> None:
    small, large = run.rows
    assert isinstance(large, LatencyRow)
    out = replace(large, not_run="Core ML runs only on macOS", series=(), cold_starts=())
    text = to_markdown(sections_of(report_of(replace(run, rows=(small, out)))))
    assert "| large | Python | - | not run |" in text
    assert "- large: not run: Core ML runs only on macOS" in text


def test_rows_with_warnings_are_marked_and_the_warnings_listed() -> None:
    run = carry_out(plan(*named("a")), Launcher(affinity=[0, 1]))
    text = to_markdown(sections_of(report_of(run)))
    assert re.search(r"\| a \| Python \| - \| [0-9.]+ !", text)
    assert "Warnings:" in text
    assert "affinity not in effect: asked for core 0, runs on 0, 1" in text


def test_profiles_are_shown_by_operator_and_by_block() -> None:
    profiled = carry_out(plan(*named("a"), profile=True))
    text = to_markdown(sections_of(report_of(profiled)))
    assert "**a, made up, 1 inferences**" in text
    assert "| Conv | 1 | 0.000 | 100.0% |" in text
    assert "| stem | 1 | 0.000 | 100.0% |" in text


def test_the_page_is_one_file_that_runs_nothing(run: Run) -> None:
    page = to_html(report_of(run), sections_of(report_of(run)))
    parsed = Page(page)
    assert not re.search(r"""(src|href|url\()\s*=?\s*["']?(https?:)?//""", page)
    assert [a for tag, a in parsed.elements if tag == "script"] == [
        {"type": "application/json", "id": "report"}
    ]
    policies = [a["content"] for tag, a in parsed.elements if "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert not any(tag in ("link", "img", "iframe") for tag, _ in parsed.elements)


def test_the_page_holds_the_report_itself(run: Run) -> None:
    script = Page(to_html(report_of(run), sections_of(report_of(run)))).script
    assert cattrs.structure(json.loads(script), Report) == report_of(run)


def test_outliers_are_drawn_as_rings_and_kept(run: Run) -> None:
    (section,) = sections_of(report_of(run))
    figures = strips_figure(section.strips)
    assert figures is not None
    for picture in (figures.wide, figures.narrow):
        # One in each of three processes, for either row; the legend has none.
        rings = [part for part in picture.split('<g id="') if "var(--alarm)" in part]
        assert sum(part.count("<use ") for part in rings) == 6
        samples = [p for p in picture.split('<g id="') if "var(--s0)" in p and "<use " in p]
        assert sum(part.count("<use ") for part in samples) == 2 * 3 * 20


def test_figures_are_drawn_for_both_widths_in_the_page_s_colors(run: Run) -> None:
    (section,) = sections_of(report_of(run))
    figures = bars_figure(section.bars)
    assert figures is not None
    for width, picture in ((760, figures.wide), (350, figures.narrow)):
        assert picture.startswith(f'<svg viewBox="0 0 {width} ')
        assert not re.search("#0[0-9a]0[0-9a]0[0-9a]", picture)
        assert "DejaVu" not in picture
        assert "median latency (ms), with its 95 % interval" in picture
        assert len(re.findall(r'<g id="xtick_\d+"', picture)) >= 3
    page = to_html(report_of(run), (section,))
    ids = re.findall(r' id="([^"]+)"', page)
    marks = [name for name in ids if re.fullmatch("[mp][0-9a-f]{10}", name)]
    assert len(marks) == len(set(marks))


def test_too_many_rows_for_bars_have_none() -> None:
    bar = Bar("a", "R", 1.0, 2.0, 3.0)
    assert bars_figure([bar]) is None
    assert bars_figure([bar] * 13) is None


@pytest.mark.parametrize(("low", "high"), [(8.5, 9.4), (3.0, 700.0), (40.0, 130.0)])
def test_an_axis_has_three_ticks_or_more(low: float, high: float) -> None:
    points = [
        ScatterPoint("a", "R", low, low, low, 70.0, on_pareto_front=True),
        ScatterPoint("b", "S", high, high, high, 71.0, on_pareto_front=True),
    ]
    figures = scatter_figure(points)
    assert figures is not None
    for picture in (figures.wide, figures.narrow):
        for axis in "xy":
            assert len(re.findall(rf'<g id="{axis}tick_\d+"', picture)) >= 3


def test_the_page_answers_first(run: Run) -> None:
    (section,) = sections_of(report_of(run))
    fastest, doubt = section.headline
    assert fastest.startswith("Fastest: small, 0.000101 ms (")
    assert fastest.endswith("; large takes 1.99 times as long.")
    assert doubt.startswith("Nothing to doubt")
    page = to_html(report_of(run), (section,))
    assert page.index("Fastest: small") < page.index("<svg") < page.index("<table")
    assert "Fastest: small" in to_markdown((section,))
    flagged = replace(run, flags=(Flag("busy_machine", "beside other work"),))
    (section,) = sections_of(report_of(flagged))
    assert section.headline[-1] == "To doubt: beside other work."


def test_nothing_measured_is_said() -> None:
    run = run_of("small")
    (row,) = run.rows
    assert isinstance(row, LatencyRow)
    broken = replace(run, rows=(replace(row, series=(), not_run="no runtime"),))
    (section,) = sections_of(report_of(broken))
    assert section.headline == ("Nothing was measured.", "To doubt: small: not run: no runtime.")


def test_nothing_in_a_report_can_act() -> None:
    hostile = run_of(HOSTILE[:60], "b | c")
    hostile = replace(hostile, device=replace(hostile.device, name=HOSTILE))
    page = to_html(report_of(hostile), sections_of(report_of(hostile)))
    parsed = Page(page)
    assert not any(tag == "img" for tag, _ in parsed.elements)
    assert not any(name.startswith("on") for _, a in parsed.elements for name in a)
    assert json.loads(parsed.script)["runs"][0]["device"]["name"] == HOSTILE
    text = to_markdown(sections_of(report_of(hostile)))
    assert "<img" not in text.replace(r"\<", "")
    assert r"| b \| c |" in text


STRANGE: dict[str, tuple[str, dict[str, Any]]] = {
    "no unit": ("attention", {"attributes": {"tokens": "64"}}),
    "an unknown unit": ("attention", {"attributes": {"attention": "x", "tokens": "64"}}),
    "tokens in words": ("attention", {"attributes": {"attention": "separable", "tokens": "two"}}),
    "very many tokens": (
        "attention",
        {"attributes": {"attention": "separable", "tokens": "9" * 5000}},
    ),
    "of no model": ("attention", {"attributes": {"attention": "separable"}}),
    "of no part": ("blocks", {}),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_row_that_lacks_what_its_experiment_reads_is_shown_as_any_other(
    run: Run, name: str
) -> None:
    experiment, subject = STRANGE[name]
    rows = [replace(row, experiment=experiment, subject=Subject(**subject)) for row in run.rows]
    text = to_markdown(sections_of(report_of(replace(run, rows=tuple(rows)))))
    assert "| large |" in text
    assert "Fastest: small" in text


def test_units_without_separable_attention_have_no_ratio_to_it(run: Run) -> None:
    rows = [
        replace(
            row,
            experiment="attention",
            subject=Subject(model="mobilevit_s", attributes={"attention": kind}),
        )
        for row, kind in zip(run.rows, ("multi_head", "linformer"), strict=True)
    ]
    alone = replace(run, rows=tuple(rows))
    assert "| multi\\_head |" in to_markdown(sections_of(report_of(alone)))
    (first, second) = attention_summary(alone)["mobilevit_s"]
    assert first["against_separable"] is second["against_separable"] is None


def test_a_part_whose_bound_is_of_another_experiment_stands_without_it(run: Run) -> None:
    first, second = run.rows
    whole = replace(
        first, experiment="blocks", subject=Subject(part="whole", target="onnx"), limit_row="large"
    )
    assert isinstance(second, LatencyRow)
    text = to_markdown(sections_of(report_of(replace(run, rows=(whole, second)))))
    assert "| whole |" in text


def test_each_row_is_resampled_once_for_all_tables_and_figures(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    comparison._summary.cache_clear()
    monkeypatch.setattr(
        comparison, "summarize", lambda samples: calls.append(samples) or summarize(samples)
    )
    to_markdown(sections_of(report_of(run)))
    assert len(calls) == len(run.rows)


def test_reports_of_two_machines_are_shown_one_after_the_other(tmp_path: Path, run: Run) -> None:
    phone = run_of("small", id="f" * 32, device=replace(run.device, kind="phone", name="Pocket 9"))
    for name, one in (("a.json", run), ("b.json", phone)):
        write_report(report_of(one), tmp_path / name)
    finished = bench("report", tmp_path / "a.json", tmp_path / "b.json")
    assert finished.code == 0, finished.err
    assert finished.out.index(run.device.name.replace("_", r"\_")) < finished.out.index("Pocket 9")
    merged = bench("report", tmp_path / "a.json", tmp_path / "b.json", "--json")
    assert len(json.loads(merged.out)["runs"]) == 2


def test_the_page_is_written_and_a_bad_report_is_refused(tmp_path: Path, run: Run) -> None:
    write_report(report_of(run), tmp_path / "a.json")
    finished = bench("report", tmp_path / "a.json", "--html", tmp_path / "page.html")
    assert finished.code == 0, finished.err
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert read_report(tmp_path / "a.json") == report_of(run)
    (tmp_path / "b.json").write_text("{}")
    finished = bench("report", tmp_path / "b.json", "--html", tmp_path / "other.html")
    assert finished.code == 4
    assert "b.json" in finished.err
    assert not (tmp_path / "other.html").exists()
    finished = bench("report", tmp_path / "a.json", "--html", tmp_path / "no" / "page.html")
    assert finished.code == 4


def test_curves_carry_their_exponent() -> None:
    from benchmarks.workloads.attention import attention_groups

    groups = [group for group in attention_groups(512, None) if group.name != "mobilevit_s"]
    rows = [candidate.row for group in groups for candidate in group.candidates]
    samples = {
        row.id: [1000 * int(row.id.split()[1]) ** (2 if "multi" in row.id else 1)] * 5
        for row in rows
    }
    run = run_of_rows(rows, samples)
    (section,) = sections_of(report_of(run))
    (chart,) = section.charts
    names = [curve.name for curve in chart.curves]
    assert names == ["multi_head, k^2.00", "linformer, k^1.00", "separable, k^1.00"]
    page = to_html(report_of(run), (section,))
    assert "multi_head, k^2.00" in page
    # Three curves, at either width.
    assert page.count('id="curve"') == 6


def test_names_keep_off_each_other_and_the_legend() -> None:
    points = [
        ScatterPoint(f"name{i}", "R", 10 + i, 10 + i, 10 + i, 70 + i / 100, on_pareto_front=True)
        for i in range(9)
    ]
    figures = scatter_figure(
        [*points, ScatterPoint("low", "S", 9, 9, 9, 60.0, on_pareto_front=True)]
    )
    assert figures is not None
    place = r' y="([0-9.]+)"[^>]*>(name\d|R)</text>'
    for picture in (figures.wide, figures.narrow):
        heights = {name: float(y) for y, name in re.findall(place, picture)}
        legend = heights.pop("R")
        names = [heights[f"name{i}"] for i in range(9)]
        assert min(lower - higher for lower, higher in pairwise(names)) >= 13
        assert min(names) > legend + 10


def test_models_are_scattered_with_the_names_of_the_pareto_front() -> None:
    rows = [
        LatencyRow(
            id=name,
            experiment="models",
            subject=Subject(model=name, precision="fp32", image_size=(256, 256)),
            runtime=Runtime("R", None),
        )
        for name in ("mobilevitv2_050", "mobilevit_xxs", "mobilevit_xs")
    ]
    # Published: v2_050 70.18, xxs 69.0, xs 74.8.
    times = {"mobilevitv2_050": 10, "mobilevit_xxs": 12, "mobilevit_xs": 30}
    run = run_of_rows(rows, {name: [time * 10**6] * 5 for name, time in times.items()})
    (section,) = sections_of(report_of(run))
    assert [(p.label, p.on_pareto_front) for p in section.scatter] == [
        ("mobilevitv2_050", True),
        ("mobilevit_xxs", False),
        ("mobilevit_xs", True),
    ]
    figures = scatter_figure(section.scatter)
    assert figures is not None
    labels = re.findall(r">(mobilevit\w+)</text>", figures.wide)
    assert sorted(labels) == ["mobilevit_xs", "mobilevitv2_050"]
    assert section.headline[1] == (
        "Most accurate: mobilevit_xs, 74.8 % top-1 (published) in 30 ms."
    )
    for budget, answer in ((20.0, "mobilevitv2_050, 70.2 %"), (5.0, "nothing here")):
        (section,) = sections_of(report_of(run), budget)
        assert f"within {budget:g} ms with its whole interval: {answer}" in section.headline[1]
