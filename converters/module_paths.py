"""Which module of a network the nodes of a captured program came from."""

from __future__ import annotations

from typing import Any, Final

from torch import fx

NETWORK: Final = "model."
"""The path of the network in an exported module."""


def module_stack(node: fx.Node) -> list[tuple[str, Any]]:
    """Path and class of every module around a node, outermost first."""
    return list((node.meta.get("nn_module_stack") or {}).values())


def module_path(node: fx.Node) -> str:
    """Dotted path of the module that a node came from, as the exported module names it."""
    stack = module_stack(node)
    return str(stack[-1][0]) if stack else ""


def network_path(node: fx.Node) -> str:
    """The same path inside the network, as users know it; empty for what lies outside of it."""
    path = module_path(node)
    return path.removeprefix(NETWORK) if path.startswith(NETWORK) else ""
