"""Compiled contexts as files: an ONNX graph of one node that holds what the NPU loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mobilevit_edge.errors import ConversionError

_NODE: Final = "EPContext"
"""The node that stands for what a provider has compiled."""
_CONTENT: Final = "ep_cache_context"
_EMBEDDED: Final = "embed_mode"
_SDK: Final = "ep_sdk_version"


@dataclass(frozen=True)
class Context:
    """What is known of a compiled context.

    Attributes:
        sdk: version of the SDK that compiled it.
        bytes: its size.
    """

    sdk: str
    bytes: int


def read_context(path: Path) -> Context:
    """What a file of a compiled context holds.

    Raises:
        ConversionError: it is none, holds more than one node, or refers to another file.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, OSError) as error:
        raise ConversionError(f"{path.name} is not a compiled context: {error}") from error
    kinds = [node.op_type for node in graph.node]
    if kinds != [_NODE]:
        raise ConversionError(
            f"the compiled file holds {', '.join(kinds)} where one {_NODE} is all: another version "
            f"of onnxruntime-qnn may tell more"
        )
    values: dict[str, Any] = {
        attribute.name: onnx.helper.get_attribute_value(attribute)
        for attribute in graph.node[0].attribute
    }
    content = values.get(_CONTENT, b"")
    if values.get(_EMBEDDED) != 1 or not isinstance(content, bytes):
        raise ConversionError(f"the compiled file {path.name} refers to another file")
    sdk = values.get(_SDK, b"")
    return Context(sdk.decode(errors="replace").removeprefix("v") or "unknown", len(content))
