"""Comparing dataclasses with the schema that defines them."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from importlib import resources
from typing import Any

Node = dict[str, Any]


def read_schema(name: str) -> Node:
    """A schema file of the package."""
    path = resources.files("mobilevit_edge") / "schemas" / name
    schema: Node = json.loads(path.read_text("utf-8"))
    return schema


def differences(class_: type, schema: Node) -> list[str]:
    """Every place where a dataclass, or one inside it, differs from its part of the schema."""
    return _in_class(class_, schema, schema, class_.__name__)


def _in_class(class_: type, node: Node, schema: Node, where: str) -> list[str]:
    hints = typing.get_type_hints(class_)
    fields = [field.name for field in dataclasses.fields(class_)]
    problems = []
    # What came later may be absent from older documents, and has a default.
    optional = [name for name in node["properties"] if name not in node["required"]]
    if not fields == list(node["properties"]) == [*node["required"], *optional]:
        problems.append(f"{where}: {fields} against {node['required']} and {optional}")
    problems += [
        f"{where}.{field.name} is optional and has no default"
        for field in dataclasses.fields(class_)
        if field.name in optional and field.default is dataclasses.MISSING
    ]
    if node["additionalProperties"] is not False:
        problems.append(f"{where} accepts unknown fields")
    for name in fields:
        problems += _in_field(hints[name], node["properties"][name], schema, f"{where}.{name}")
    return problems


def _in_field(hint: Any, node: Node, schema: Node, where: str) -> list[str]:
    node = _resolved(node, schema)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _in_class(typing.cast(type, hint), node, schema, where)
    if origin is tuple and arguments[-1] is ...:
        if "items" not in node:
            return [f"{where} is not a list of any length"]
        items = _resolved(node["items"], schema)
        kinds = typing.get_args(arguments[0]) if "oneOf" in items else (arguments[0],)
        return [
            problem
            for kind, choice in zip(kinds, items.get("oneOf", [items]), strict=True)
            for problem in _in_field(kind, choice, schema, f"{where}[]")
        ]
    if origin is tuple:
        same = node["minItems"] == node["maxItems"] == len(arguments)
        return [] if same else [f"{where} has another length"]
    if origin is typing.Literal:
        choices = set(node.get("enum", [node.get("const")]))
        return [] if choices == set(arguments) else [f"{where} has other choices"]
    if origin is types.UnionType:
        if "null" not in json.dumps(node):
            return [f"{where} may be None but not null"]
        values = [choice for choice in node.get("oneOf", ()) if choice != {"type": "null"}]
        return _in_field(arguments[0], values[0], schema, where) if values else []
    return []


def _resolved(node: Node, schema: Node) -> Node:
    if "$ref" not in node:
        return node
    found: Node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return found
