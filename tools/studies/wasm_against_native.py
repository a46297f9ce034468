"""What a browser costs: ONNX Runtime in WebAssembly against the native one, on this machine.

    python -m tools.studies.wasm_against_native BUNDLE... [--browser chromium] [--rounds 3]

One thread both. The two take turns, bundle by bundle and round by round, so that a machine that
slows down slows both; each round is one process, or one freshly loaded page. The bundles of a model
are told apart by their precisions, which make the columns.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.devices.browser.headless import BROWSER_NAMES, find_browser
from mobilevit_edge.arguments import whole_number
from mobilevit_edge.console import run_command
from mobilevit_edge.errors import DeviceError, UsageError
from mobilevit_edge.formats.report import LatencyRow, read_report
from tools.command import tool_parser

SECONDS: Final = "2"
PAGE: Final = ("--rounds", "1", "--cool-down", "0", "--runs", "40", "--warm-up", "10")
_BENCH: Final = "from mobilevit_edge.entry import bench; import sys; sys.exit(bench())"
_NS_PER_MS: Final = 1e6


@dataclass(frozen=True)
class Measured:
    """A bundle's medians in milliseconds, one a round, native and in WebAssembly."""

    model: str
    precision: str
    native: tuple[float, ...]
    wasm: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """WebAssembly's median over the native one, round by round."""
        return tuple(wasm / native for wasm, native in zip(self.wasm, self.native, strict=True))


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument("--browser", choices=BROWSER_NAMES, default=BROWSER_NAMES[0])
    parser.add_argument("--rounds", type=whole_number(1, 100), default=3, metavar="N")
    return parser


def command(arguments: Namespace) -> None:
    """Measure, and print the table as Markdown.

    Raises:
        DeviceError: a bundle cannot be measured.
        UsageError: two bundles have the same model and precision.
    """
    find_browser(arguments.browser)
    natives: dict[Path, list[float]] = defaultdict(list)
    wasms: dict[Path, list[float]] = defaultdict(list)
    subjects: dict[Path, tuple[str, str]] = {}
    for _ in range(arguments.rounds):
        for bundle in arguments.bundles:
            row, median = _measured("run", bundle, "--processes", "1", "--seconds", SECONDS)
            natives[bundle].append(median)
            page = ("device", "browser", bundle, "--headless", arguments.browser, *PAGE)
            wasms[bundle].append(_measured(*page)[1])
            subjects[bundle] = (str(row.subject.model), str(row.subject.precision))
    measured = [
        Measured(*subjects[bundle], tuple(natives[bundle]), tuple(wasms[bundle]))
        for bundle in arguments.bundles
    ]
    print(table(measured))


def _measured(*arguments: str | Path) -> tuple[LatencyRow, float]:
    """A row of one bundle, and the median of its samples in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report.json"
        given = [*map(str, arguments), "--output", str(output)]
        done = subprocess.run(  # noqa: S603  ours
            [sys.executable, "-c", _BENCH, *given], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DeviceError(f"mobilevit-bench {' '.join(given)} failed: {done.stderr.strip()}")
        rows = [row for run in read_report(output).runs for row in run.rows]
    row = next((row for row in rows if isinstance(row, LatencyRow) and row.series), None)
    if row is None:
        reasons = [row.not_run for row in rows if isinstance(row, LatencyRow) and row.not_run]
        raise DeviceError(f"mobilevit-bench {' '.join(given)} measured nothing: {reasons}")
    samples = [sample for series in row.series for sample in series.samples_ns]
    return row, statistics.median(samples) / _NS_PER_MS


def table(measured: Sequence[Measured]) -> str:
    """A line a model; of each precision both medians, their ratio, and the ratio's range.

    Raises:
        UsageError: two bundles have the same model and precision.
    """
    models: dict[str, dict[str, Measured]] = defaultdict(dict)
    for one in measured:
        if one.precision in models[one.model]:
            raise UsageError(f"there are two bundles of {one.model} in {one.precision}")
        models[one.model][one.precision] = one
    precisions = list(dict.fromkeys(one.precision for one in measured))
    heads = [head for name in precisions for head in (f"{name} native, ms", "WebAssembly", "ratio")]
    lines = [["model", *heads], ["---"] * (1 + len(heads))]
    lines += [[name, *_cells(found, precisions)] for name, found in models.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(found: Mapping[str, Measured], precisions: Sequence[str]) -> list[str]:
    cells = []
    for name in precisions:
        one = found.get(name)
        if one is None:
            cells += ["", "", ""]
            continue
        ratios = one.ratios
        cells += [
            f"{statistics.median(one.native):.2f}",
            f"{statistics.median(one.wasm):.1f}",
            f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})",
        ]
    return cells


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
