"""Bundles on the simulated NPU: whether it takes them, how long it would take, what it answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

import numpy as np

from benchmarks.analysis.agreement import agreement
from benchmarks.harness.machine import new_run
from benchmarks.workloads.bundles import answer_of, candidates_of, inputs_of, printable
from converters.job.precisions import PRECISIONS
from converters.targets.base import get_target
from converters.targets.bundles import load_bundle_model
from converters.targets.comparison import compare_answers
from converters.targets.onnx.npu.chips import Chip
from converters.targets.onnx.npu.compiler import DISTRIBUTION, Compilation, compile_for, emulate
from converters.targets.onnx.npu.contexts import read_context
from converters.targets.onnx.npu.label_logits import load_logits
from mobilevit_edge.errors import UsageError, VerificationError
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.formats.manifest import Manifest
from mobilevit_edge.formats.report import (
    Affinity,
    NotTaken,
    OperatorTime,
    Profile,
    Protocol,
    Run,
    Runtime,
    SimulationRow,
)
from mobilevit_edge.head_specs import OutputStride
from mobilevit_edge.specs import SPECS, split_name, with_head_called

EXPERIMENT: Final = "npu"
MAX_IMAGES: Final = 32
"""Most photos to compare: each takes seconds under emulation."""
LOWER_BOUND: Final = "lower bound"
_TOLERANCE: Final = 0.005
_MAX_NODES: Final = 100
_MAX_OPERATORS: Final = 10_000
_MAX_PROBLEMS: Final = 5


@dataclass(frozen=True)
class SimulationJob:
    """A bundle on a chip, and its row before it is compiled."""

    row: SimulationRow
    bundle: Bundle
    chip: Chip


def simulation_jobs(
    paths: Sequence[Path], chips: Sequence[Chip], version: str
) -> tuple[SimulationJob, ...]:
    """Every bundle on every chip.

    Raises:
        BundleError: one of them is not a bundle.
        UsageError: one is not for ONNX, or leaves its batch or image size open.
    """
    bundles = [read_bundle(path) for path in paths]
    for bundle in bundles:
        _check_bundle(bundle)
    jobs = []
    for bundle, candidate in zip(bundles, candidates_of(bundles, EXPERIMENT), strict=True):
        for chip in chips:
            row = SimulationRow(
                id=f"{candidate.row.id} {chip.name}",
                experiment=EXPERIMENT,
                subject=candidate.row.subject,
                runtime=Runtime(DISTRIBUTION, version),
                source=f"simulated by {DISTRIBUTION} {version}",
                chip=chip.name,
            )
            jobs.append(SimulationJob(row, bundle, chip))
    return tuple(jobs)


def _check_bundle(bundle: Bundle) -> None:
    manifest = bundle.manifest
    if manifest.target != "onnx":
        raise UsageError(
            f"{bundle.path} is for {manifest.target}: export it with --target onnx --unit npu"
        )
    if None in manifest.input.shape:
        raise UsageError(
            f"{bundle.path} leaves its batch or image size open, and the NPU's compiler needs both "
            f"fixed: export it with --unit npu"
        )


def simulate(
    job: SimulationJob, images: Path | None, show: Callable[[str], None], *, profile: bool = False
) -> SimulationRow:
    """Compile a job and, if there are images, compare the emulated answers.

    A graph that is not taken is a reason in the row.

    Args:
        job: what to simulate.
        images: a photo or a folder of them; the bundle's golden image is always one of the inputs.
        show: shows the running step.
        profile: whether to tell where the simulated time goes, where the chip has one.

    Raises:
        ConversionError: the compiler crashed or took too long.
    """
    show(f"compiling {job.row.id}")
    profile = profile and job.chip.simulated
    compiled = compile_for(job.bundle.model_path, job.chip, timeline=profile)
    row = _with_figures(job.row, compiled)
    if profile and compiled.taken:
        row = replace(row, profile=_profile_of(compiled))
    if not compiled.taken or images is None:
        return row
    inputs = inputs_of(job.bundle, images, MAX_IMAGES)
    show(f"emulating {job.row.id}, {len(inputs)} inputs")
    found = emulate(_answering_file(job), job.chip, inputs)
    if not np.isfinite(found).all():
        return replace(row, not_run="the emulated unit outputs NaN or Inf: fp16 overflows")
    form = answer_of(job.bundle)
    loaded = load_bundle_model(job.bundle)
    if form == "labels":
        loaded = load_logits(job.bundle.model_path)
    # One input at a time: logits of the image's size are large.
    compared = [
        compare_answers(form, answer, loaded.run(x)[0])
        for x, answer in zip(inputs, found, strict=True)
    ]
    return replace(row, agreement=agreement(compared))


def _profile_of(compiled: Compilation) -> Profile:
    """The compiler's timeline, its cycles as shares of the simulated microseconds."""
    source = f"simulated by {DISTRIBUTION} {compiled.version}"
    if not compiled.timeline:
        return Profile(source, 0, "this version of the compiler does not tell", ())
    total = sum(node.cycles for node in compiled.timeline)
    nanoseconds = 1000 * compiled.figures["microseconds"] / total
    nodes = compiled.timeline[:_MAX_OPERATORS]
    operators = tuple(
        OperatorTime(
            printable(node.kind),
            printable(node.name),
            printable(node.module) if node.module else "",
            node.kernels,
            round(node.cycles * nanoseconds),
        )
        for node in nodes
    )
    return Profile(source, 1, "calls are those of kernels", operators)


def _answering_file(job: SimulationJob) -> Path:
    """What the chip loads: the bundle's own context, or else the model.

    Raises:
        ConversionError: the context is none, or refers to a file elsewhere.
    """
    context = job.bundle.context_path(job.chip.name)
    if context is None:
        return job.bundle.model_path
    read_context(context)
    return context


def _with_figures(row: SimulationRow, compiled: Compilation) -> SimulationRow:
    left = tuple(
        NotTaken(printable(node.name), printable(node.kind)) for node in compiled.left[:_MAX_NODES]
    )
    sizes = {"context_bytes": compiled.context_bytes} if compiled.taken else {}
    return replace(
        row,
        not_run=None if compiled.reason is None else printable(compiled.reason),
        compile_seconds=round(compiled.seconds, 1),
        not_taken=left,
        counts={**compiled.figures, **sizes},
    )


def lower_bound(job: SimulationJob) -> SimulationRow | None:
    """What the model's convolutions, products and activations alone would take on the chip.

    ``None`` where none is defined: for other models than ours, or other heads, images that are not
    square, several at once, or not of three channels.

    Raises:
        ConversionError: the compiler crashed or took too long.
    """
    manifest = job.bundle.manifest
    height, width = manifest.model.image_size
    one_color_image = manifest.input.shape[0] == 1 and len(manifest.input.mean) == 3
    stride = cast("OutputStride | None", manifest.head.output_stride if manifest.head else None)
    if not _is_known(manifest, stride) or height != width or not one_color_image:
        return None
    compiled = _compiled_lower_bound(manifest.model.name, stride, height, job.chip)
    row = replace(
        job.row,
        id=f"{LOWER_BOUND} of {job.row.id}",
        subject=replace(job.row.subject, part=LOWER_BOUND, precision="fp16", artifact=None),
    )
    return _with_figures(row, compiled)


def _is_known(manifest: Manifest, output_stride: OutputStride | None) -> bool:
    """Whether a model is one of ours, with a head as wide as the authors', if it has one."""
    from mobilevit_edge.models.network import create_meta_model

    head, backbone = split_name(manifest.model.name)
    if backbone not in SPECS or head is None:
        return backbone in SPECS
    spec = with_head_called(SPECS[backbone], head, output_stride)
    network = create_meta_model(spec, manifest.model.outputs)
    return sum(p.numel() for p in network.parameters()) == manifest.model.parameters


@lru_cache
def _compiled_lower_bound(
    model: str, output_stride: OutputStride | None, image_size: int, chip: Chip
) -> Compilation:
    from benchmarks.workloads.artifacts import random_network
    from benchmarks.workloads.lower_bound import LowerBoundNetwork, lower_bound_inputs

    network = random_network(model, output_stride)
    inputs = lower_bound_inputs(network, image_size)
    module = LowerBoundNetwork(network).eval().requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lower-bound.onnx"
        get_target("onnx").write_module(module, inputs, path)
        return compile_for(path, chip)


def check_taken(rows: Sequence[SimulationRow]) -> None:
    """Refuse bundles that a chip does not take as a whole, or answers otherwise.

    Raises:
        VerificationError: the message names the rows, the nodes and the reasons.
    """
    problems = [problem for row in rows for problem in _problems(row)]
    if problems:
        raise VerificationError(
            f"{len(problems)} of {len(rows)} rows fail: {'; '.join(problems[:_MAX_PROBLEMS])}"
        )


def _problems(row: SimulationRow) -> list[str]:
    if row.not_run is not None:
        nodes = ", ".join(node.name for node in row.not_taken[:_MAX_PROBLEMS])
        where = f" ({nodes})" if nodes else ""
        written_for_it = row.subject.attributes.get("unit") == "npu"
        remedy = "" if written_for_it else "; export it with --unit npu"
        return [f"{row.id}: {row.not_run}{where}{remedy}"]
    allowed = PRECISIONS[row.subject.precision or "fp32"].npu_tolerance
    if row.agreement is None or row.agreement.largest_difference <= allowed:
        return []
    difference = f"differs by {row.agreement.largest_difference:.1e} of the largest output"
    return [f"{row.id} {difference} from this machine's CPU, {allowed:g} is allowed"]


def recorded(rows: Sequence[SimulationRow]) -> list[SimulationRow]:
    """The rows as a record names them: figures of another version of the compiler are others."""
    return [replace(row, id=f"{row.id}, {row.runtime.version}") for row in rows]


def allowed_change(kind: str, known: Mapping[str, int]) -> float:
    """Half a percent of the figure: compilations repeat to the cycle."""
    return _TOLERANCE * known.get(kind, 0)


def run_of(rows: Sequence[SimulationRow]) -> Run:
    """A run that holds only simulated figures."""
    protocol = Protocol(
        processes=1, seconds=None, warm_up=0, seed=None, max_noise=None, digest=None
    )
    return new_run(affinity=Affinity(None, None), protocol=protocol, rows=tuple(rows))
