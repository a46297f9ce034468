"""What int8 costs each part of a network, and which parts are better left in float.

Measured by simulation: the calibrated network rounds as int8 would, in one part or in all but some,
and its outputs are compared with those in float.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor, fx

from converters.job.wrapping import ExportableModel
from converters.module_paths import module_path
from converters.precision.observers import Int8Observer
from converters.precision.parts import block_parts, part_filter
from converters.precision.pt2e import prepare_program
from converters.progress import Progress, no_progress

ACCEPTABLE_ERROR: Final = 0.1
"""The outputs' error that is accepted: root mean square, relative to theirs. At 0.05 real
classifiers answered as in float on every photo tried."""
MAX_BATCHES: Final = 8
"""Inputs that are compared; all of them calibrate."""


class Simulation:
    """A calibrated network that rounds where it is asked to."""

    def __init__(
        self,
        module: ExportableModel,
        batches: Sequence[Tensor],
        progress: Progress = no_progress,
    ) -> None:
        self.parts = block_parts(module.model)
        self._graph = prepare_program(module, [(b,) for b in batches], (), progress)
        self._observers = list(_observers(self._graph))
        self._inputs = batches[:: -(-len(batches) // MAX_BATCHES)]
        for _, observer in self._observers:
            observer.frozen = True
        self._expected = self._run()

    def error(self, rounds: Callable[[str], bool]) -> float:
        """Relative error of the outputs if the modules ``rounds`` says yes to are int8.

        It is the root mean square of the difference, over that of the outputs in float.
        """
        for path, observer in self._observers:
            observer.simulate = rounds(path)
        try:
            difference = self._run() - self._expected
        finally:
            for _, observer in self._observers:
                observer.simulate = False
        return float(difference.norm() / self._expected.norm().clamp(min=1e-30))

    def _run(self) -> Tensor:
        with torch.no_grad():
            return torch.cat([self._graph(batch) for batch in self._inputs]).double()


def _observers(graph: fx.GraphModule) -> list[tuple[str, Int8Observer]]:
    """Every observer with the path of the module whose tensor it rounds."""
    found = []
    for node in graph.graph.nodes:
        if node.op != "call_module":
            continue
        observer = graph.get_submodule(node.target)
        if isinstance(observer, Int8Observer):
            # Weights and inputs come from no module: they belong to the one that reads them.
            path = module_path(node.args[0]) or module_path(next(iter(node.users)))
            found.append((path, observer))
    return found


def choose_fp32_parts(
    module: ExportableModel,
    batches: Sequence[Tensor],
    progress: Progress,
    acceptable: float = ACCEPTABLE_ERROR,
) -> tuple[str, ...]:
    """The parts to leave in float so that the simulated error is acceptable, most costly first.

    As few as that takes when they are taken by what each costs alone; none if int8 is good enough.

    Args:
        module: in float, rewritten; with range groups, if they are to be used.
        batches: inputs to calibrate on, all of one size; some of them are compared.
        progress: called with the part at hand.
        acceptable: the error to reach.
    """
    simulation = Simulation(module, batches, progress)
    progress("simulating int8 everywhere")
    if simulation.error(lambda _: True) <= acceptable:
        return ()
    errors = {}
    for index, name in enumerate(simulation.parts, 1):
        progress(f"simulating int8 in {name}, {index} of {len(simulation.parts)}")
        errors[name] = simulation.error(part_filter((name,)))
    chosen: tuple[str, ...] = ()
    for name in sorted(errors, key=lambda part: -errors[part]):
        chosen = (*chosen, name)
        progress(f"simulating int8 without {', '.join(chosen)}")
        in_fp32 = part_filter(chosen)
        if simulation.error(lambda path, in_fp32=in_fp32: not in_fp32(path)) <= acceptable:  # type: ignore[misc]
            break
    return chosen
