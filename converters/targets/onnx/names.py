"""Names of nodes: ``layer3.1.layers.0.attention/Conv_17``, after the module they came from."""

from __future__ import annotations

from typing import Final

_SEPARATOR: Final = "/"


def node_name(module: str, title: str) -> str:
    """The name of a node that came from ``module``."""
    return f"{module}{_SEPARATOR}{title}"


def module_of(name: str) -> str:
    """Path of the module that the node of this name came from; empty where it does not say."""
    module, separator, _ = name.partition(_SEPARATOR)
    return module if separator else ""
