"""Our exports against the plain ones and against the limit, in turn on one core.

    python -m tools.studies.vs_baseline --runtime executorch --artifacts DIR --output FILE MODEL...
    python -m tools.studies.vs_baseline --precision int8 ...

In fp32, plain is the better of two: the reference model without rewrites, and transformers' module
of the same architecture and weights. The limit holds the same convolutions, products and
activations alone. In int8, plain is the reference model through the runtime's stock quantizer, our
own fp32 export stands beside it, and the limits in both precisions show what int8 can gain on this
processor. The weights are random, with batch norms settled on noise images.
"""

from __future__ import annotations

import math
from argparse import ArgumentParser
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import torch

from benchmarks.analysis.comparison import compare_in_run, summarize_row
from benchmarks.commands.measuring import measure, plan_of
from benchmarks.commands.options import add_measuring_arguments, add_report_arguments
from benchmarks.harness.plan import Candidate, FileSource, Group
from benchmarks.harness.runners import runtime_of
from benchmarks.output.summaries import print_tables
from benchmarks.output.table import Table
from benchmarks.workloads.artifacts import (
    FILE_TARGETS,
    SUFFIX,
    FileTarget,
    random_network,
    rewrite,
    write_file,
)
from benchmarks.workloads.lower_bound import LowerBoundNetwork, lower_bound_inputs
from converters.precision.range_groups import apply_range_groups
from mobilevit_edge.formats.report import LatencyRow, Run, Subject
from tools.studies.reference_implementations import transformers_peer
from tools.studies.stock_int8 import plain_executorch, plain_onnx

EXPERIMENT: Final = "against plain"
IMAGE_SIZE: Final = 256
FORMS: Final = {
    "fp32": ("ours", "reference", "transformers", "limit"),
    "int8": ("ours", "reference", "fp32", "limit", "fp32 limit"),
}
_IN_FP32: Final = {"fp32": "ours", "fp32 limit": "limit"}
RATIOS: Final = {
    "fp32": (("plain", "ours"), ("ours", "limit")),
    "int8": (("plain", "ours"), ("fp32", "ours"), ("ours", "limit"), ("fp32 limit", "limit")),
}
_CALIBRATION_IMAGES: Final = 4


def make_artifact(runtime: FileTarget, model_name: str, form: str, path: Path) -> bool:
    """Write one artifact; False if there is no such form of the model."""
    reference = random_network(model_name)
    inputs: tuple[torch.Tensor, ...] = lower_bound_inputs(reference, IMAGE_SIZE)
    model: torch.nn.Module = reference
    if form == "transformers":
        peer = transformers_peer(reference)
        if peer is None:
            return False
        model = peer
    elif form == "limit":
        model = LowerBoundNetwork(reference).eval()
    elif form == "ours":
        rewrite(reference, runtime, (IMAGE_SIZE, IMAGE_SIZE))
    inputs = inputs if form == "limit" else inputs[:1]
    write_file(model.requires_grad_(False), inputs, runtime, path)
    return True


def make_int8_artifact(runtime: FileTarget, model_name: str, form: str, path: Path) -> None:
    """Write one artifact of the int8 ``FORMS``, calibrated on noise images."""
    if form in _IN_FP32:
        make_artifact(runtime, model_name, _IN_FP32[form], path)
        return
    reference = random_network(model_name)
    images = torch.rand(_CALIBRATION_IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE).split(1)  # type: ignore[no-untyped-call]
    model: torch.nn.Module = reference
    if form == "reference":
        plain = plain_onnx if runtime == "onnx" else plain_executorch
        path.write_bytes(plain(model, images[0]))
        return
    batches: list[tuple[torch.Tensor, ...]] = [(image,) for image in images]
    if form == "limit":
        model = LowerBoundNetwork(reference).eval().requires_grad_(False)
        attention = lower_bound_inputs(reference, IMAGE_SIZE)[1:]
        batches = [(image, *attention) for image in images]
    else:
        rewrite(reference, runtime, (IMAGE_SIZE, IMAGE_SIZE), "int8")
        apply_range_groups(reference, images)
    if runtime == "onnx":
        from converters.targets.onnx.conversion import export_graph
        from converters.targets.onnx.int8.qdq import quantize_onnx

        graph = export_graph(model, images[:1])
        proto = quantize_onnx(graph, [image.numpy() for image in images], ())
        path.write_bytes(proto.SerializeToString())
    else:
        from converters.precision.pt2e import quantize_program
        from converters.targets.executorch.delegates import int8_delegate
        from converters.targets.executorch.lowering import lower

        path.write_bytes(lower(quantize_program(model, batches, ()), int8_delegate()))


def candidates(
    runtime: FileTarget, name: str, precision: str, folder: Path, forms: Collection[str]
) -> tuple[Candidate, ...]:
    """``forms`` of a model, those that there are; artifacts in ``folder`` are used again."""
    found = []
    for form in forms:
        path = folder / f"{name}-{precision}-{form.replace(' ', '_')}{SUFFIX[runtime]}"
        if not path.exists():
            if precision == "int8":
                make_int8_artifact(runtime, name, form, path)
            elif not make_artifact(runtime, name, form, path):
                continue
        about = Subject(
            model=name,
            target=runtime,
            precision="fp32" if form in _IN_FP32 else precision,
            image_size=(IMAGE_SIZE, IMAGE_SIZE),
            attributes={"form": form},
        )
        row = LatencyRow(
            id=f"{name} {form}",
            experiment=EXPERIMENT,
            subject=about,
            runtime=runtime_of(runtime),
        )
        found.append(Candidate(row, FileSource(runtime, str(path.resolve()))))
    return tuple(found)


def main() -> None:
    """Measure and print a table; the report goes to ``--output``."""
    parser = ArgumentParser(description="Our exports against plain ones and against the limit.")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--runtime", choices=FILE_TARGETS, required=True)
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32")
    parser.add_argument("--artifacts", type=Path, required=True, metavar="DIR")
    add_report_arguments(parser, "against-plain.json")
    add_measuring_arguments(parser, processes=5, seconds=4)
    arguments = parser.parse_args()
    arguments.artifacts.mkdir(parents=True, exist_ok=True)
    groups = tuple(
        Group(
            name,
            candidates(
                arguments.runtime,
                name,
                arguments.precision,
                arguments.artifacts,
                FORMS[arguments.precision],
            ),
        )
        for name in arguments.models
    )
    plan = plan_of(arguments, groups)
    run = measure(plan, arguments.output, resume=arguments.resume)
    print_tables((forms_table(run, arguments.precision),), run, arguments.output)


def forms_table(run: Run, precision: str) -> Table:
    """Medians, and ratios with their intervals."""
    forms, ratios = FORMS[precision], RATIOS[precision]
    models: dict[str, dict[str, LatencyRow]] = {}
    for row in run.rows:
        assert isinstance(row, LatencyRow)
        models.setdefault(row.subject.model or "", {})[row.subject.attributes["form"]] = row
    return Table(
        title=f"{precision}, {IMAGE_SIZE}x{IMAGE_SIZE}, one core, medians in ms",
        columns=("model", *forms, *(f"{a} / {b}" for a, b in ratios)),
        rows=tuple(
            (
                name,
                *(_median(rows.get(form)) for form in forms),
                *(_ratio(_plain(rows) if a == "plain" else rows[a], rows[b]) for a, b in ratios),
            )
            for name, rows in models.items()
        ),
    )


def _plain(rows: Mapping[str, LatencyRow]) -> LatencyRow:
    """The faster of the plain forms."""
    forms = [rows[form] for form in ("reference", "transformers") if form in rows]
    medians = {row.id: summary.median for row in forms if (summary := summarize_row(row))}
    return min(forms, key=lambda row: medians.get(row.id, math.inf))


def _median(row: LatencyRow | None) -> str:
    summary = summarize_row(row) if row else None
    return f"{summary.median / 1e6:.2f}" if summary else "-"


def _ratio(a: LatencyRow, b: LatencyRow) -> str:
    ratio = compare_in_run(a, b)
    return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else "-"


if __name__ == "__main__":
    main()
