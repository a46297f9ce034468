"""torch's list of the functions that write its operators in ONNX, used without needless work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import fx
    from torch.export import ExportedProgram


@contextmanager
def functions_left_unread() -> Iterator[None]:
    """Let torch list onnxscript's functions without parsing the source of each of them.

    It asks each of five hundred for its domain, which is one for all, in every export: a tenth of
    it.
    """
    from onnxscript.values import TracedOnnxFunction

    function: Any = TracedOnnxFunction
    whole = function.function_ir
    domain = ""

    def domain_alone(self: Any) -> Any:
        nonlocal domain
        domain = domain or whole.fget(self).domain
        return _Unread(self, domain, whole.fget)

    function.function_ir = property(domain_alone)
    try:
        yield
    finally:
        function.function_ir = whole


@contextmanager
def decomposed_where_needed() -> Iterator[None]:
    """Let torch leave a graph as it is that consists of what the list has.

    It traces every graph once more, to replace operators that ONNX lacks and those that change what
    they are given: a quarter of an export, for nothing where the rewrites have left none.
    """
    from torch.onnx._internal.exporter import _fx_passes

    passes: Any = _fx_passes
    decompose = getattr(passes, "decompose_with_registry", None)
    if decompose is None:
        yield
        return

    def decompose_where_needed(program: ExportedProgram, registry: Any) -> ExportedProgram:
        _make_conversions_explicit(program.graph)
        listed = _listed(registry)
        if all(node.op != "call_function" or listed(node.target) for node in program.graph.nodes):
            return program
        return decompose(program, registry)  # type: ignore[no-any-return]

    passes.decompose_with_registry = decompose_where_needed
    try:
        yield
    finally:
        passes.decompose_with_registry = decompose


def _make_conversions_explicit(graph: fx.Graph) -> None:
    """Let conversions say that they make a copy, as those do that change the type."""
    import torch

    aten = torch.ops.aten
    for node in graph.nodes:
        if node.op == "call_function" and node.target is aten.to.dtype and len(node.args) == 2:
            x, dtype = node.args
            if x.meta["val"].dtype != dtype:
                node.target, node.args = aten._to_copy.default, (x,)
                node.kwargs = {"dtype": dtype}


def _listed(registry: Any) -> Callable[[Any], bool]:
    """Whether an operator can be written as it is, or asserts something, which torch leaves out."""
    from torch.onnx._internal.exporter import _decomp

    listed = set(_decomp.get_onnx_implemented_overloads(registry))

    def is_listed(target: Any) -> bool:
        schema = getattr(target, "_schema", None)
        if schema is not None and schema.name.startswith("aten::_assert_"):
            return True
        return target in listed and not (schema is not None and schema.is_mutable)

    return is_listed


class _Unread:
    """A function's representation, which is made when more than its domain is asked for."""

    def __init__(self, function: Any, domain: str, read: Callable[[Any], Any]) -> None:
        self.domain = domain
        self._function = function
        self._read = read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read(self._function), name)
