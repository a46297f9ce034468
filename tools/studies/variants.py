"""The variants of a model that studies compare, as files with random weights.

In fp32, the baselines are the reference model without rewrites, and transformers' module with the
same weights; the lower bound holds the same convolutions, products and activations alone. In int8,
the baseline is the reference model through the runtime's stock quantizer; our own fp32 export
stands beside it, and the lower bounds in both precisions show what int8 can gain on a processor.

Runtimes compute the same lower bound at different speeds: what a machine can do is that of the best
of them, so it stands beside each runtime's own.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn

from benchmarks.harness.code import code_digest
from benchmarks.harness.plan import Candidate, FileSource
from benchmarks.harness.runners import runtime_of
from benchmarks.workloads.artifacts import random_network, rewrite
from benchmarks.workloads.lower_bound import LowerBoundNetwork, lower_bound_inputs
from benchmarks.workloads.reuse import make_once, recipe
from converters.precision.range_groups import apply_range_groups
from converters.targets.base import get_target
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.formats.report import LatencyRow, Subject
from tools.studies.reference_implementations import transformers_implementation
from tools.studies.stock_int8 import executorch_stock_int8, litert_stock_int8, onnx_stock_int8

EXPERIMENT: Final = "vs baseline"
VARIANTS: Final = {
    "fp32": ("ours", "reference", "transformers", "lower bound"),
    "int8": ("ours", "reference", "fp32", "lower bound", "fp32 lower bound"),
}
"""By precision."""
OURS: Final = "ours"
BASELINES: Final = ("reference", "transformers")
"""The better one of a model in a runtime is its ``baseline``."""
_LOWER_BOUND: Final = "lower bound"
BEST_BOUND: Final = "best bound"
"""The lowest of all runtimes' lower bounds."""
RATIOS: Final = {
    "fp32": (("baseline", "ours"), ("ours", "lower bound"), ("ours", BEST_BOUND)),
    "int8": (
        *(("baseline", "ours"), ("fp32", "ours"), ("ours", "lower bound"), ("ours", BEST_BOUND)),
        ("fp32 lower bound", "lower bound"),
    ),
}
"""By precision: which variants are divided."""
_IN_FP32: Final = {"fp32": "ours", "fp32 lower bound": "lower bound"}
_CALIBRATION_IMAGES: Final = 4


@dataclass(frozen=True)
class Workload:
    """What all variants of one model have in common; ``image_size`` is height and width."""

    model: str
    runtime: TargetName
    precision: str
    image_size: int


Key: TypeAlias = tuple[str, str]
"""Of what was measured of a model: the runtime and the variant."""


def columns(precision: str) -> tuple[str, ...]:
    """The headings of a table of models and runtimes: the variants, then the ratios."""
    ratios = (f"{a} / {b}" for a, b in RATIOS[precision])
    return ("model", "runtime", *VARIANTS[precision], BEST_BOUND, *ratios)


def of_runtime(figures: Mapping[Key, float], runtime: str) -> dict[str, Key]:
    """What stands under each heading in a runtime's line, as far as the model has it."""
    found = {variant: key for key in figures if key[0] == runtime for variant in key[1:]}
    return (
        found
        | _lowest(figures, "baseline", [found[b] for b in BASELINES if b in found])
        | (_lowest(figures, BEST_BOUND, [key for key in figures if key[1] == _LOWER_BOUND]))
    )


BEST_COLUMNS: Final = ("model", "ours", "baseline", "baseline / ours", BEST_BOUND, "ours / bound")
"""The headings of a table of models, each by its fastest runtimes."""


def of_all_runtimes(figures: Mapping[Key, float]) -> dict[str, Key]:
    """Our fastest, the fastest baseline and the lowest bound, whatever runs them."""
    wanted = {"ours": ("ours",), "baseline": BASELINES, BEST_BOUND: (_LOWER_BOUND,)}
    found: dict[str, Key] = {}
    for heading, variants in wanted.items():
        found |= _lowest(figures, heading, [key for key in figures if key[1] in variants])
    return found


def _lowest(figures: Mapping[Key, float], heading: str, keys: Sequence[Key]) -> dict[str, Key]:
    return {heading: min(keys, key=lambda key: figures[key])} if keys else {}


def candidates(workload: Workload, variants: Sequence[str], folder: Path) -> tuple[Candidate, ...]:
    """Those of ``variants`` that the model has.

    Artifacts in ``folder`` that would be made the same are used again.
    """
    found = []
    for variant in variants:
        path = folder / _file_name(workload, variant)
        made_of = recipe(
            workload.runtime,
            workload=asdict(workload),
            variant=variant,
            # The baselines are made here, one of them by transformers.
            study=code_digest("tools"),
            transformers=importlib.metadata.version("transformers"),
        )
        if not make_once(path, made_of, partial(write_variant, workload, variant)):
            continue
        about = Subject(
            model=workload.model,
            target=workload.runtime,
            precision="fp32" if variant in _IN_FP32 else workload.precision,
            image_size=(workload.image_size, workload.image_size),
            attributes={"variant": variant},
        )
        row_id = f"{workload.model} {workload.runtime} {variant}"
        row = LatencyRow(
            id=row_id,
            experiment=EXPERIMENT,
            subject=about,
            runtime=runtime_of(workload.runtime),
        )
        found.append(Candidate(row, FileSource(workload.runtime, str(path.resolve()))))
    return tuple(found)


def convertible_candidates(
    workload: Workload, variants: Sequence[str], folder: Path
) -> tuple[Candidate, ...]:
    """As :func:`candidates`, without what the runtime's converter refuses: that is printed."""
    found: list[Candidate] = []
    for variant in variants:
        try:
            found += candidates(workload, (variant,), folder)
        except ConversionError as error:  # noqa: PERF203  a conversion takes seconds
            print(f"{workload.model} {workload.runtime} {variant}: {error}", file=sys.stderr)
    return tuple(found)


def _file_name(workload: Workload, variant: str) -> str:
    parts = (workload.model, workload.precision, str(workload.image_size), variant)
    suffix = get_target(workload.runtime).info.module_suffix
    return f"{'-'.join(parts).replace(' ', '_')}{suffix}"


def write_variant(workload: Workload, variant: str, path: Path) -> bool:
    """Write one artifact; False if the model has no such variant."""
    if variant in _IN_FP32:
        return write_variant(replace(workload, precision="fp32"), _IN_FP32[variant], path)
    if workload.precision == "int8":
        artifact = _int8_artifact(workload, variant)
        if artifact is not None:
            path.write_bytes(artifact)
        return artifact is not None
    reference = random_network(workload.model)
    inputs: tuple[Tensor, ...] = lower_bound_inputs(reference, workload.image_size)
    model: nn.Module | None = reference
    if variant == "transformers":
        model = transformers_implementation(reference)
    elif variant == "lower bound":
        model = LowerBoundNetwork(reference).eval()
    elif variant == "ours":
        rewrite(reference, workload.runtime, (workload.image_size, workload.image_size))
    if model is None:
        return False
    inputs = inputs if variant == "lower bound" else inputs[:1]
    get_target(workload.runtime).write_module(model.requires_grad_(False), inputs, path)
    return True


def _int8_artifact(workload: Workload, variant: str) -> bytes | None:
    """The file of an int8 variant, calibrated on noise images; ``None`` if there is none."""
    size = workload.image_size
    reference = random_network(workload.model)
    images = torch.rand(_CALIBRATION_IMAGES, 3, size, size).split(1)  # type: ignore[no-untyped-call]
    if variant == "reference":
        return _STOCK_INT8[workload.runtime](reference, images[0])
    model: nn.Module = reference
    batches: list[tuple[Tensor, ...]] = [(image,) for image in images]
    if variant == "lower bound":
        model = LowerBoundNetwork(reference).eval().requires_grad_(False)
        attention = lower_bound_inputs(reference, size)[1:]
        batches = [(image, *attention) for image in images]
        # Our ONNX quantizer calibrates on one input: not the lower bound of V1, which has more.
        if attention and workload.runtime == "onnx":
            return None
    else:
        rewrite(reference, workload.runtime, (size, size), "int8")
        apply_range_groups(reference, images)
    return _OUR_INT8[workload.runtime](model, batches)


def _quantize_onnx(model: nn.Module, batches: Sequence[tuple[Tensor, ...]]) -> bytes:
    from converters.targets.onnx.conversion import export_graph
    from converters.targets.onnx.int8.qdq import quantize_onnx

    images = [image for image, *_ in batches]
    proto = quantize_onnx(export_graph(model, (images[0],)), [i.numpy() for i in images], ())
    return bytes(proto.SerializeToString())


def _quantize_executorch(model: nn.Module, batches: Sequence[tuple[Tensor, ...]]) -> bytes:
    from converters.precision.pt2e import quantize_program
    from converters.targets.executorch.delegates import xnnpack_int8
    from converters.targets.executorch.lowering import lower

    return lower(quantize_program(model, batches, ()), xnnpack_int8())


def _quantize_litert(model: nn.Module, batches: Sequence[tuple[Tensor, ...]]) -> bytes:
    from converters.precision.pt2e import quantized_module
    from converters.targets.litert.conversion import convert_module

    return convert_module(quantized_module(model, batches, ()), batches[0], quantized=True)


_STOCK_INT8: Final = {
    "onnx": onnx_stock_int8,
    "executorch": executorch_stock_int8,
    "litert": litert_stock_int8,
}
_OUR_INT8: Final = {
    "onnx": _quantize_onnx,
    "executorch": _quantize_executorch,
    "litert": _quantize_litert,
}
"""What makes int8, by runtime."""
