"""How far every model's artifact is from its reference, at several image sizes.

    python -m tools.studies.equality --target onnx --output equality.json [MODEL...]

The weights are random, with batch norms calibrated on noise images. Each export verifies the
written file against the reference in float64; this collects what the manifests say.
"""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.commands.options import model_name
from converters.bundling.pipeline import export_bundle
from converters.job.options import ExportOptions
from mobilevit_edge.console import run_command
from mobilevit_edge.formats.manifest import TARGET_NAMES
from mobilevit_edge.preprocess import parse_image_size
from mobilevit_edge.specs import SPECS
from tools.command import tool_parser

SIZES: Final = ("256", "224", "192x320")


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument(
        "models",
        nargs="*",
        type=model_name,
        default=list(SPECS),
        metavar="MODEL",
        help="default: all",
    )
    parser.add_argument("--target", choices=TARGET_NAMES, required=True)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="H[xW]")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    return parser


def command(arguments: Namespace) -> None:
    """Export all and print a table; the figures go to ``--output``."""
    cases = [(model, size) for model in arguments.models for size in arguments.sizes]
    rows = []
    for model, size in track(cases, "exporting", console=Console(stderr=True)):
        rows.append(largest_error(model, size, arguments.target, arguments.precision))
        # Written after each export: an interrupted run keeps what it has.
        arguments.output.write_text(json.dumps(rows, indent=1))
    title = f"{arguments.target}, {arguments.precision}: largest relative error"
    Console(width=120).print(errors_table(rows, title, arguments.sizes))


def largest_error(model: str, size: str, target: str, precision: str) -> dict[str, Any]:
    """Export once; the largest error of all verified inputs, and what is outside the delegate."""
    with tempfile.TemporaryDirectory() as folder:
        options = ExportOptions(
            target=target,  # type: ignore[arg-type]
            weights="random",
            output=Path(folder) / "bundle",
            model=model,
            precision=precision,  # type: ignore[arg-type]
            image_size=parse_image_size(size),
        )
        manifest = export_bundle(options).manifest
    assert manifest.verification is not None
    return {
        "model": model,
        "size": size,
        "error": max(case.relative_error for case in manifest.verification.cases),
        "delegates": manifest.audit.delegates,
        "outside": [operator.kind for operator in manifest.audit.not_delegated],
    }


def errors_table(rows: Sequence[Mapping[str, Any]], title: str, sizes: Sequence[str]) -> Table:
    """One line per model, with its errors by image size."""
    table = Table(title=title)
    for heading in ("model", *sizes, "delegates", "outside"):
        table.add_column(heading)
    for model in dict.fromkeys(row["model"] for row in rows):
        of_model = {row["size"]: row for row in rows if row["model"] == model}
        first = next(iter(of_model.values()))
        errors = (f"{of_model[size]['error']:.1e}" for size in sizes)
        outside = ", ".join(first["outside"]) or "-"
        table.add_row(model, *errors, str(first["delegates"]), outside)
    return table


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
