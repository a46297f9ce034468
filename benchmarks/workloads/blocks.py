"""A network part by part: stem, every inverted residual and MobileViT block, what is inside, head.

Every part is exported by itself and measured in turn with the whole network and with the part's
lower bound. PyTorch runs the reference model's parts, the other runtimes those of the rewritten
model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.harness.plan import Candidate, FactorySource, FileSource, Group, Source
from benchmarks.harness.runners import eager, runtime_of
from benchmarks.workloads.bundles import artifact_of
from benchmarks.workloads.reuse import make_once, recipe
from mobilevit_edge.files import write_atomically
from mobilevit_edge.formats.report import LatencyRow, Subject

if TYPE_CHECKING:
    from benchmarks.workloads.parts import Part
    from benchmarks.workloads.targets import ModelTarget
    from mobilevit_edge.formats.manifest import TargetName

EXPERIMENT: Final = "blocks"
WHOLE: Final = "whole"
LOWER_BOUND: Final = "limit"
"""How reports and file names mark a lower bound."""
PART_OF: Final = "part_of"
"""Attribute of a row: the block that its part is inside."""


def block_groups(
    model: str,
    targets: Sequence[ModelTarget],
    image_size: int,
    artifacts: Path,
    show: Callable[[str], None],
) -> tuple[Group, ...]:
    """A group for each target: the whole network, its parts, and their lower bounds.

    Args:
        model: its name.
        targets: runtimes.
        image_size: side in pixels.
        artifacts: folder for the parts' files; those that would be made the same are used again.
        show: shows the running step.
    """
    return tuple(
        Group(target, tuple(_candidates(model, target, image_size, artifacts, show)))
        for target in targets
    )


def _candidates(
    model: str,
    target: ModelTarget,
    image_size: int,
    artifacts: Path,
    show: Callable[[str], None],
) -> Iterator[Candidate]:
    folder = artifacts / f"{model}-{image_size}-parts"
    for lower_bound in (True, False):
        parts = network_parts(model, target, image_size, lower_bound=lower_bound)
        for number, part in enumerate(parts, 1):
            row = _row(model, part, target, image_size, lower_bound=lower_bound)
            show(f"making {row.id}, {number} of {len(parts)}")
            if target == "torch":
                arguments: dict[str, Any] = {
                    "model": model,
                    "image_size": image_size,
                    "part": part.name,
                    "lower_bound": lower_bound,
                }
                source: Source = FactorySource(f"{__name__}:{part_run.__name__}", arguments)
            else:
                path = _file(part, target, folder, lower_bound=lower_bound)
                source = FileSource(target, str(path.resolve()))
                row = replace(row, subject=replace(row.subject, artifact=artifact_of(path)))
            yield Candidate(row, source)


def _row(
    model: str, part: Part, target: ModelTarget, image_size: int, *, lower_bound: bool
) -> LatencyRow:
    bound_id = f"{target} {LOWER_BOUND} {part.name}"
    attributes = {"kind": LOWER_BOUND} if lower_bound else {}
    if part.within:
        attributes[PART_OF] = part.within
    return LatencyRow(
        id=bound_id if lower_bound else f"{target} {part.name}",
        experiment=EXPERIMENT,
        subject=Subject(
            model=model,
            part=part.name,
            target=target,
            precision="fp32",
            image_size=(image_size, image_size),
            attributes=attributes,
            parameters=part.parameters,
            macs=part.macs,
        ),
        runtime=runtime_of(target),
        limit_row=None if lower_bound else bound_id,
    )


def _file(part: Part, target: TargetName, folder: Path, *, lower_bound: bool) -> Path:
    from converters.targets.base import get_target

    maker = get_target(target)
    prefix = f"{LOWER_BOUND}-" if lower_bound else ""
    path = folder / f"{prefix}{part.name}{maker.info.module_suffix}"

    def make(path: Path) -> None:
        write_atomically(
            path, lambda temporary: maker.write_module(part.module, part.inputs, temporary)
        )

    # Model and size are in the folder's name.
    make_once(path, recipe(target, file=f"{folder.name}/{path.name}"), make)
    return path


@lru_cache(maxsize=2)
def network_parts(
    model: str, target: ModelTarget, image_size: int, *, lower_bound: bool
) -> tuple[Part, ...]:
    """The whole network as a part, then all its parts, or their lower bounds.

    The lower bound is the same for all targets. The result is cached, since all parts of PyTorch
    run in one process.
    """
    import torch

    from benchmarks.workloads.artifacts import random_network, rewrite
    from benchmarks.workloads.lower_bound import LowerBoundNetwork, lower_bound_inputs
    from benchmarks.workloads.parts import Part, split_network

    network = random_network(model)
    inputs = lower_bound_inputs(network, image_size)
    module: torch.nn.Module = network
    if lower_bound:
        module = LowerBoundNetwork(network).eval().requires_grad_(False)
    else:
        inputs = inputs[:1]
        if target != "torch":
            rewrite(network, target, (image_size, image_size))
    return (Part(WHOLE, None, module, inputs), *split_network(module, inputs))


def part_run(model: str, image_size: int, part: str, *, lower_bound: bool) -> Callable[[], object]:
    """One inference of a part in PyTorch; the factory of its candidate."""
    parts = network_parts(model, "torch", image_size, lower_bound=lower_bound)
    (found,) = (candidate for candidate in parts if candidate.name == part)
    return eager(found.module, *found.inputs)
