"""``mobilevit-bench models``: whole networks on one core, to choose one."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from benchmarks.commands.options import (
    add_artifacts_argument,
    add_measuring_arguments,
    add_report_arguments,
    batch_size,
    image_size,
    measure,
    milliseconds,
    model_name,
    plan_of,
)
from mobilevit_edge.console import add_common_arguments

_TARGETS = ("torch", "onnx", "executorch", "coreml")
_PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic", "int8-weight-only")


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "models",
        help="measure models, to choose one",
        description="Every combination of models, targets, precisions, image sizes and batches, "
        "in turn on one core. Weights are random, since latency does not depend on them; bundles "
        "of your own checkpoints are measured with: mobilevit-bench run BUNDLE...",
    )
    parser.add_argument(
        "--model",
        type=model_name,
        nargs="+",
        metavar="NAME",
        help="default: all 19; mobilevit-export --list shows them",
    )
    parser.add_argument("--target", choices=_TARGETS, nargs="+", default=["onnx"])
    parser.add_argument("--precision", choices=_PRECISIONS, nargs="+", default=["fp32"])
    parser.add_argument(
        "--image-size", type=image_size, nargs="+", default=[(256, 256)], metavar="H[xW]"
    )
    parser.add_argument("--batch", type=batch_size, nargs="+", default=[1], metavar="N")
    parser.add_argument(
        "--calibration", type=Path, metavar="DIR", help="images for int8; default: noise"
    )
    parser.add_argument(
        "--budget-ms",
        type=milliseconds,
        metavar="MS",
        help="also name the most accurate model within so many milliseconds",
    )
    add_artifacts_argument(parser)
    add_report_arguments(parser, "models-report.json")
    add_measuring_arguments(parser, processes=3, seconds=2)
    add_common_arguments(parser)
    parser.set_defaults(command=_models)


def _models(arguments: Namespace) -> None:
    from benchmarks.harness.plan import Group
    from benchmarks.workloads.models import EXPERIMENT, model_candidates, variants
    from mobilevit_edge.console import progress
    from mobilevit_edge.specs import SPECS

    wanted = variants(
        arguments.model or list(SPECS),
        arguments.target,
        arguments.precision,
        arguments.image_size,
        arguments.batch,
    )
    with progress() as show:
        candidates = model_candidates(wanted, arguments.artifacts, arguments.calibration, show)
    plan = plan_of(arguments, [Group(EXPERIMENT, candidates)], cold_starts=True)
    run = measure(plan, arguments.output, resume=arguments.resume)
    from benchmarks.output.models import models_summary, models_tables
    from benchmarks.output.summaries import print_tables

    if arguments.json:
        summary = models_summary(run, arguments.budget_ms)
        print(json.dumps({"report": str(arguments.output), **summary}))
    else:
        print_tables(models_tables(run, arguments.budget_ms), run, arguments.output)
