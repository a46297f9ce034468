"""A network part by part: stem, every inverted residual and MobileViT block, what is inside, head.

Every part is exported by itself and measured in turn with the whole network and with the part's
limit. PyTorch runs the reference model's parts, the other runtimes those of the rewritten model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from benchmarks.harness.plan import (
    Candidate,
    FactorySource,
    FileSource,
    Group,
    latency_row,
    subject,
)
from benchmarks.harness.runners import eager, runtime_of

if TYPE_CHECKING:
    from benchmarks.workloads.parts import Part

EXPERIMENT: Final = "blocks"
BlockTarget: TypeAlias = Literal["torch", "onnx", "executorch"]
TARGETS: Final[tuple[BlockTarget, ...]] = ("torch", "onnx", "executorch")
WHOLE: Final = "whole"
LIMIT: Final = "limit"
PART_OF: Final = "part_of"
"""Attribute of a row: the block that its part is inside of."""


def block_groups(
    model: str,
    targets: Sequence[BlockTarget],
    image_size: int,
    artifacts: Path,
    show: Callable[[str], None],
) -> tuple[Group, ...]:
    """A group for each target: the whole network, its parts, and their limits.

    Args:
        model: its name.
        targets: runtimes.
        image_size: side in pixels.
        artifacts: folder for the parts' files; those that are there already are used again.
        show: is told what goes on.
    """
    return tuple(
        Group(target, tuple(_candidates(model, target, image_size, artifacts, show)))
        for target in targets
    )


def _candidates(
    model: str,
    target: BlockTarget,
    image_size: int,
    artifacts: Path,
    show: Callable[[str], None],
) -> Iterator[Candidate]:
    for kind in (LIMIT, ""):
        parts = network_parts(model, target, image_size, limit=bool(kind))
        for number, part in enumerate(parts, 1):
            row_id = " ".join(filter(None, (target, kind, part.name)))
            show(f"making {row_id}, {number} of {len(parts)}")
            about = subject(
                model=model,
                part=part.name,
                target=target,
                precision="fp32",
                image_size=(image_size, image_size),
                attributes={
                    **({"kind": LIMIT} if kind else {}),
                    **({PART_OF: part.within} if part.within else {}),
                },
                parameters=part.parameters,
                macs=part.macs,
            )
            limit_row = None if kind else f"{target} {LIMIT} {part.name}"
            row = latency_row(row_id, EXPERIMENT, about, runtime_of(target), limit_row=limit_row)
            if target == "torch":
                arguments: dict[str, Any] = {
                    "model": model,
                    "image_size": image_size,
                    "part": part.name,
                    "limit": bool(kind),
                }
                source = FactorySource(f"{__name__}:{part_run.__name__}", arguments)
                yield Candidate(row, source)
            else:
                folder = artifacts / f"{model}-{image_size}-parts"
                path = _file(part, target, folder, kind)
                yield Candidate(row, FileSource(target, str(path.resolve())))


def _file(part: Part, target: Literal["onnx", "executorch"], folder: Path, kind: str) -> Path:
    from benchmarks.workloads.artifacts import SUFFIX, write_file
    from mobilevit_edge.files import write_atomically

    path = folder / f"{'-'.join(filter(None, (kind, part.name)))}{SUFFIX[target]}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(
            path, lambda temporary: write_file(part.module, part.inputs, target, temporary)
        )
    return path


@lru_cache(maxsize=2)
def network_parts(
    model: str, target: BlockTarget, image_size: int, *, limit: bool
) -> tuple[Part, ...]:
    """The whole network as a part, then all its parts, or their limits.

    The limit is the same for all targets. It is kept for the next call, since all parts of PyTorch
    are run in one process.
    """
    import torch

    from benchmarks.workloads.artifacts import random_network, rewrite
    from benchmarks.workloads.lower_bound import LowerBoundNetwork, lower_bound_inputs
    from benchmarks.workloads.parts import Part, split_network

    network = random_network(model)
    inputs = lower_bound_inputs(network, image_size)
    module: torch.nn.Module = network
    if limit:
        module = LowerBoundNetwork(network).eval().requires_grad_(False)
    else:
        inputs = inputs[:1]
        if target != "torch":
            rewrite(network, target, (image_size, image_size))
    return (Part(WHOLE, None, module, inputs), *split_network(module, inputs))


def part_run(model: str, image_size: int, part: str, *, limit: bool) -> Callable[[], object]:
    """One inference of a part in PyTorch; the factory of its candidate."""
    parts = network_parts(model, "torch", image_size, limit=limit)
    (found,) = (candidate for candidate in parts if candidate.name == part)
    return eager(found.module, *found.inputs)
