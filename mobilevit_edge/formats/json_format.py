"""JSON documents that are defined by a schema and mirrored by dataclasses.

The schema is checked on the way out and in, so that neither a defect here nor a damaged or hostile
file gets past it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from itertools import islice
from typing import Any, Final, Generic, TypeVar

import cattrs
import jsonschema
from jsonschema.protocols import Validator

from mobilevit_edge.errors import MobileViTEdgeError

Content = TypeVar("Content")

_MAX_MESSAGE: Final = 300
_MAX_PROBLEMS: Final = 50
"""Of a document, and of each list in it: a million wrong entries are as wrong as these."""
_STANDARD: Final = jsonschema.Draft202012Validator
_OBJECT_KEYWORDS: Final = ("additionalProperties", "propertyNames")


@dataclass(frozen=True)
class JsonFormat(Generic[Content]):
    """One kind of document: the dataclass ``content``, defined by the file ``schemas/schema``.

    ``error`` is raised where a document is not valid; ``remedy`` says what to do about a document
    of another schema version. ``upgrades`` makes documents of older versions into those of
    ``version``; they may be anything but of another type than an object.
    """

    content: type[Content]
    schema: str
    version: int
    error: type[MobileViTEdgeError]
    remedy: str
    upgrades: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=dict)

    def to_json(self, content: Content, origin: str, *, indent: int | None = None) -> str:
        """``content`` as JSON text; ``origin`` names it in messages.

        Raises:
            MobileViTEdgeError: ``error``, if the schema does not allow the content.
        """
        plain = cattrs.unstructure(content)
        text = json.dumps(plain, indent=indent, ensure_ascii=False, allow_nan=False)
        # Tuples become lists on the way through JSON; the schema judges the JSON form.
        self._check(json.loads(text), origin)
        return text + "\n"

    def from_json(self, text: str, origin: str) -> Content:
        """The content of JSON text; ``origin`` names it in messages.

        Raises:
            MobileViTEdgeError: ``error``, if it is not JSON, of another schema version, or not
                allowed by the schema.
        """
        try:
            plain = json.loads(text, parse_constant=_refuse_constant, parse_float=_number)
        except (ValueError, RecursionError) as error:
            raise self.error(f"{origin} is not JSON: {error}") from error
        version = plain.get("schema_version") if isinstance(plain, dict) else None
        # True == 1 would find an upgrade, and a list has no hash.
        if type(version) is int and version in self.upgrades:
            plain = self.upgrades[version](plain)
        elif type(version) is not int or version != self.version:
            raise self.error(
                f"{origin} has schema version {version!r:.60}, this version reads {self.version}: "
                f"{self.remedy}, or update mobilevit-edge"
            )
        self._check(plain, origin)
        try:
            return cattrs.structure(plain, self.content)
        # A schema's numbers have no end, and Python's have one.
        except (OverflowError, cattrs.BaseValidationError) as error:
            raise self.error(f"{origin} holds a number that is too large for one") from error

    def _check(self, plain: object, origin: str) -> None:
        problems = islice(_validator(self.schema).iter_errors(plain), _MAX_PROBLEMS)
        problem = jsonschema.exceptions.best_match(problems)
        if problem is not None:
            where = "/".join(str(part) for part in problem.absolute_path) or "the top level"
            message = problem.message
            # It quotes the value, which may be the whole file.
            if len(message) > _MAX_MESSAGE:
                message = f"{message[:_MAX_MESSAGE]}..."
            raise self.error(f"{origin} is not valid at {where}: {message}")


def _refuse_constant(name: str) -> float:
    """Refuse NaN and Infinity, which are not JSON: a NaN tolerance would let anything pass."""
    raise ValueError(f"{name} is not a number")


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits:.20} is too large for a number")
    return value


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
