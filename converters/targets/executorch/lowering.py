"""Lowering a captured program to a ``.pte`` file, for one of ExecuTorch's delegates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.quiet import quiet
from mobilevit_edge.errors import ConversionError, MissingPackageError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from converters.export.options import ExportOptions


@dataclass(frozen=True)
class Delegate:
    """What a program is lowered for: arguments of ``to_edge_transform_and_lower``."""

    partitioner: Any
    arguments: Mapping[str, Any] = field(default_factory=dict)


def delegate_for(options: ExportOptions) -> Delegate:
    """The delegate that ``options`` name, at their precision.

    Raises:
        MissingPackageError: the Core ML delegate without coremltools.
    """
    with quiet():
        match options.backend:
            case "coreml":
                return _coreml(half=options.precision == "fp16")
            case "vulkan":
                from executorch.backends.vulkan.partitioner.vulkan_partitioner import (
                    VulkanPartitioner,
                )

                return Delegate(VulkanPartitioner({"force_fp16": options.precision == "fp16"}))
            case "xnnpack" if options.precision == "int8":
                from converters.targets.executorch.delegates import int8_delegate

                return int8_delegate()
            case "xnnpack":
                return xnnpack()


def xnnpack() -> Delegate:
    """XNNPACK in floating point."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    return Delegate(XnnpackPartitioner())


def _coreml(*, half: bool) -> Delegate:
    try:
        import coremltools
    except ImportError as error:
        raise MissingPackageError("coremltools") from error
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    precision = coremltools.precision.FLOAT16 if half else coremltools.precision.FLOAT32
    specs = CoreMLBackend.generate_compile_specs(compute_precision=precision)
    return Delegate(CoreMLPartitioner(compile_specs=specs))


def lower(
    program: ExportedProgram,
    delegate: Delegate,
    *,
    constant_methods: Mapping[str, Any] | None = None,
    etrecord: Path | None = None,
) -> bytes:
    """``program`` as a ``.pte`` file that ``delegate`` runs as far as it can.

    Args:
        program: what torch.export captured.
        delegate: of :func:`delegate_for` or :func:`xnnpack`.
        constant_methods: values that the file answers by name.
        etrecord: where to write what ExecuTorch's Inspector needs beside a profile.

    Raises:
        ConversionError: executorch refuses the program.
    """
    with quiet():
        from executorch.exir import to_edge_transform_and_lower
        from executorch.exir.pass_manager import ExportedProgramPassManager

        try:
            edge = to_edge_transform_and_lower(
                program,
                transform_passes=ExportedProgramPassManager([_constant_folding()]),
                partitioner=[delegate.partitioner],
                constant_methods=dict(constant_methods or {}),
                generate_etrecord=etrecord is not None,
                **delegate.arguments,
            ).to_executorch()
            if etrecord is not None:
                etrecord.parent.mkdir(parents=True, exist_ok=True)
                edge.get_etrecord().save(etrecord)
            return bytes(edge.buffer)
        # Lowering raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"executorch could not lower the model: {error}") from error


def _constant_folding() -> Any:
    """A pass that computes what depends on constants alone.

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
