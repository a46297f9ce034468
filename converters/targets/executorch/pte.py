"""Reading back what a ``.pte`` file holds: operators inside and outside its delegates."""

from __future__ import annotations

import json
import math
import re
import struct
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

from converters.quiet import quiet
from converters.targets.graph import Graph, Operator
from mobilevit_edge.errors import ConversionError

_XNNPACK: Final = "XnnpackBackend"
_MAGIC: Final = b"XH00"
_OFFSETS: Final = struct.Struct("<4x4sHII")
"""XNNPACK's payload header: magic, header size, then offset and size of the flatbuffer."""


def read_graph(path: Path) -> Graph:
    """The operators of a ``.pte`` file's ``forward``.

    Raises:
        ConversionError: the file cannot be read back.
    """
    with quiet():
        return _read_graph(path)


def _read_graph(path: Path) -> Graph:
    from executorch.exir._serialize._program import deserialize_pte_binary

    try:
        program = deserialize_pte_binary(path.read_bytes()).program
        plan = next(plan for plan in program.execution_plan if plan.name == "forward")
        delegated = [
            operator
            for delegate in plan.delegates
            for operator in _delegated_operators(
                delegate.id, bytes(program.backend_delegate_data[delegate.processed.index].data)
            )
        ]
    # Damaged bytes fail anywhere in the readers of executorch, with whatever those raise.
    except Exception as error:
        raise ConversionError(f"cannot read back {path}: {error!r}") from error
    return Graph(
        operators=(*delegated, *_outside_operators(plan)),
        products=frozenset({"BatchMatrixMultiply", "bmm", "mm", "matmul"}),
        gathers=frozenset({"index", "gather", "index_select", "im2col", "col2im", "embedding"}),
        resizes=frozenset({"StaticResizeBilinear2D", "upsample_bilinear2d", "upsample_nearest2d"}),
        delegates=len(plan.delegates),
        allowed_outside=frozenset(
            {
                "_to_copy",
                "_to_dim_order_copy",
                "permute_copy",
                "_softmax",
                "mean",
                "_clone_dim_order",
                "argmax",
            }
        ),
    )


def _outside_operators(plan: Any) -> Iterator[Operator]:
    """Kernel calls of the program itself."""
    for chain in plan.chains:
        for instruction in chain.instructions:
            call = instruction.instr_args
            if type(call).__name__ != "KernelCall":
                continue
            kind = plan.operators[call.op_index].name.removeprefix("aten::").split("::")[-1]
            shapes = [
                tuple(value.sizes)
                for value in (plan.values[index].val for index in call.args)
                if type(value).__name__ == "Tensor"
            ]
            yield Operator(
                kind=kind,
                module="",
                rank=max((len(shape) for shape in shapes), default=0),
                delegated=False,
                macs=_macs(kind, shapes),
            )


def _macs(kind: str, shapes: list[tuple[int, ...]]) -> int:
    """Multiply-adds of a product whose operands come first and whose output comes last."""
    if not shapes:
        return 0
    output = math.prod(shapes[-1])
    match kind:
        case "convolution":
            return output * math.prod(shapes[1][1:])
        case "linear" | "mm" | "bmm" | "matmul":
            return output * shapes[0][-1]
        case "addmm":
            return output * shapes[1][-1]
        case _:
            return 0


def _delegated_operators(delegate: str, payload: bytes) -> Iterator[Operator]:
    """Operators inside a delegate; one of unknown rank where its payload cannot be read here."""
    if delegate == _XNNPACK:
        yield from _xnnpack_operators(payload)
    else:
        yield Operator(kind=delegate, module="")


def _xnnpack_operators(payload: bytes) -> Iterator[Operator]:
    """Operators of XNNPACK's own graph, decoded with the schema that executorch ships."""
    from executorch.backends.xnnpack import serialization
    from executorch.exir._serialize._flatbuffer import _flatc_decompile

    magic, _, offset, size = _OFFSETS.unpack_from(payload)
    if magic != _MAGIC:
        raise ValueError("not a payload of XNNPACK")
    with tempfile.TemporaryDirectory() as folder:
        schema, binary = Path(folder) / "schema.fbs", Path(folder) / "graph.bin"
        schema.write_bytes((resources.files(serialization) / "schema.fbs").read_bytes())
        binary.write_bytes(payload[offset : offset + size])
        _flatc_decompile(folder, str(schema), str(binary))
        text = (Path(folder) / "graph.json").read_text()
        # Clamps without a bound are written as inf, which Python's JSON calls Infinity.
        graph = json.loads(re.sub(r"(?<=: )([-+]?)inf\b", r"\1Infinity", text).replace("+I", "I"))
    ranks = {
        _value(value)["id_out"]: len(_value(value).get("dims", ())) for value in graph["xvalues"]
    }
    for node in graph["xnodes"]:
        union = node["xnode_union"]
        outputs = [value for key, value in union.items() if key.startswith("output")]
        yield Operator(
            kind=node["xnode_union_type"].lstrip("_").removeprefix("XNN"),
            module="",
            rank=max((ranks.get(output, 0) for output in outputs), default=0),
        )


def _value(entry: dict[str, Any]) -> dict[str, Any]:
    """The tensor inside a value, quantized or not."""
    union: dict[str, Any] = entry["xvalue_union"]
    inner: dict[str, Any] = union.get("tensor_value", union)
    return inner
