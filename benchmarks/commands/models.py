"""``mobilevit-bench models``: whole networks on one core, to choose one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

from benchmarks.commands.measuring import measure, plan_of, print_run
from benchmarks.commands.options import (
    add_artifacts_argument,
    add_measuring_arguments,
    add_report_arguments,
    model_name,
)
from benchmarks.workloads.targets import MODEL_TARGETS
from converters.job.precisions import PRECISIONS
from mobilevit_edge.arguments import image_size, number, whole_number
from mobilevit_edge.console import add_common_arguments, progress
from mobilevit_edge.formats.manifest import MaskForm
from mobilevit_edge.head_specs import OUTPUT_STRIDES

_MAX_BATCH: Final = 64


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "models",
        help="measure models to choose from",
        description="Every combination of models, targets, precisions, image sizes and batches, "
        "in turn on one core. Weights are random, since latency does not depend on them; measure "
        "bundles of your own checkpoints with: mobilevit-bench run BUNDLE...",
        examples=(
            "mobilevit-bench models --model mobilevit_xxs mobilevitv2_050 --target onnx",
            "mobilevit-bench models --target onnx executorch --precision fp32 int8 --budget-ms 20",
            "mobilevit-bench models --model deeplabv3_mobilevit_xxs --image-size 512 --mask logits",
        ),
    )
    parser.add_argument(
        "--model",
        type=model_name,
        nargs="+",
        metavar="NAME",
        help="models (default: all classifiers; mobilevit-export --list shows them); with "
        "deeplabv3_, pspnet_ or ssdlite_ before it one with that head",
    )
    parser.add_argument("--target", choices=MODEL_TARGETS, nargs="+", default=["onnx"])
    parser.add_argument("--precision", choices=tuple(PRECISIONS), nargs="+", default=["fp32"])
    parser.add_argument(
        "--image-size", type=image_size, nargs="+", default=[(256, 256)], metavar="H[xW]"
    )
    parser.add_argument(
        "--batch", type=whole_number(1, _MAX_BATCH), nargs="+", default=[1], metavar="N"
    )
    parser.add_argument(
        "--output-stride",
        type=int,
        choices=OUTPUT_STRIDES,
        nargs="+",
        help="of heads for masks (default: 16)",
    )
    parser.add_argument(
        "--mask",
        choices=get_args(MaskForm),
        nargs="+",
        help="what artifacts with a head for masks answer (default: the target's own)",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="images to calibrate int8 on (default: noise)",
    )
    parser.add_argument(
        "--budget-ms",
        type=number("a number of milliseconds"),
        metavar="MS",
        help="also name the most accurate model within this many milliseconds",
    )
    add_artifacts_argument(parser)
    add_report_arguments(parser, "models-report.json")
    add_measuring_arguments(parser, processes=3, seconds=2)
    add_common_arguments(parser)
    parser.set_defaults(command=_models)


def _models(arguments: Namespace) -> None:
    from benchmarks.harness.plan import Group
    from benchmarks.workloads.models import EXPERIMENT, model_candidates, variants
    from mobilevit_edge.specs import SPECS

    wanted = variants(
        arguments.model or list(SPECS),
        arguments.target,
        arguments.precision,
        arguments.image_size,
        arguments.batch,
        output_strides=arguments.output_stride or (None,),
        masks=arguments.mask or (None,),
    )
    with progress() as show:
        candidates = model_candidates(wanted, arguments.artifacts, arguments.calibration, show)
    plan = plan_of(arguments, [Group(EXPERIMENT, candidates)], cold_starts=True)
    run = measure(plan, arguments.output, resume=arguments.resume)
    from benchmarks.output.models import models_summary, models_tables

    budget = {"budget_ms": arguments.budget_ms}
    print_run(arguments, run, partial(models_summary, **budget), partial(models_tables, **budget))
