"""Work on graphs by torch and its converters, without what costs much and serves nobody here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from mobilevit_edge.garbage import rare_collections

_QUANTIZING: Final = "quantized_decomposed"
_COMPILED: Final = ("forward", "_code", "_lineno_map", "_prologue_start")
"""What compiling a graph gives its module."""


@contextmanager
def quick_tracing() -> Iterator[None]:
    """Trace graphs in three fifths of the time; what is traced is the same."""
    with (
        graphs_compiled_when_called(),
        rare_collections(),
        sources_left_out(),
        shared_provenance(),
        operators_looked_up_once(),
        quantized_shapes_cached(),
    ):
        yield


@contextmanager
def graphs_compiled_when_called() -> Iterator[None]:
    """Make a program of a graph when it is called or shown, not whenever the graph changes.

    torch writes each graph and each of its copies as Python, which it compiles: a fifth of the
    lowering by executorch, which calls two of two hundred such programs. Nobody pickles a graph
    inside, which would need the program's own record.
    """
    from torch.fx import GraphModule

    graph_module: Any = GraphModule
    compile_now = graph_module.recompile
    if isinstance(compile_now, _CompileLater):
        yield
        return
    graph_module.recompile = _CompileLater(compile_now)
    try:
        yield
    finally:
        graph_module.recompile = compile_now


@contextmanager
def sources_left_out() -> Iterator[None]:
    """Let no node say which lines of Python it comes from; its module's path is kept all the same.

    torch looks up the text of some ten lines for every node: a thirtieth of an export.
    """
    from torch.fx import config

    before = config.do_not_emit_stack_traces
    config.do_not_emit_stack_traces = True
    try:
        yield
    finally:
        config.do_not_emit_stack_traces = before


@contextmanager
def shared_provenance() -> Iterator[None]:
    """Let nodes share the record of where they come from instead of copying it.

    torch keeps for every node the chain of nodes that it was traced from. Nothing ever changes in
    a chain, but each tracing copies all of it, deeply: a seventh of the lowering by executorch.
    """
    from torch.fx import traceback

    source: Any = getattr(traceback, "NodeSource", None)
    if source is None or hasattr(source, "__deepcopy__"):
        yield
        return
    source.__deepcopy__ = lambda self, memo: self
    try:
        yield
    finally:
        del source.__deepcopy__


@contextmanager
def operators_looked_up_once() -> Iterator[None]:
    """Look up the dispatcher's composite operators only when there are more of them.

    torch does so for each namespace at each decomposition: a twentieth of the lowering by
    executorch, which finds the same seven hundred every time.
    """
    from torch._export import utils

    namespace: Any = utils
    look_up = getattr(namespace, "_materialize_cpp_cia_ops", None)
    if look_up is None or isinstance(look_up, _OnceForEachCount):
        yield
        return
    namespace._materialize_cpp_cia_ops = _OnceForEachCount(look_up)
    try:
        yield
    finally:
        namespace._materialize_cpp_cia_ops = look_up


@contextmanager
def quantized_shapes_cached() -> Iterator[None]:
    """Let torch remember the shapes that its quantizing operators give, as it does of all others.

    It works them out by running the operators' Python, at each of some twenty tracings, since they
    are not of its own namespaces; of an int8 network that was half of the lowering by executorch.
    What they give depends on nothing but shapes, types and constants, which is what torch asks of
    an operator that it remembers.
    """
    from torch._library import utils

    library: Any = utils
    is_builtin = library.is_builtin
    library.is_builtin = lambda op: is_builtin(op) or op.namespace == _QUANTIZING
    try:
        yield
    finally:
        library.is_builtin = is_builtin


class _CompileLater:
    """``GraphModule.recompile``, which leaves the work to whoever needs its result."""

    def __init__(self, compile_now: Callable[[Any], object]) -> None:
        self.compile_now = compile_now

    def __get__(self, module: Any, owner: type | None = None) -> Any:
        return self if module is None else partial(self._recompile, module)

    def _recompile(self, module: Any) -> object:
        if type(module).recompile is not self:
            # A class with a way of its own asks for the work itself.
            return self.compile_now(module)
        signature = getattr(module.graph._codegen, "pytree_info", None)
        if signature is not None:
            module._in_spec, module._out_spec = signature.in_spec, signature.out_spec
        for name in _COMPILED:
            vars(module).pop(name, None)
            # Every module of a graph has a class of its own.
            setattr(type(module), name, _WhenNeeded(name, self.compile_now))
        return module._recompile_submodules()


class _WhenNeeded:
    """What a graph's compilation sets; whoever asks for it starts it."""

    def __init__(self, name: str, compile_now: Callable[[Any], object]) -> None:
        self._name = name
        self._compile_now = compile_now

    def __get__(self, module: Any, owner: type | None = None) -> Any:
        if module is None:
            return self
        self._compile_now(module)
        return getattr(module, self._name)


class _OnceForEachCount:
    """Calls a function only when the number of composite operators is a new one."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._counts: set[int] = set()

    def __call__(self) -> None:
        import torch

        dispatcher: Any = torch._C
        key = "CompositeImplicitAutograd"
        count = len(dispatcher._dispatch_get_registrations_for_dispatch_key(key))
        if count not in self._counts:
            self._function()
            self._counts.add(count)
