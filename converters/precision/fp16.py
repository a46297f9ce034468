"""fp16 where it holds: parts whose values would leave its range compute in fp32."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from converters.job.wrapping import ExportableModel
from converters.rewrites.base import swap
from mobilevit_edge.errors import ConversionError

LIMIT: Final = torch.finfo(torch.float16).max / 4
"""Images in use may go beyond those tried: a factor of four is left to them."""


class Fp32Region(nn.Module):
    """Computes in fp32 between neighbors in fp16; same shapes as ``inner``."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor, *rest: object) -> Tensor | list[Tensor]:
        y = self.inner(x.float(), *rest)
        return [part.half() for part in y] if isinstance(y, list) else y.half()


class _Peaks(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Largest absolute value that any operator gives, by the innermost module that runs it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.running = [""]
        self.by_module: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor) and value.is_floating_point() and value.numel():
                peak = value.detach().abs().max().item()
                name = self.running[-1]
                self.by_module[name] = max(self.by_module[name], peak)
        return result


def to_fp16(exportable: ExportableModel, inputs: Iterable[Tensor]) -> tuple[str, ...]:
    """Turn ``exportable`` to fp16 in place, but for the parts that ``inputs`` show to need fp32.

    Args:
        exportable: in fp32.
        inputs: inputs of the artifact, each a batch.

    Returns:
        names of the parts that stay in fp32.

    Raises:
        ConversionError: the network's own output is beyond fp16.
    """
    model = exportable.model
    regions = find_fp32_regions(exportable, inputs)
    kept = {name: model.get_submodule(name) for name in regions}
    for name in kept:
        swap(model, name, nn.Identity())
    model.half()
    exportable.preparation.half()
    for name, part in kept.items():
        swap(model, name, Fp32Region(part).eval())
    exportable.dtype = torch.float16
    return regions


def find_fp32_regions(exportable: ExportableModel, inputs: Iterable[Tensor]) -> tuple[str, ...]:
    """Smallest parts of the network that take and give what fp16 holds but exceed it inside.

    Raises:
        ConversionError: the network's own output is beyond fp16.
    """
    inside, outputs = _measure(exportable, inputs)
    for name, parameter in exportable.model.named_parameters():
        module = name.rpartition(".")[0]
        inside[module] = max(inside[module], parameter.abs().max().item())
    found = set()
    for name, peak in inside.items():
        part = name
        if peak > LIMIT:
            while part and (outputs[part] > LIMIT or not _takes_a_tensor(exportable.model, part)):
                part = part.rpartition(".")[0]
            if not part:
                raise ConversionError(
                    f"{name or 'the network'} reaches {peak:.1e}, beyond fp16, and so does what "
                    f"follows it up to the end: export with --precision fp32"
                )
            found.add(part)
    return tuple(sorted(name for name in found if not _is_below(name, found - {name})))


def _measure(
    exportable: ExportableModel, inputs: Iterable[Tensor]
) -> tuple[dict[str, float], Mapping[str, float]]:
    """Peaks of every module's operators, and of its output."""
    peaks = _Peaks()
    outputs: dict[str, float] = defaultdict(float)

    def enter(name: str, *_: object) -> None:
        peaks.running.append(name)

    def leave(name: str, module: nn.Module, args: object, output: Tensor | list[Tensor]) -> None:
        peaks.running.pop()
        for value in output if isinstance(output, list) else [output]:
            outputs[name] = max(outputs[name], value.abs().max().item())

    handles = []
    for name, module in exportable.model.named_modules():
        handles.append(module.register_forward_pre_hook(partial(enter, name)))
        handles.append(module.register_forward_hook(partial(leave, name)))
    try:
        with torch.inference_mode(), peaks:
            for x in inputs:
                exportable(x)
    finally:
        for handle in handles:
            handle.remove()
    return peaks.by_module, outputs


def _takes_a_tensor(model: nn.Module, name: str) -> bool:
    """Containers that are indexed instead of called have no border to convert at."""
    return not isinstance(model.get_submodule(name), nn.ModuleList)


def _is_below(name: str, others: Iterable[str]) -> bool:
    return any(name.startswith(f"{other}.") for other in others)
