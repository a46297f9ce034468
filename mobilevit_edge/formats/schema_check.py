"""Judging a JSON document by one of our schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from itertools import islice
from typing import Any, Final

import jsonschema
from jsonschema.protocols import Validator

_MAX_MESSAGE: Final = 300
_MAX_PROBLEMS: Final = 50
"""Of a document, and of each list in it: a million wrong entries are as wrong as these."""
_STANDARD: Final = jsonschema.Draft202012Validator
_OBJECT_KEYWORDS: Final = ("additionalProperties", "propertyNames")


def problem_in(plain: object, schema: str) -> str | None:
    """Where the file ``schemas/schema`` does not allow a document, and why, or ``None``."""
    problems = islice(_validator(schema).iter_errors(plain), _MAX_PROBLEMS)
    problem = jsonschema.exceptions.best_match(problems)
    if problem is None:
        return None
    where = "/".join(str(part) for part in problem.absolute_path) or "the top level"
    message = problem.message
    # It quotes the value, which may be the whole file.
    if len(message) > _MAX_MESSAGE:
        message = f"{message[:_MAX_MESSAGE]}..."
    return f"{where}: {message}"


@lru_cache
def _validator(schema: str) -> Any:
    text = (resources.files("mobilevit_edge") / "schemas" / schema).read_text("utf-8")
    keywords = {"items": _items, **{name: _of_object(name) for name in _OBJECT_KEYWORDS}}
    class_ = jsonschema.validators.extend(_STANDARD, keywords)  # type: ignore[no-untyped-call]
    return class_(json.loads(text))


def _items(
    validator: Validator, items: Mapping[str, Any], instance: Any, schema: Mapping[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """The keyword ``items``: nothing of a list that is too long, and fast for whole numbers.

    A report holds up to millions of samples, for each of which jsonschema would walk through the
    schema; that takes longer than measuring them did.
    """
    if not isinstance(instance, list) or len(instance) > schema.get("maxItems", len(instance)):
        return
    whole = items.get("type") == "integer" and items.keys() == {"type", "minimum", "maximum"}
    if whole:
        least, most = items["minimum"], items["maximum"]
        if all(type(value) is int and least <= value <= most for value in instance):
            return
    # Everything else is judged, and worded, by jsonschema itself.
    found = _STANDARD.VALIDATORS["items"](validator, items, instance, schema)
    yield from islice(found, _MAX_PROBLEMS)


def _of_object(keyword: str) -> Callable[..., Iterator[jsonschema.ValidationError]]:
    """A keyword about an object's entries: nothing of an object that has too many."""

    def judge(
        validator: Validator, value: Any, instance: Any, schema: Mapping[str, Any]
    ) -> Iterator[jsonschema.ValidationError]:
        if not isinstance(instance, dict):
            return
        if len(instance) <= schema.get("maxProperties", len(instance)):
            found = _STANDARD.VALIDATORS[keyword](validator, value, instance, schema)
            yield from islice(found, _MAX_PROBLEMS)

    return judge
