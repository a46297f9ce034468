"""Our exports against the plain module in every engine that takes it, in turn on one core.

    pip install openvino MNN
    python -m tools.studies.engines --artifacts DIR --output FILE MODEL...

Plain is the reference without rewrites and transformers' module with the same weights, each through
the engine's usual converter; OpenVINO and MNN read the ONNX files. What an engine does not take, or
answers wrongly, has a row that says so. In fp32, one thread each.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from benchmarks.analysis.comparison import compare_in_run, summarize_row
from benchmarks.commands.measuring import measure, plan_of
from benchmarks.commands.options import add_measuring_arguments, add_report_arguments
from benchmarks.harness.plan import Candidate, FactorySource, FileSource, Group, Source
from benchmarks.harness.runners import runtime_of
from benchmarks.output.summaries import print_tables
from benchmarks.output.table import Table
from benchmarks.workloads.artifacts import random_network
from benchmarks.workloads.targets import MODULE_TARGETS
from converters.targets.base import target_to_run
from converters.targets.loaded import Array
from mobilevit_edge.console import progress, run_command
from mobilevit_edge.formats.report import LatencyRow, Run, Runtime, Subject
from tools.command import tool_parser
from tools.studies.onnx_readers import READERS, OnnxReader, noise_image
from tools.studies.options import add_image_size_argument, add_models_argument
from tools.studies.variants import BASELINES, Workload, candidates

EXPERIMENT: Final = "engines"
OURS: Final = "ours"
FORMS: Final = (OURS, *BASELINES)
MAX_ERROR: Final = 1e-3
"""Of the largest output: fp32 in another order of sums stays below a hundredth of it."""
_MAX_REASON: Final = 200


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    add_models_argument(parser)
    parser.add_argument("--artifacts", type=Path, required=True, metavar="DIR")
    add_image_size_argument(parser)
    add_report_arguments(parser, "engines.json")
    add_measuring_arguments(parser, processes=3, seconds=3)
    return parser


def command(arguments: Namespace) -> None:
    """Measure and print a table for each model; the report goes to ``--output``."""
    arguments.artifacts.mkdir(parents=True, exist_ok=True)
    groups = []
    with progress() as show:
        for name in arguments.models:
            show(f"making {name} for every engine")
            rows = tuple(engine_candidates(name, arguments.image_size, arguments.artifacts))
            groups.append(Group(name, rows))
    run = measure(plan_of(arguments, groups), arguments.output, resume=arguments.resume)
    print_tables([engines_table(run, name) for name in arguments.models], run, arguments.output)


def engine_candidates(model: str, image_size: int, folder: Path) -> Iterator[Candidate]:
    """Every form of a model in every engine, each checked once against the model itself."""
    image = noise_image((1, 3, image_size, image_size))
    with torch.inference_mode():
        expected = random_network(model)(torch.from_numpy(image)).numpy()
    for form in FORMS:
        for target in MODULE_TARGETS:
            try:
                made = candidates(Workload(model, target, "fp32", image_size), (form,), folder)
            # What a converter raises on a module that it does not take is its own.
            except Exception as error:
                row = row_of(model, form, runtime_of(target), image_size, f"no file: {error}")
                yield Candidate(row, FileSource(target, str(folder)))
                continue
            for candidate in made:
                row = row_of(model, form, runtime_of(target), image_size)
                yield _checked(replace(candidate, row=row), image, expected)
                if isinstance(candidate.source, FileSource) and target == "onnx":
                    for name, reader in READERS.items():
                        runtime, missing = _runtime_of_reader(name, reader)
                        row = row_of(model, form, runtime, image_size, missing)
                        arguments = {"path": candidate.source.path, "shape": image.shape}
                        source = FactorySource(reader.factory, arguments)
                        yield _checked(Candidate(row, source), image, expected)


def engines_table(run: Run, model: str) -> Table:
    """Medians of a model in ms, engine by engine, and what the best of ours gains over the rest."""
    rows = [row for row in run.rows if isinstance(row, LatencyRow) and row.subject.model == model]
    engines = dict.fromkeys(row.runtime.name for row in rows)
    lines = [(engine, *(_cell(rows, engine, form) for form in FORMS)) for engine in sorted(engines)]
    ours = _fastest([row for row in rows if row.subject.attributes["form"] == OURS])
    plain = _fastest([row for row in rows if row.subject.attributes["form"] != OURS])
    ratio = compare_in_run(plain, ours) if ours and plain else None
    if ours and plain and ratio:
        gain = f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
        lines.append((f"{plain.id} / {ours.id}", gain, "", ""))
    return Table(f"{model}, one core, medians in ms", ("engine", *FORMS), tuple(lines))


def _runtime_of_reader(name: str, reader: OnnxReader) -> tuple[Runtime, str | None]:
    """The engine, and what it takes to have it where it is not installed."""
    try:
        return Runtime(name, importlib.metadata.version(reader.package)), None
    except importlib.metadata.PackageNotFoundError:
        return Runtime(name, None), f"needs: pip install {reader.package}"


def row_of(
    model: str, form: str, runtime: Runtime, image_size: int, not_run: str | None = None
) -> LatencyRow:
    """A row before it has samples; ``not_run``: why it will have none."""
    subject = Subject(
        model=model,
        precision="fp32",
        image_size=(image_size, image_size),
        attributes={"form": form},
    )
    row_id = f"{model} {form}, {runtime.name}"
    reason = not_run and " ".join(not_run.split())[:_MAX_REASON]
    return LatencyRow(
        id=row_id, experiment=EXPERIMENT, subject=subject, runtime=runtime, not_run=reason
    )


def _checked(candidate: Candidate, image: Array, expected: Array) -> Candidate:
    """The candidate, not to be run where it does not answer as the model does."""
    if candidate.row.not_run:
        return candidate
    try:
        answer = _answer(candidate.source, image).reshape(expected.shape)
        error = float(np.abs(answer - expected).max() / np.abs(expected).max())
        reason = None if error <= MAX_ERROR else f"wrong by {error:.1g} of the largest output"
    # So is what an engine raises.
    except Exception as error:
        reason = f"does not run: {error}"
    return replace(candidate, row=replace(candidate.row, not_run=reason and reason[:_MAX_REASON]))


def _answer(source: Source, image: Array) -> Array:
    if isinstance(source, FileSource):
        return target_to_run(source.format).load(Path(source.path)).run(image)
    module, _, function = source.factory.partition(":")
    answer: Array = getattr(importlib.import_module(module), function)(**source.arguments)()
    return answer


def _cell(rows: Sequence[LatencyRow], engine: str, form: str) -> str:
    found = [
        row for row in rows if (row.runtime.name, row.subject.attributes["form"]) == (engine, form)
    ]
    if not found:
        return "-"
    (row,) = found
    summary = summarize_row(row)
    return f"{summary.median / 1e6:.2f}" if summary else "-"


def _fastest(rows: Sequence[LatencyRow]) -> LatencyRow | None:
    medians = {row.id: summary.median for row in rows if (summary := summarize_row(row))}
    return min(
        (row for row in rows if row.id in medians), key=lambda r: medians[r.id], default=None
    )


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
