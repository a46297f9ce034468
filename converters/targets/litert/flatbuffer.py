"""The flatbuffer of a ``.tflite`` file as Python objects, and back."""

from __future__ import annotations

from typing import Any, Final

from converters.quiet import quiet

with quiet():
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

__all__ = ["kind_of", "pack", "schema", "unpack"]

_BUILTINS: Final = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


def unpack(content: bytes) -> Any:
    """A ``ModelT`` of LiteRT's schema."""
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def pack(model: Any) -> bytes:
    """The file of a ``ModelT``."""
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def kind_of(code: Any) -> str:
    """An operator's name as the format spells it; that of a custom operator after its kind."""
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    if builtin == schema.BuiltinOperator.CUSTOM:
        return f"CUSTOM {code.customCode.decode(errors='replace')}"
    return str(_BUILTINS[builtin])
