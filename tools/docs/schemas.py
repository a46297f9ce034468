"""Every field of a JSON schema, with its type and meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from tools.docs.markdown import code, table

_Schema = Mapping[str, Any]


def schema_fields(name: str) -> str:
    """A table of the whole schema, and one for each part that several fields share.

    Args:
        name: a file of ``mobilevit_edge/schemas``.
    """
    text = (resources.files("mobilevit_edge") / "schemas" / name).read_text("utf-8")
    schema: _Schema = json.loads(text)
    parts = [f"## {schema['title']}", schema.get("description", ""), _table(_fields(schema, ""))]
    for part, definition in schema.get("$defs", {}).items():
        parts += [f"### {part}", definition.get("description", "")]
        fields = list(_fields(definition, ""))
        parts.append(_table(fields) if fields else _type(definition))
    return "\n\n".join(part for part in parts if part)


def _table(fields: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    return table(("field", "type", "meaning"), fields)


def _fields(schema: _Schema, path: str) -> Iterator[Sequence[str]]:
    for part in _objects(schema):
        required = part.get("required", ())
        for name, content in part.get("properties", {}).items():
            at = f"{path}{name}"
            note = content.get("description", "")
            optional = "" if name in required else " (may be absent)"
            yield code(at), _type(content) + optional, note
            yield from _fields(content, f"{at}.")
    if isinstance(schema.get("items"), dict):
        yield from _fields(schema["items"], f"{path.removesuffix('.')}[].")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _fields(schema["additionalProperties"], f"{path}*.")


def _objects(schema: _Schema) -> Iterator[_Schema]:
    """The schema itself, and its alternatives that are objects."""
    if "properties" in schema:
        yield schema
    for alternatives in ("oneOf", "anyOf", "allOf"):
        for alternative in schema.get(alternatives, ()):
            yield from _objects(alternative)


def _type(schema: _Schema) -> str:
    if "$ref" in schema:
        part = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{part}](#{part})"
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        return ", ".join(code(json.dumps(value)) for value in schema["enum"])
    for alternatives in ("oneOf", "anyOf"):
        if alternatives in schema:
            return " or ".join(_type(each) for each in schema[alternatives])
    kind = schema.get("type", "object")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if text == "array":
        items = schema.get("items")
        text = f"array of {_type(items)}" if isinstance(items, dict) else text
    return " ".join(filter(None, (text, _bounds(schema))))


def _bounds(schema: _Schema) -> str:
    names = (
        ("minimum", "≥ {}"),
        ("exclusiveMinimum", "> {}"),
        ("maximum", "≤ {}"),
        ("minLength", "from {} characters"),
        ("maxLength", "up to {} characters"),
        ("minItems", "from {} items"),
        ("maxItems", "up to {} items"),
        ("pattern", "matching `{}`"),
    )
    found = [text.format(_number(schema[name])) for name, text in names if name in schema]
    return f"({', '.join(found)})" if found else ""


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
