"""Reading pickles without a single class or function: an interpreter that builds plain data.

Python's own unpickler imports what a pickle names and calls it. This one reads the same opcodes
(:mod:`pickletools` decodes them) and knows numbers, text, containers, and the few functions that
rebuild tensors. Whatever else a pickle names becomes an :class:`Inert`: a record of the name and
of what the pickle did to the object, in which nothing runs.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, TypeAlias

MAX_STEPS: Final = 2_000_000
"""Opcodes in a pickle; a training checkpoint with optimizer and EMA has some 100,000."""
_MAX_ENTRIES: Final = 100_000
_MAX_NAME: Final = 200

_MARK: Final = object()
_CONSTANTS: Final[Mapping[str, object]] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS: Final = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "BINUNICODE8"),
        *("SHORT_BINUNICODE", "BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8"),
    }
)
_IGNORED: Final = frozenset({"PROTO", "FRAME"})


class PickleError(Exception):
    """A pickle is damaged, or larger than any checkpoint."""


@dataclass(frozen=True)
class Name:
    """Something that a pickle names and would have imported: ``module.class``."""

    path: str


def _name(module: object, name: object) -> Name:
    return Name(f"{module}.{name}"[:_MAX_NAME])


class Inert(dict[Any, Any]):
    """An object of a class that is not loaded, with its dict's entries if it had any.

    ``name`` is the class or function, ``arguments`` what it would have been called with, and
    ``state`` what would have been set on the object.
    """

    __slots__ = ("arguments", "name", "state")

    def __init__(self, name: str, arguments: object = ()) -> None:
        super().__init__()
        self.name = name
        self.arguments = arguments
        self.state: object = None

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def is_module(self) -> bool:
        """Whether this was a ``torch.nn.Module``."""
        return isinstance(self.state, dict) and isinstance(self.state.get("_modules"), dict)

    def module_state(self) -> tuple[dict[str, Any], int]:
        """The state dict of a pickled module: its tensors by dotted name, and the parts seen.

        Raises:
            PickleError: more modules than any network has, or modules that hold themselves.
        """
        found: dict[str, Any] = {}
        waiting: list[tuple[str, Inert]] = [("", self)]
        entries = 0
        while waiting:
            prefix, module = waiting.pop()
            parts = module.state if isinstance(module.state, dict) else {}
            tensors, buffers, children = (
                part if isinstance(part := parts.get(kind), dict) else {}
                for kind in ("_parameters", "_buffers", "_modules")
            )
            left_out = parts.get("_non_persistent_buffers_set")
            left_out = left_out if isinstance(left_out, list) else []
            # A file can hold the same module many times over: what it claims to be is counted.
            entries += 1 + sum(map(len, (tensors, buffers, children, left_out)))
            if entries > _MAX_ENTRIES or len(prefix) > _MAX_NAME:
                raise PickleError(f"it has more than {_MAX_ENTRIES} parts, or too long names")
            not_saved = {name for name in left_out if isinstance(name, str)}
            for name, tensor in (*tensors.items(), *buffers.items()):
                if tensor is not None and name not in not_saved:
                    found[f"{prefix}{_part(name)}"] = tensor
            waiting += [
                (f"{prefix}{_part(name)}.", child)
                for name, child in children.items()
                if isinstance(child, Inert)
            ]
        return found, entries


def _part(name: object) -> str:
    """The name of a module's part, which a file may repeat for every module."""
    if not isinstance(name, str) or len(name) > _MAX_NAME:
        raise PickleError(f"a name in it is no text of at most {_MAX_NAME} characters")
    return name


Rebuild: TypeAlias = Callable[..., object]
"""Makes a value of a call's arguments; what it cannot use, it refuses with PickleError."""


def interpret(
    stream: BytesIO, rebuilds: Mapping[str, Rebuild], persistent: Callable[[object], object]
) -> Any:
    """The value of the pickle at the stream's position, which is after it then.

    Args:
        stream: bytes in memory.
        rebuilds: what to do for calls, by the name called; calls of other names are inert.
        persistent: the value of a persistent id.

    Raises:
        PickleError: damaged, or too large.
    """
    machine = _Machine(rebuilds, persistent)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MAX_STEPS:
                raise PickleError(f"it has more than {MAX_STEPS} steps")
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument)
    except PickleError:
        raise
    # Damaged bytes surface as whatever the decoder or the stack meets first.
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
        raise PickleError(str(error)) from error
    raise PickleError("it ends too early")


class _Machine:
    """Stack and memo of the pickle machine."""

    def __init__(
        self, rebuilds: Mapping[str, Rebuild], persistent: Callable[[object], object]
    ) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.rebuilds = rebuilds
        self.persistent = persistent

    def step(self, opcode: str, argument: Any) -> None:
        """Do what one opcode says."""
        if opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode])
        elif opcode not in _IGNORED:
            self._act(opcode, argument)

    def _act(self, opcode: str, argument: Any) -> None:
        stack = self.stack
        match opcode:
            case "MARK":
                stack.append(_MARK)
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._marked()
            case "DUP":
                stack.append(stack[-1])
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(self._marked()))
            case "EMPTY_LIST" | "EMPTY_SET":
                # A set becomes a list: nothing here looks members up, and not all can be hashed.
                stack.append([])
            case "LIST" | "FROZENSET":
                stack.append(self._marked())
            case "EMPTY_DICT":
                stack.append({})
            case "DICT":
                stack.append(_with_entries({}, self._marked()))
            case "APPEND" | "APPENDS" | "ADDITEMS":
                added = [stack.pop()] if opcode == "APPEND" else self._marked()
                if isinstance(stack[-1], list):
                    stack[-1].extend(added)
            case "SETITEM" | "SETITEMS":
                added = self._marked() if opcode == "SETITEMS" else self._popped(2)
                if isinstance(stack[-1], dict):
                    _with_entries(stack[-1], added)
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Inert):
                    stack[-1].state = state
            case "GLOBAL":
                stack.append(_name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                module, name = self._popped(2)
                if not (isinstance(module, str) and isinstance(name, str)):
                    raise PickleError("a name is not text")
                stack.append(_name(module, name))
            case "EXT1" | "EXT2" | "EXT4":
                stack.append(_name("copyreg", f"extension_{argument}"))
            case "REDUCE" | "NEWOBJ":
                called, arguments = self._popped(2)
                stack.append(self._called(called, arguments))
            case "NEWOBJ_EX":
                called, arguments, _ = self._popped(3)
                stack.append(self._called(called, arguments))
            case "OBJ":
                called, *arguments = self._marked()
                stack.append(self._called(called, tuple(arguments)))
            case "INST":
                called = _name(*argument.split(" ", 1))
                stack.append(self._called(called, tuple(self._marked())))
            case "PERSID":
                stack.append(self.persistent(argument))
            case "BINPERSID":
                stack.append(self.persistent(stack.pop()))
            case _:
                raise PickleError(f"opcode {opcode}")

    def _popped(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise PickleError("its stack is empty")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def _marked(self) -> list[Any]:
        """What was pushed since the last mark, taken off with it."""
        values: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        values.reverse()
        return values

    def _called(self, called: object, arguments: object) -> object:
        if not isinstance(called, Name):
            return Inert(type(called).__name__, arguments)
        rebuild = self.rebuilds.get(called.path)
        if rebuild is not None and isinstance(arguments, tuple):
            return rebuild(*arguments)
        return Inert(called.path, arguments)


def _with_entries(target: dict[Any, Any], flat: list[Any]) -> dict[Any, Any]:
    """``target`` with keys and values that alternate in ``flat``."""
    if len(flat) % 2:
        raise PickleError("a key has no value")
    pairs = zip(flat[::2], flat[1::2], strict=True)
    target.update({key: value for key, value in pairs if _is_plain(key)})
    return target


def _is_plain(key: object) -> bool:
    """Whether a dict's key is kept: others play no part, and hashing a nested one can crash."""
    if isinstance(key, int):
        return key.bit_length() < 64
    return key is None or isinstance(key, str | bytes | float)


def _members(*items: object) -> object:
    """A set, as the list of its members."""
    return items[0] if items else []


CONTAINERS: Final[Mapping[str, Rebuild]] = {
    "collections.OrderedDict": lambda *_: {},
    "collections.defaultdict": lambda *_: {},
    "builtins.set": _members,
    "builtins.frozenset": _members,
    "__builtin__.set": _members,
    "__builtin__.frozenset": _members,
}
"""Rebuilds of Python's own containers."""
