"""A report as one HTML page: no network, no running script, readable on a phone and in print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import cattrs
from jinja2 import Environment, StrictUndefined

from benchmarks.output.rendering.content import METHOD, Section
from benchmarks.output.rendering.figures import (
    bars_figure,
    chart_figure,
    scatter_figure,
    strips_figure,
)
from mobilevit_edge.formats.report import Report

_TEMPLATE = "report.html.jinja"


def to_html(report: Report, sections: Sequence[Section]) -> str:
    """The page. The whole report is inside it as JSON, so that the page is the report."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    source = (resources.files("benchmarks.output.rendering") / _TEMPLATE).read_text("utf-8")
    figures = [
        {
            "strips": strips_figure(section.strips),
            "charts": [chart_figure(chart) for chart in section.charts],
            "scatter": scatter_figure(section.scatter),
            "bars": bars_figure(section.bars),
        }
        for section in sections
    ]
    return environment.from_string(source).render(
        method=METHOD, sections=list(zip(sections, figures, strict=True)), data=_data(report)
    )


def _data(report: Report) -> str:
    """The report's JSON, without the characters that could end its element."""
    content: Any = cattrs.unstructure(report)
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
