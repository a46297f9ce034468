"""Every exact rewrite with its algebra, from the header of its own file."""

from __future__ import annotations

import inspect
import sys
from typing import Final

from converters.rewrites import REWRITES
from converters.rewrites.base import Rewrite
from tools.docs.markdown import code

_NPU: Final = "converters.rewrites.npu."


def rewrites() -> str:
    """A section for each rewrite, those for NPUs after the others."""
    everywhere = [each for each in REWRITES.values() if not _module(each).startswith(_NPU)]
    npu = [each for each in REWRITES.values() if _module(each).startswith(_NPU)]
    parts = ["## For processors", *map(_section, everywhere), "## For NPUs", *map(_section, npu)]
    return "\n\n".join(parts)


def _section(rewrite: Rewrite) -> str:
    header = inspect.getdoc(sys.modules[_module(rewrite)]) or ""
    needs = ", ".join(map(code, rewrite.requires))
    parts = [
        f"### {rewrite.name}",
        f"> {_as_code(rewrite.identity)}",
        header.replace("``", "`"),
        f"Comes after {needs}." if needs else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _as_code(identity: str) -> str:
    return identity if "`" in identity else code(identity)


def _module(rewrite: Rewrite) -> str:
    # Each rewrite's own function lies in its file.
    return rewrite.apply.__module__
