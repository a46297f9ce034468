"""``mobilevit-bench report FILE...``: reports of any machine as Markdown or as an HTML page."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from mobilevit_edge.arguments import number
from mobilevit_edge.console import add_common_arguments


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "report",
        help="show reports, as Markdown or HTML",
        description="Merge latency reports, from this machine or a phone, into Markdown on "
        "standard output, or into one self-contained HTML page.",
        examples=("mobilevit-bench report computer.json phone.json --html page.html",),
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write an HTML page instead")
    parser.add_argument(
        "--budget-ms",
        type=number("a number of milliseconds"),
        metavar="MS",
        help="answer which is the most accurate within this latency",
    )
    add_common_arguments(parser)
    parser.set_defaults(command=_report)


def _report(arguments: Namespace) -> None:
    import json

    import cattrs

    from benchmarks.output.rendering.content import sections_of
    from mobilevit_edge.formats.report import merge_reports, read_report

    report = merge_reports([read_report(path) for path in arguments.files])
    if arguments.json:
        print(json.dumps(cattrs.unstructure(report)))
        return
    sections = sections_of(report, arguments.budget_ms)
    if arguments.html is None:
        from benchmarks.output.rendering.markdown import to_markdown

        print(to_markdown(sections), end="")
        return
    from benchmarks.output.rendering.html import to_html
    from mobilevit_edge.files import write_atomically

    page = to_html(report, sections)
    write_atomically(arguments.html, lambda path: path.write_text(page, encoding="utf-8"))
    print(f"wrote {arguments.html}")
