"""What ``mobilevit-bench attention`` shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from benchmarks.analysis.comparison import compare_in_run, summarize_row
from benchmarks.analysis.statistics import Ratio
from benchmarks.output.charts import Chart, Curve
from benchmarks.output.summaries import latency_rows
from benchmarks.output.table import Table
from benchmarks.workloads.attention import MODEL, PAPER_MS, fitted_exponent
from mobilevit_edge.formats.report import LatencyRow, Run
from mobilevit_edge.specs import ATTENTIONS, Attention

_MEGA: Final = 1e6
_OPERATORS_SHOWN: Final = 5
_TOKENS: Final = re.compile("[1-9][0-9]{0,8}")


def is_attention_row(row: LatencyRow) -> bool:
    """Whether a row says which unit it is of, and on how many tokens or in which model."""
    about = row.subject
    tokens = about.attributes.get("tokens")
    known = about.attributes.get("attention") in ATTENTIONS
    if tokens is None:
        return known and about.model == MODEL
    return known and _TOKENS.fullmatch(tokens) is not None


def attention_summary(run: Run) -> dict[str, Any]:
    """Medians in nanoseconds by unit and tokens, fitted exponents, ratios inside MobileViT-S."""
    units = {kind: _medians(run, kind) for kind in ATTENTIONS}
    rows = {_kind(row): row for row in _models(run)}
    ratios = _against_separable(rows)
    return {
        "units": [
            {
                "attention": kind,
                "median_ns": {str(tokens): median for tokens, median in medians.items()},
                "exponent": fitted_exponent(list(medians), list(medians.values())),
                "not_run": {
                    row.subject.attributes["tokens"]: row.not_run
                    for row in _units(run, kind)
                    if row.not_run is not None
                },
            }
            for kind, medians in units.items()
        ],
        MODEL: [
            {
                "attention": kind,
                "median_ns": summary.median if (summary := summarize_row(row)) else None,
                "against_separable": {
                    "ratio": ratios[kind].value,
                    "interval": [ratios[kind].low, ratios[kind].high],
                }
                if kind in ratios
                else None,
                "paper_ms": PAPER_MS[kind],
            }
            for kind, row in rows.items()
        ],
    }


def attention_tables(run: Run) -> tuple[Table, ...]:
    """Units against tokens, units inside MobileViT-S, operators; those that have rows."""
    tables = (_units_table(run), _models_table(run), _operators_table(run))
    return tuple(table for table in tables if table.rows)


def attention_charts(run: Run) -> tuple[Chart, ...]:
    """Medians of every unit against the number of tokens, with the fitted exponents."""
    curves = []
    for kind in ATTENTIONS:
        medians = _medians(run, kind)
        e = fitted_exponent(list(medians), list(medians.values()))
        if medians:
            points = tuple((tokens, median / _MEGA) for tokens, median in medians.items())
            curves.append(Curve(kind if e is None else f"{kind}, k^{e:.2f}", points))
    title = "Medians against the number of tokens k; k^e is fitted over the upper half"
    return (Chart(title, "tokens", tuple(curves)),) if curves else ()


def _units_table(run: Run) -> Table:
    units = {kind: _medians(run, kind) for kind in ATTENTIONS}
    rows = []
    for tokens in sorted({int(row.subject.attributes["tokens"]) for row in _all_units(run)}):
        found = [units[kind].get(tokens) for kind in ATTENTIONS]
        multi_head, separable = units["multi_head"].get(tokens), units["separable"].get(tokens)
        ratio = f"{multi_head / separable:.1f}" if multi_head and separable else "-"
        rows.append((str(tokens), *(_ms(value) for value in found), ratio))
    exponents = [fitted_exponent(list(m), list(m.values())) for m in units.values()]
    if rows:
        rows.append(("exponent", *("-" if e is None else f"{e:.2f}" for e in exponents), ""))
    return Table(
        title="Attention units, d = 512, 8 heads, PyTorch on one core: medians in ms",
        columns=("tokens", *ATTENTIONS, "multi_head / separable"),
        rows=tuple(rows),
        caption="exponent: e of latency = c tokens^e, over the upper half of the token numbers",
    )


def _models_table(run: Run) -> Table:
    by_kind = {_kind(row): row for row in _models(run)}
    ratios = _against_separable(by_kind)
    rows = []
    for kind, row in by_kind.items():
        summary, ratio = summarize_row(row), ratios.get(kind)
        paper_ms = PAPER_MS[kind]
        rows.append(
            (
                kind,
                _ms(summary.median if summary else None),
                f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else "-",
                f"{paper_ms:.1f}",
                f"{paper_ms / PAPER_MS['separable']:.1f}",
            )
        )
    return Table(
        title=f"{MODEL} at 256x256 with each unit; the paper measured on an iPhone 12",
        columns=("unit", "median (ms)", "against separable", "paper (ms)", "paper's ratio"),
        rows=tuple(rows),
    )


def _against_separable(rows: Mapping[Attention, LatencyRow]) -> dict[Attention, Ratio]:
    """Of every other unit, where both took turns."""
    separable = rows.get("separable")
    others = {kind: row for kind, row in rows.items() if kind != "separable"}
    if separable is None:
        return {}
    found = {kind: compare_in_run(row, separable) for kind, row in others.items()}
    return {kind: ratio for kind, ratio in found.items() if ratio is not None}


def _operators_table(run: Run) -> Table:
    rows = []
    for row in _all_units(run):
        total = sum(operator.total_ns for operator in row.profile.operators) if row.profile else 0
        if row.profile is None or not total:
            continue
        rows += [
            (
                f"{_kind(row)}: {operator.kind}",
                str(operator.calls // max(1, row.profile.inferences)),
                f"{operator.total_ns / total:.0%}",
            )
            for operator in row.profile.operators[:_OPERATORS_SHOWN]
        ]
    return Table(
        title="Top operators at 256 tokens, as a share of the unit's time",
        columns=("unit and operator", "calls", "share"),
        rows=tuple(rows),
    )


def _medians(run: Run, kind: Attention) -> dict[int, float]:
    """Median nanoseconds by number of tokens, ascending."""
    found = {}
    for row in _units(run, kind):
        summary = summarize_row(row)
        if summary is not None:
            found[int(row.subject.attributes["tokens"])] = summary.median
    return dict(sorted(found.items()))


def _all_units(run: Run) -> list[LatencyRow]:
    return [row for row in latency_rows(run) if "tokens" in row.subject.attributes]


def _units(run: Run, kind: Attention) -> list[LatencyRow]:
    return [row for row in _all_units(run) if _kind(row) == kind]


def _models(run: Run) -> list[LatencyRow]:
    return [row for row in latency_rows(run) if row.subject.model == MODEL]


def _kind(row: LatencyRow) -> Attention:
    # Attributes are plain text.
    return cast("Attention", row.subject.attributes["attention"])


def _ms(nanoseconds: float | None) -> str:
    return "-" if nanoseconds is None else f"{nanoseconds / _MEGA:.3f}"
