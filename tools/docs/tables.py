"""The documents' tables of figures, from the files in the repository that hold the figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from benchmarks.analysis.comparison import summarize_row
from benchmarks.output.models import published_of
from benchmarks.output.summaries import latency_rows, series_of
from mobilevit_edge.formats.report import InstructionRow, Subject, read_report
from tools.docs.markdown import table

_MEGA: Final = 1e6


def arm_counts(path: Path) -> str:
    """What ``mobilevit-bench arm --record`` has kept: millions of instructions."""
    counts = json.loads(path.read_text("utf-8"))
    names = list(next(iter(counts.values())))
    rows = (
        (row, *(f"{values[name] / _MEGA:.2f}" for name in names)) for row, values in counts.items()
    )
    return table(("row, processor", *names), rows)


def arm_models(path: Path) -> str:
    """A report of ``mobilevit-bench arm``: millions of instructions, a row a model.

    The fewest of a precision are bold.
    """
    cells: dict[str, dict[str, dict[str, int]]] = {}
    columns: dict[tuple[str, str], None] = {}
    for row in (row for run in read_report(path).runs for row in run.rows):
        about = row.subject
        if isinstance(row, InstructionRow) and row.counts and about.model and about.precision:
            column = _with_answer(row.runtime.name, about)
            columns.setdefault((about.precision, column))
            of_model = cells.setdefault(_named(about), {})
            of_model.setdefault(about.precision, {})[column] = row.counts["all"]
    ordered = sorted(columns, key=lambda column: column[0])
    rows = (
        (model, *(_marked(found.get(precision, {}), runtime) for precision, runtime in ordered))
        for model, found in cells.items()
    )
    return table(("model", *(f"{runtime} {precision}" for precision, runtime in ordered)), rows)


def _marked(counts: Mapping[str, int], name: str) -> str:
    """A count in millions, bold where there are others, and none is smaller."""
    if name not in counts:
        return "-"
    text = f"{counts[name] / _MEGA:.0f}"
    fewest = len(counts) > 1 and counts[name] == min(counts.values())
    return f"**{text}**" if fewest else text


def training_log(path: Path) -> str:
    """``log.csv`` of ``mobilevit-train``."""
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8"))))
    return table([name.replace("_", " ") for name in rows[0]], rows[1:])


def models(path: Path) -> str:
    """A report of ``mobilevit-bench models``: a row a model, a column for whatever ran it."""
    cells: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    top1: dict[str, str] = {}
    for run in read_report(path).runs:
        for row in latency_rows(run):
            summary = summarize_row(row)
            if summary is None or row.subject.model is None:
                continue
            model = _named(row.subject)
            column = _with_answer(series_of(row), row.subject)
            columns.setdefault(column)
            half = (summary.high - summary.low) / 2 / _MEGA
            cells.setdefault(model, {})[column] = f"{summary.median / _MEGA:.1f} ± {half:.1f}"
            published = published_of(row)
            if published is not None:
                top1[model] = f"{published.top1:.1f}"
    rows = (
        (model, *([top1.get(model, "-")] if top1 else []), *(found.get(c, "-") for c in columns))
        for model, found in cells.items()
    )
    return table(("model", *(["top-1 (%)"] if top1 else []), *columns), rows)


def variants(path: Path, *, fastest: bool) -> str:
    """A report of ``tools.studies.vs_baseline`` in fp32: every runtime, or each model's fastest."""
    from tools.studies.vs_baseline import variants_tables

    (run,) = read_report(path).runs
    (size,) = {row.subject.image_size for row in run.rows}
    assert size is not None
    shown = variants_tables(run, "fp32", size[0])[fastest]
    return table(shown.columns, ([str(value) for value in row] for row in shown.rows))


def _named(about: Subject) -> str:
    """The model, with what tells its rows apart."""
    stride = about.attributes.get("output stride")
    return f"{about.model}, stride {stride}" if stride else str(about.model)


def _with_answer(name: str, about: Subject) -> str:
    """What ran a row, with the form of the answer where there is a head."""
    answer = about.attributes.get("mask") or about.attributes.get("boxes")
    return f"{name} {answer}" if answer else name


KINDS: Final[Mapping[str, Callable[[Path], str]]] = MappingProxyType(
    {
        "arm-counts": arm_counts,
        "arm-models": arm_models,
        "fastest": partial(variants, fastest=True),
        "models": models,
        "training-log": training_log,
        "variants": partial(variants, fastest=False),
    }
)
