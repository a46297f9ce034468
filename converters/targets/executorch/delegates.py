"""XNNPACK's partitioner with the int8 sigmoid that its runtime has but its rules do not offer."""

from __future__ import annotations

from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
from executorch.backends.xnnpack.partition.config.generic_node_configs import SigmoidConfig
from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeCompileConfig

from converters.targets.executorch.lowering import Delegate


class Int8SigmoidConfig(SigmoidConfig):  # type: ignore[misc] # untyped base
    """A sigmoid between a dequantization and a quantization runs as a table of 256 entries."""

    def supported_precision_types(self) -> list[ConfigPrecisionType]:
        """Float as before, and int8."""
        return [ConfigPrecisionType.FP32, ConfigPrecisionType.STATIC_QUANT]


def int8_delegate() -> Delegate:
    """XNNPACK for programs of :mod:`converters.precision.pt2e`."""
    others = [config for config in ALL_PARTITIONER_CONFIGS if config is not SigmoidConfig]
    return Delegate(
        XnnpackPartitioner(configs=[*others, Int8SigmoidConfig]),
        # The check refuses the operators on integers that the delegate takes.
        {"compile_config": EdgeCompileConfig(_check_ir_validity=False)},
    )
