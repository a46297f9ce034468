"""Every model exported at several sizes: how far each artifact is from its reference.

    python -m tools.studies.equality --target onnx --output equality.json [MODEL...]

The weights are random, with batch norms settled on noise images. Each export verifies its file as
written against the reference in float64; this collects what the manifests say.
"""

from __future__ import annotations

import json
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from converters.bundling.pipeline import export_bundle
from converters.job.options import ExportOptions
from mobilevit_edge.preprocess import parse_image_size
from mobilevit_edge.specs import SPECS

SIZES: Final = ("256", "224", "192x320")


def largest_error(model: str, size: str, target: str, precision: str) -> dict[str, object]:
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
        manifest = export_bundle(options, lambda _: None).manifest
    assert manifest.verification is not None
    return {
        "model": model,
        "size": size,
        "error": max(case.relative_error for case in manifest.verification.cases),
        "delegates": manifest.audit.delegates,
        "outside": [operator.kind for operator in manifest.audit.not_delegated],
    }


def main() -> None:
    """Export all and print a table."""
    parser = ArgumentParser(description="How far every artifact is from its reference.")
    parser.add_argument("models", nargs="*", metavar="MODEL", default=list(SPECS))
    parser.add_argument("--target", choices=("coreml", "onnx", "executorch"), required=True)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="H[xW]")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    cases = [(model, size) for model in arguments.models for size in arguments.sizes]
    rows = []
    for model, size in track(cases, "exporting", console=console):
        rows.append(largest_error(model, size, arguments.target, arguments.precision))
        # Written as it goes: a killed run keeps what it has.
        arguments.output.write_text(json.dumps(rows, indent=1))
    table = Table(title=f"{arguments.target}, {arguments.precision}: largest relative error")
    for heading in ("model", *arguments.sizes, "delegates", "outside"):
        table.add_column(heading)
    for model in arguments.models:
        mine = {row["size"]: row for row in rows if row["model"] == model}
        first = next(iter(mine.values()))
        errors = [f"{mine[size]['error']:.1e}" for size in arguments.sizes]
        outside = first["outside"]
        assert isinstance(outside, list)
        table.add_row(model, *errors, str(first["delegates"]), ", ".join(outside) or "-")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
