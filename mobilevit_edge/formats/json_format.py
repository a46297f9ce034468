"""JSON documents that are defined by a schema and mirrored by dataclasses.

The schema is checked on the way out and in, so that neither a defect here nor a damaged or hostile
file gets past it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mobilevit_edge.errors import MobileViTEdgeError

Content = TypeVar("Content")


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
        import cattrs

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
        import cattrs

        try:
            return cattrs.structure(plain, self.content)
        # A schema's numbers have no end, and Python's have one.
        except (OverflowError, cattrs.BaseValidationError) as error:
            raise self.error(f"{origin} holds a number that is too large for one") from error

    def _check(self, plain: object, origin: str) -> None:
        # Here, not above: a process that measures reads no document, and starts sooner without.
        from mobilevit_edge.formats.schema_check import problem_in

        problem = problem_in(plain, self.schema)
        if problem is not None:
            raise self.error(f"{origin} is not valid at {problem}")


def _refuse_constant(name: str) -> float:
    """Refuse NaN and Infinity, which are not JSON: a NaN tolerance would let anything pass."""
    raise ValueError(f"{name} is not a number")


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits:.20} is too large for a number")
    return value
