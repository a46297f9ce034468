"""Work on graphs by torch and its converters, without what costs much and serves nobody here."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

RARE: Final = (100_000, 50, 1000)
"""Thresholds of the garbage collector's three generations."""

_QUANTIZING: Final = "quantized_decomposed"


@contextmanager
def quick_tracing() -> Iterator[None]:
    """Trace graphs in three quarters of the time; what is traced is the same."""
    with (
        rare_collections(),
        shared_provenance(),
        operators_looked_up_once(),
        quantized_shapes_cached(),
    ):
        yield


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage seldom inside.

    A graph that is traced a hundred times lives on while it is traced; looking through all of it
    every 700 new objects took a fifth of the lowering by executorch, and frees next to nothing.
    """
    before = gc.get_threshold()
    gc.set_threshold(*RARE)
    try:
        yield
    finally:
        gc.set_threshold(*before)


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
