"""What ``mobilevit-bench attention`` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks.comparison import compare_in_run, summarise_row
from benchmarks.experiments.attention import MODEL, PAPER_MS, fitted_exponent
from benchmarks.tables import notes
from converters.tables import PlainConsole
from mobilevit_edge.report import LatencyRow, Run
from mobilevit_edge.specs import ATTENTIONS, Attention

_MEGA: Final = 1e6
_OPERATORS_SHOWN: Final = 5


def attention_summary(run: Run) -> dict[str, Any]:
    """Medians in nanoseconds by unit and tokens, fitted exponents, ratios inside MobileViT-S."""
    units = {kind: _medians(run, kind) for kind in ATTENTIONS}
    rows = {row.subject.attributes["attention"]: row for row in _models(run)}
    ratios = {
        kind: ratio
        for kind, row in rows.items()
        if kind != "separable" and (ratio := compare_in_run(row, rows["separable"])) is not None
    }
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
                "median_ns": summary.median if (summary := summarise_row(row)) else None,
                "against_separable": {
                    "ratio": ratios[kind].value,
                    "interval": [ratios[kind].low, ratios[kind].high],
                }
                if kind in ratios
                else None,
                "paper_ms": PAPER_MS[kind],  # type: ignore[index]  # attributes are plain text
            }
            for kind, row in rows.items()
        ],
    }


def print_attention(run: Run, path: Path) -> None:
    """Three tables: units against tokens, units inside MobileViT-S, operators."""
    console = PlainConsole(width=max(PlainConsole().width, 110))
    console.print(_units_table(run))
    console.print(_models_table(run))
    console.print(_operators_table(run))
    for row in _latency_rows(run):
        if row.not_run is not None:
            console.print(f"note: {row.id}: not run: {row.not_run}")
        for text in notes(row):
            console.print(f"note: {row.id}: {text}")
    for flag in run.flags:
        console.print(f"note: {flag.reason}")
    console.print(f"report: {path}")


def _units_table(run: Run) -> Table:
    units = {kind: _medians(run, kind) for kind in ATTENTIONS}
    table = Table(
        title="Attention units, d = 512, 8 heads, PyTorch on one core: medians in ms",
        caption="exponent: e of latency = c tokens^e over the upper half of the tokens",
    )
    table.add_column("tokens", justify="right")
    for kind in ATTENTIONS:
        table.add_column(kind, justify="right")
    table.add_column("multi_head / separable", justify="right")
    for tokens in sorted({int(row.subject.attributes["tokens"]) for row in _all_units(run)}):
        found = [units[kind].get(tokens) for kind in ATTENTIONS]
        multi_head, separable = units["multi_head"].get(tokens), units["separable"].get(tokens)
        ratio = f"{multi_head / separable:.1f}" if multi_head and separable else "-"
        table.add_row(str(tokens), *(_ms(value) for value in found), ratio)
    table.add_section()
    exponents = [fitted_exponent(list(m), list(m.values())) for m in units.values()]
    table.add_row("exponent", *("-" if e is None else f"{e:.2f}" for e in exponents), "")
    return table


def _models_table(run: Run) -> Table:
    table = Table(
        title=f"{MODEL} at 256x256 with each unit; the paper's figures are of an iPhone 12"
    )
    for heading in ("unit", "median (ms)", "against separable", "paper (ms)", "paper's ratio"):
        table.add_column(heading, justify="left" if heading == "unit" else "right")
    rows: dict[str, LatencyRow] = {row.subject.attributes["attention"]: row for row in _models(run)}
    for kind in ATTENTIONS:
        summary = summarise_row(rows[kind])
        ratio = compare_in_run(rows[kind], rows["separable"]) if kind != "separable" else None
        table.add_row(
            kind,
            _ms(summary.median if summary else None),
            f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else "-",
            f"{PAPER_MS[kind]:.1f}",
            f"{PAPER_MS[kind] / PAPER_MS['separable']:.1f}",
        )
    return table


def _operators_table(run: Run) -> Table:
    table = Table(title="Top operators at 256 tokens, share of the unit's time")
    for heading in ("unit", "operator", "calls", "share"):
        table.add_column(heading, justify="right" if heading in ("calls", "share") else "left")
    for row in _all_units(run):
        if row.profile is None:
            continue
        total = sum(operator.total_ns for operator in row.profile.operators)
        for index, operator in enumerate(row.profile.operators[:_OPERATORS_SHOWN]):
            table.add_row(
                row.subject.attributes["attention"] if index == 0 else "",
                operator.kind,
                str(operator.calls // row.profile.inferences),
                f"{operator.total_ns / total:.0%}",
            )
        table.add_section()
    return table


def _medians(run: Run, kind: Attention) -> dict[int, float]:
    """Median nanoseconds by number of tokens, ascending."""
    found = {}
    for row in _units(run, kind):
        summary = summarise_row(row)
        if summary is not None:
            found[int(row.subject.attributes["tokens"])] = summary.median
    return dict(sorted(found.items()))


def _latency_rows(run: Run) -> list[LatencyRow]:
    return [row for row in run.rows if isinstance(row, LatencyRow)]


def _all_units(run: Run) -> list[LatencyRow]:
    return [row for row in _latency_rows(run) if "tokens" in row.subject.attributes]


def _units(run: Run, kind: Attention) -> list[LatencyRow]:
    return [row for row in _all_units(run) if row.subject.attributes["attention"] == kind]


def _models(run: Run) -> list[LatencyRow]:
    return [row for row in _latency_rows(run) if row.subject.model == MODEL]


def _ms(nanoseconds: float | None) -> str:
    return "-" if nanoseconds is None else f"{nanoseconds / _MEGA:.3f}"
