"""What is to be measured and how: candidates in groups, as plain data that travels as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeAlias

from benchmarks.harness.code import code_digest
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.formats.report import LatencyRow

WARM_UP: Final = 5


@dataclass(frozen=True)
class FileSource:
    """A model file, or a Core ML package. The runner makes up its inputs."""

    format: TargetName
    path: str


@dataclass(frozen=True)
class FactorySource:
    """Anything else that can be called, such as a PyTorch module as it is.

    ``factory`` is ``package.module:function``. It is called with ``arguments``, plain data, and
    returns a function without arguments that is one inference;
    :func:`benchmarks.harness.runners.eager` makes one of a module.
    """

    factory: str
    arguments: Mapping[str, Any]


Source: TypeAlias = FileSource | FactorySource


@dataclass(frozen=True)
class Candidate:
    """A row of the report before it has samples, and where its model comes from."""

    row: LatencyRow
    source: Source


@dataclass(frozen=True)
class Group:
    """Candidates that are measured in turn, A B C A B C ..., in the same processes."""

    name: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class MeasurementPlan:
    """A whole run.

    Attributes:
        groups: measured one after the other within every round of processes.
        processes: how many for each group.
        seconds: how long to measure each candidate in each process.
        seed: of the order of candidates, which each process draws anew.
        core: the core to measure on; ``None`` where the system does not offer the choice.
        max_noise: percent of spread above which a process is repeated.
        cold_starts: whether to measure also how each candidate starts in processes of its own.
        profile: whether to ask the runtimes afterwards for the time of every operator.
        warm_up: calls of each candidate before its first sample.
    """

    groups: tuple[Group, ...]
    processes: int
    seconds: float
    seed: int
    core: int | None
    max_noise: float | None
    cold_starts: bool
    profile: bool
    warm_up: int = WARM_UP


def plan_digest(plan: MeasurementPlan) -> str:
    """SHA-256 of all that decides what a plan measures, our code included.

    Where its files lie does not.
    """
    import cattrs

    groups = tuple(
        replace(group, candidates=tuple(_without_path(c) for c in group.candidates))
        for group in plan.groups
    )
    content = {"code": code_digest(), "plan": cattrs.unstructure(replace(plan, groups=groups))}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _without_path(candidate: Candidate) -> Candidate:
    if isinstance(candidate.source, FileSource):
        return replace(candidate, source=replace(candidate.source, path=""))
    return candidate


def source_to_json(source: Source) -> dict[str, Any]:
    """A source as plain data."""
    return asdict(source)


def source_from_json(content: Mapping[str, Any]) -> Source:
    """A source from :func:`source_to_json`."""
    return FileSource(**content) if "format" in content else FactorySource(**content)
