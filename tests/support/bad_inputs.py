"""Bad documents made from a schema: every field with what it must not hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Key: TypeAlias = str | int
Node: TypeAlias = dict[str, Any]

_RAW: Final = "raw number: "
"""How a stand-in begins for a number that json.dumps would not write."""
_NUMBERS: Final = tuple(_RAW + number for number in ("1" + "0" * 400, "1e999", "-1e999"))
_LONG: Final = 10**6
_MANY: Final = 50_000


@dataclass(frozen=True)
class BadField:
    """A document with one value replaced."""

    path: tuple[Key, ...]
    what: str
    value: Any

    def __str__(self) -> str:
        return f"{'/'.join(map(str, self.path))} {self.what}"

    def text(self, good: Any) -> str:
        """The document's text."""
        return _as_text(_replaced(good, self.path, self.value))


def bad_fields(schema: Node, good: Any) -> Iterator[BadField]:
    """Each value of a document, and each list and object, replaced by what the schema forbids."""
    yield from _bad_node(schema, schema, good, ())


def bad_numbers(good: Any, path: tuple[Key, ...] = ()) -> Iterator[BadField]:
    """Each number of a document replaced by ones that no computer's number holds."""
    inner = good.items() if isinstance(good, dict) else enumerate(good)
    for key, value in inner:
        if isinstance(value, dict | list):
            yield from bad_numbers(value, (*path, key))
        elif type(value) in (int, float):
            yield from (BadField((*path, key), number[:20], number) for number in _NUMBERS)


def fields_without_limit(schema: Node) -> list[str]:
    """Places of a schema that let a text, a list or a whole number be as long as it likes."""
    return sorted(set(_without_limit(schema, "")))


def _bad_node(node: Node, schema: Node, good: Any, path: tuple[Key, ...]) -> Iterator[BadField]:
    given = _resolved(node, schema).get("oneOf", [node])
    choices = [_resolved(choice, schema) for choice in given]
    nullable = any("null" in _types(choice) for choice in choices)
    node = next(choice for choice in choices if _fits(choice, good))
    if path:
        for what, value in _wrong(node, nullable=nullable):
            yield BadField(path, what, value)
    if isinstance(good, dict):
        for name, inner in node.get("properties", {}).items():
            yield from _bad_node(inner, schema, good[name], (*path, name))
        if isinstance(node.get("additionalProperties"), dict):
            yield BadField(path, "with too many entries", dict.fromkeys(map(str, range(_MANY)), 1))
    if isinstance(good, list) and good:
        yield from _bad_node(node["items"], schema, good[0], (*path, 0))


def _wrong(node: Node, *, nullable: bool) -> Iterator[tuple[str, Any]]:
    if not nullable:
        yield "null", None
    types = _types(node)
    if "enum" in node or "const" in node:
        yield "another choice", "?"
        yield "a list instead of a choice", []
    elif "array" in types:
        yield "an object instead of a list", {}
        yield "a long list of nothing", [None] * _MANY
    elif "object" in types:
        yield "a list instead of an object", []
        yield (
            "with an unknown entry" if node.get("additionalProperties") is False else "a text",
            ({"unknown": 1} if node.get("additionalProperties") is False else "text"),
        )
    elif "string" in types:
        yield "a number instead of a text", 7
        yield "a text beyond all measure", "x" * _LONG
    elif "boolean" in types:
        yield "a number instead of a boolean", 1
    else:
        yield "a text instead of a number", "7"
        yield from ((f"{number[:20]}", number) for number in _NUMBERS)
        if "number" not in types:
            yield "a fraction", 1.5
        if "minimum" in node:
            yield "too small", node["minimum"] - 1
        if "maximum" in node:
            yield "too large", node["maximum"] + 1


def _types(node: Node) -> Sequence[str]:
    given = node.get("type", [])
    types: Sequence[str] = [given] if isinstance(given, str) else given
    return types if "enum" not in node or None not in node["enum"] else [*types, "null"]


def _fits(node: Node, good: Any) -> bool:
    kinds: Mapping[type, str] = {dict: "object", list: "array", type(None): "null"}
    return type(good) not in kinds or kinds[type(good)] in _types(node)


def _resolved(node: Node, schema: Node) -> Node:
    if "$ref" not in node:
        return node
    found: Node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return found


def _replaced(good: Any, path: Sequence[Key], value: Any) -> Any:
    if not path:
        return value
    copy: Any = list(good) if isinstance(good, list) else dict(good)
    copy[path[0]] = _replaced(good[path[0]], path[1:], value)
    return copy


def _as_text(content: Any) -> str:
    text = json.dumps(content)
    for number in _NUMBERS:
        text = text.replace(json.dumps(number), number.removeprefix(_RAW))
    return text


def _without_limit(node: Any, where: str) -> Iterator[str]:
    if isinstance(node, list):
        for part in node:
            yield from _without_limit(part, where)
    if not isinstance(node, dict):
        return
    types = _types(node) if isinstance(node.get("type", []), str | list) else []
    fixed = "enum" in node or "const" in node
    bounded_pattern = node.get("pattern", "").endswith("{64}$")
    if "string" in types and not (fixed or bounded_pattern or "maxLength" in node):
        yield f"{where}: a text"
    if "array" in types and "maxItems" not in node:
        yield f"{where}: a list"
    if "integer" in types and "maximum" not in node:
        yield f"{where}: a whole number"
    if isinstance(node.get("additionalProperties"), dict) and "maxProperties" not in node:
        yield f"{where}: an object"
    for name, inner in node.items():
        yield from _without_limit(inner, f"{where}/{name}")
