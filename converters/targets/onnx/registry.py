"""torch's list of the functions that write its operators in ONNX, made without reading them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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


class _Unread:
    """A function's representation, which is made when more than its domain is asked for."""

    def __init__(self, function: Any, domain: str, read: Any) -> None:
        self.domain = domain
        self._function = function
        self._read = read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read(self._function), name)
