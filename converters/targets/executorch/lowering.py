"""Lowering a captured program to a ``.pte`` file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.quiet import quiet
from converters.targets.executorch.xnnpack_passes import needed_passes
from mobilevit_edge.errors import ConversionError

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def lower(
    program: ExportedProgram,
    partitioner: Any,
    *,
    constant_methods: Mapping[str, Any] | None = None,
    etrecord: Path | None = None,
) -> bytes:
    """``program`` as a ``.pte`` file that a delegate runs as far as it can.

    Args:
        program: what torch.export captured.
        partitioner: the delegate's, of :mod:`converters.targets.executorch.delegates`.
        constant_methods: values that the file answers by name.
        etrecord: where to write what ExecuTorch's Inspector needs beside a profile.

    Raises:
        ConversionError: executorch refuses the program.
    """
    with quiet(), needed_passes():
        from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
        from executorch.exir.pass_manager import ExportedProgramPassManager

        try:
            edge = to_edge_transform_and_lower(
                program,
                transform_passes=ExportedProgramPassManager([_constant_folding()]),
                partitioner=[partitioner],
                # A tenth of the work: after each pass it runs the graph to see what types meet. Of
                # int8 it refuses what the delegate takes, and the file is run before it is kept.
                compile_config=EdgeCompileConfig(_check_ir_validity=False),
                constant_methods=dict(constant_methods or {}),
                generate_etrecord=etrecord is not None,
            ).to_executorch()
            if etrecord is not None:
                etrecord.parent.mkdir(parents=True, exist_ok=True)
                edge.get_etrecord().save(etrecord)
            return bytes(edge.buffer)
        # Lowering raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"executorch could not lower the model: {error}") from error


def _constant_folding() -> Any:
    """A pass that computes what depends only on constants.

    In fp16 every Python number becomes an fp32 constant and a conversion, which would run outside
    the delegate at every inference.
    """
    from executorch.exir.pass_base import ExportedProgramPassBase, ExportedProgramPassResult
    from executorch.exir.passes.constant_prop_pass import constant_prop_pass

    class ConstantFolding(ExportedProgramPassBase):  # type: ignore[misc]  # untyped base
        def call(self, exported_program: ExportedProgram) -> Any:
            folded = constant_prop_pass(exported_program, _skip_dim_order=False)
            return ExportedProgramPassResult(folded, modified=True)

    return ConstantFolding()
