"""What a program is lowered for: XNNPACK, Core ML or Vulkan, each as executorch's partitioner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from converters.job.options import LoweredFor
from converters.job.precisions import Precision
from converters.quiet import quiet
from converters.targets.coreml.library import import_coremltools
from mobilevit_edge.errors import MissingPackageError

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def delegate_for(name: LoweredFor, precision: Precision) -> Any:
    """The partitioner of the delegate of this name, at a precision.

    Raises:
        MissingPackageError: the Core ML delegate without coremltools.
    """
    with quiet():
        match name:
            case "coreml":
                return _coreml(fp16=precision == "fp16")
            case "vulkan":
                return _vulkan(fp16=precision == "fp16")
            case "xnnpack":
                return xnnpack_int8() if precision == "int8" else xnnpack()


def xnnpack(configs: Sequence[Any] | None = None) -> Any:
    """XNNPACK in floating point, or by its rules ``configs``.

    Lowering is spared two of its three decompositions. They find out which of the operators that
    XNNPACK takes whole, such as linear layers, it takes here. Where it takes all of them, the
    partitioner says that there is no condition.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    class Partitioner(XnnpackPartitioner):  # type: ignore[misc] # untyped base
        def ops_to_not_decompose(self, ep: ExportedProgram) -> tuple[list[Any], Any]:
            whole, takes = super().ops_to_not_decompose(ep)
            found = [node for node in ep.graph.nodes if node.target in whole]
            return whole, None if all(map(takes, found)) else takes

    return Partitioner(configs=configs)


def xnnpack_int8() -> Any:
    """XNNPACK for programs of :mod:`converters.precision.pt2e`.

    With the int8 sigmoid that its runtime has but its rules do not offer: between a dequantization
    and a quantization it runs as a table of 256 entries.
    """
    from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
    from executorch.backends.xnnpack.partition.config.generic_node_configs import SigmoidConfig
    from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType

    class Int8SigmoidConfig(SigmoidConfig):  # type: ignore[misc] # untyped base
        def supported_precision_types(self) -> list[ConfigPrecisionType]:
            """Float as before, and int8."""
            return [ConfigPrecisionType.FP32, ConfigPrecisionType.STATIC_QUANT]

    others = [config for config in ALL_PARTITIONER_CONFIGS if config is not SigmoidConfig]
    return xnnpack(configs=[*others, Int8SigmoidConfig])


def _coreml(*, fp16: bool) -> Any:
    # Its compiler is coremltools.
    try:
        import_coremltools()
        from converters.targets.coreml.compute import float_precision
    except ImportError as error:
        raise MissingPackageError("coremltools") from error
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    specs = CoreMLBackend.generate_compile_specs(compute_precision=float_precision(fp16=fp16))
    return CoreMLPartitioner(compile_specs=specs)


def _vulkan(*, fp16: bool) -> Any:
    from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner

    return VulkanPartitioner({"force_fp16": fp16})
