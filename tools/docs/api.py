"""The public names of the three packages, for Sphinx to fill in from their docstrings."""

from __future__ import annotations

import inspect
from types import ModuleType

import benchmarks
import converters
import mobilevit_edge


def api() -> str:
    """A section for each package, and an entry for each of its public names."""
    return "\n\n".join(map(_section, (mobilevit_edge, converters, benchmarks)))


def _section(package: ModuleType) -> str:
    name = package.__name__
    # converters' names are mobilevit_edge's as well, which describes them.
    fresh = [each for each in package.__all__ if not _is_described(package, each)]
    entries = [_entry(package, each) for each in fresh]
    again = [f"`{each}`" for each in package.__all__ if each not in fresh]
    parts = [f"## {name}", (inspect.getdoc(package) or "").partition("\n\n")[0], *entries]
    parts += [f"The same as in `mobilevit_edge`: {', '.join(again)}."] if again else []
    return "\n\n".join(parts)


def _is_described(package: ModuleType, name: str) -> bool:
    return package is not mobilevit_edge and name in mobilevit_edge.__all__


def _entry(package: ModuleType, name: str) -> str:
    value = getattr(package, name)
    if inspect.ismodule(value):
        return f"**{name}**: {(inspect.getdoc(value) or '').partition('.')[0]}."
    kind = "class" if inspect.isclass(value) else "function"
    members = "\n   :members:" if kind == "class" else ""
    return f"```{{eval-rst}}\n.. auto{kind}:: {package.__name__}.{name}{members}\n```"
