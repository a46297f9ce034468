"""One inference, for every kind of source: a target's file, or anything callable.

Every runner has one thread. Inputs are uniform noise from a fixed seed, of the shape and type that
the model asks for: numbers in 0..1, or bytes; open sides are those that the file names.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from benchmarks.harness.plan import FactorySource, Source
from converters.targets.base import get_target, target_to_run
from converters.targets.loaded import noise_inputs
from mobilevit_edge.errors import ConversionError, UsageError
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.formats.report import Profile, Runtime

TORCH: Final = "torch"
"""What stands for PyTorch itself where a target is named."""


@dataclass(frozen=True)
class Runner:
    """A loaded model: ``run`` is one inference; ``threads`` those in effect, if known."""

    run: Callable[[], object]
    threads: int | None


def runtime_of(target: str) -> Runtime:
    """Name and installed version of what runs a target, or PyTorch itself (``torch``)."""
    if target == TORCH:
        name, package = "PyTorch", "torch"
    else:
        info = get_target(cast("TargetName", target)).info
        name, package = info.runtime, info.runtime_package or ""
    try:
        return Runtime(name, importlib.metadata.version(package) if package else None)
    except importlib.metadata.PackageNotFoundError:
        return Runtime(name, None)


def import_runtime(source: Source) -> None:
    """Load the libraries that :func:`load_runner` needs, and cap their threads.

    Raises:
        MissingPackageError: it is not installed.
        UsageError: it does not run on this system.
    """
    if isinstance(source, FactorySource):
        _factory(source)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        return
    target = target_to_run(source.format)
    reason = target.why_not_measured()
    if reason is not None:
        raise UsageError(reason)
    target.import_runtime()
    # Loaded at its first use, for the noise: no part of a model's start.
    importlib.import_module("numpy.random")


def load_runner(source: Source) -> Runner:
    """A model that is ready to run.

    Raises:
        ConversionError: the runtime refuses the model.
        MissingPackageError: the runtime is not installed.
        UsageError: it does not run on this system.
    """
    import_runtime(source)
    if isinstance(source, FactorySource):
        run = _factory(source)(**source.arguments)
        torch = sys.modules.get("torch")
        return Runner(run, torch.get_num_threads() if torch else None)
    path = Path(source.path)
    try:
        session = target_to_run(source.format).open(path)
        return Runner(session.bind(noise_inputs(session.inputs)), session.threads)
    # The runtimes' own exception types are not public.
    except Exception as error:
        raise ConversionError(f"the runtime cannot load {path.name}: {error}") from error


def profile_source(source: Source, inferences: int) -> Profile:
    """Profile a model in this process; where there is no profiler, the note says so."""
    import_runtime(source)
    if isinstance(source, FactorySource):
        return Profile("none", 0, "no profiler of this runtime is read here", ())
    return target_to_run(source.format).profile(Path(source.path), inferences)


def eager(module: Any, *inputs: Any) -> Callable[[], object]:
    """A PyTorch module as it is, on tensors."""
    import torch

    def run() -> object:
        with torch.inference_mode():
            return module(*inputs)

    return run


def _factory(source: FactorySource) -> Any:
    module, _, function = source.factory.partition(":")
    return getattr(importlib.import_module(module), function)
