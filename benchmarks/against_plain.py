"""Our exports against the plain ones and against the limit, interleaved in one run on one core.

    python -m benchmarks.against_plain --runtime executorch --artifacts DIR --output FILE MODEL...
    python -m benchmarks.against_plain --precision int8 ...

In fp32, plain is the better of two: the reference model without rewrites, and transformers' module
of the same architecture and weights. The limit holds the same convolutions, products and
activations alone. In int8, plain is the reference model through the runtime's stock quantiser, our
own fp32 export stands beside it, and the limits in both precisions show what int8 can gain on this
processor. The weights are random, with batch norms settled on noise images.
"""

from __future__ import annotations

import json
import os
import platform
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.limit import LimitNetwork, limit_inputs
from benchmarks.peers import transformers_peer
from benchmarks.plain_int8 import plain_executorch, plain_onnx
from benchmarks.timing import Ratio, interleave, milliseconds, pin_to_core, ratio
from converters.prepare import settle_batch_norms
from converters.quantisation.range_groups import apply_range_groups
from converters.rewrites import select_rewrites
from converters.rewrites.base import Context, apply_rewrites
from mobilevit_edge.models.network import create_model

IMAGE_SIZE: Final = 256
FORMS: Final = ("ours", "reference", "transformers", "limit")
INT8_FORMS: Final = ("ours", "reference", "fp32", "limit", "fp32 limit")
_IN_FP32: Final = {"fp32": "ours", "fp32 limit": "limit"}
RATIOS: Final = {
    "fp32": (("plain", "ours"), ("ours", "limit")),
    "int8": (("plain", "ours"), ("fp32", "ours"), ("ours", "limit"), ("fp32 limit", "limit")),
}
_CALIBRATION_IMAGES: Final = 4
_SUFFIX: Final = {"onnx": ".onnx", "executorch": ".pte"}


def make_artifact(runtime: str, model_name: str, form: str, path: Path) -> bool:
    """Write one artifact; False if there is no such form of the model."""
    torch.manual_seed(0)
    inputs: tuple[torch.Tensor, ...] = (torch.rand(1, 3, IMAGE_SIZE, IMAGE_SIZE),)
    reference = create_model(model_name)
    # Activations that fade from layer to layer become denormal numbers, which are slow.
    settle_batch_norms(reference)
    model: torch.nn.Module = reference
    if form == "transformers":
        peer = transformers_peer(reference)
        if peer is None:
            return False
        model = peer
    elif form == "limit":
        model, inputs = LimitNetwork(reference).eval(), limit_inputs(reference, IMAGE_SIZE)
    elif form == "ours":
        context = Context((IMAGE_SIZE, IMAGE_SIZE))
        apply_rewrites(reference, select_rewrites(_rewrites(runtime), ()), context)
    model.requires_grad_(False)
    if runtime == "onnx":
        from converters.onnx import export_graph

        path.write_bytes(export_graph(model, inputs).SerializeToString())
    else:
        from converters.lowering import lower, xnnpack

        with torch.no_grad():
            program = torch.export.export(model, inputs)
        path.write_bytes(lower(program, xnnpack()))
    return True


def make_int8_artifact(runtime: str, model_name: str, form: str, path: Path) -> None:
    """Write one artifact of ``INT8_FORMS``, calibrated on noise images."""
    if form in _IN_FP32:
        make_artifact(runtime, model_name, _IN_FP32[form], path)
        return
    torch.manual_seed(0)
    images = torch.rand(_CALIBRATION_IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE).split(1)  # type: ignore[no-untyped-call]
    reference = create_model(model_name)
    settle_batch_norms(reference)
    model: torch.nn.Module = reference.requires_grad_(False)
    if form == "reference":
        plain = plain_onnx if runtime == "onnx" else plain_executorch
        path.write_bytes(plain(model, images[0]))
        return
    if form == "limit":
        model = LimitNetwork(reference).eval().requires_grad_(False)
    else:
        context = Context((IMAGE_SIZE, IMAGE_SIZE))
        apply_rewrites(reference, select_rewrites(_rewrites(runtime), ()), context)
        apply_range_groups(reference, images)
    if runtime == "onnx":
        from converters.onnx import export_graph
        from converters.quantisation.qdq import quantise_onnx

        graph = export_graph(model, images[:1])
        proto = quantise_onnx(graph, [image.numpy() for image in images], ())
        path.write_bytes(proto.SerializeToString())
    else:
        from converters.lowering import lower
        from converters.quantisation.partition import int8_delegate
        from converters.quantisation.pt2e import quantise_program

        path.write_bytes(lower(quantise_program(model, images, (), images[0]), int8_delegate()))


def _rewrites(runtime: str) -> tuple[str, ...]:
    from converters.backend import get_backend

    return get_backend("onnx" if runtime == "onnx" else "executorch").REWRITES


def runner(runtime: str, path: Path, inputs: tuple[torch.Tensor, ...]) -> Callable[[], object]:
    """A function that runs an artifact once, with one thread, in this process."""
    if runtime == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [i.name for i in session.get_inputs()]
        feed = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
        return lambda: session.run(None, feed)
    from executorch.extension.pybindings import _C as native  # noqa: N811  its public names

    native._unsafe_reset_threadpool(1)
    buffer = path.read_bytes()
    module = native._load_for_executorch_from_buffer(buffer)

    def run() -> object:
        # Naming the buffer here keeps it alive as long as the module, which reads from it.
        assert buffer
        return module.forward(list(inputs), clone_outputs=False)

    return run


def measure(
    runtime: str, name: str, precision: str, folder: Path, seconds: float
) -> dict[str, list[int]]:
    """Samples in nanoseconds of every form of a model; artifacts in ``folder`` are used again."""
    reference = create_model(name)
    runs: dict[str, Callable[[], object]] = {}
    for form in FORMS if precision == "fp32" else INT8_FORMS:
        path = folder / f"{name}-{precision}-{form.replace(' ', '_')}{_SUFFIX[runtime]}"
        if not path.exists():
            if precision == "int8":
                make_int8_artifact(runtime, name, form, path)
            elif not make_artifact(runtime, name, form, path):
                continue
        torch.manual_seed(0)
        inputs = limit_inputs(reference, IMAGE_SIZE)
        runs[form] = runner(runtime, path, inputs if "limit" in form else inputs[:1])
    return interleave(runs, seconds=seconds)


def main() -> None:
    """Measure and print a table; raw samples go to ``--output``."""
    parser = ArgumentParser(description="Our exports against plain ones and against the limit.")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--runtime", choices=tuple(_SUFFIX), required=True)
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32")
    parser.add_argument("--artifacts", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seconds", type=float, default=20, help="for each model (default 20)")
    parser.add_argument("--core", type=int, default=1)
    arguments = parser.parse_args()
    arguments.artifacts.mkdir(parents=True, exist_ok=True)

    pin_to_core(arguments.core)
    torch.set_num_threads(1)
    samples = {
        name: measure(
            arguments.runtime, name, arguments.precision, arguments.artifacts, arguments.seconds
        )
        for name in arguments.models
    }
    content = {
        "runtime": arguments.runtime,
        "precision": arguments.precision,
        "affinity": sorted(os.sched_getaffinity(0)),
        "machine": platform.processor() or platform.machine(),
        "image_size": IMAGE_SIZE,
        "samples_ns": samples,
    }
    arguments.output.write_text(json.dumps(content))
    print_table(arguments.runtime, arguments.precision, samples)


def print_table(
    runtime: str, precision: str, samples: Mapping[str, Mapping[str, list[int]]]
) -> None:
    """Medians, and ratios with their intervals."""
    forms = FORMS if precision == "fp32" else INT8_FORMS
    ratios = RATIOS[precision]
    title = f"{runtime} {precision}, one core, {IMAGE_SIZE}x{IMAGE_SIZE}, medians in ms"
    table = Table(title=title)
    for heading in ("model", *forms, *(f"{a} / {b}" for a, b in ratios), "rounds"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for name, runs in samples.items():
        plain = min(
            (form for form in ("reference", "transformers") if form in runs),
            key=lambda form: milliseconds(runs[form]),
        )
        with_plain = {**runs, "plain": runs[plain]}
        table.add_row(
            name,
            *(f"{milliseconds(runs[form]):.2f}" if form in runs else "-" for form in forms),
            *(_show(ratio(with_plain[a], with_plain[b])) for a, b in ratios),
            str(len(runs["ours"])),
        )
    Console(width=170).print(table)


def _show(value: Ratio) -> str:
    return f"{value.median:.2f} ({value.low:.2f} to {value.high:.2f})"


if __name__ == "__main__":
    main()
