"""The precisions: one row each, read by whoever needs to know about one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from mobilevit_edge.formats.manifest import TargetName, Unit

Precision: TypeAlias = Literal[
    "fp32",
    "fp16",
    "int8",
    "int8-dynamic",
    "int8-weight-only",
    "palette-6bit",
    "palette-4bit",
    "w8a16",
    "w8a8",
    "mixed",
]


@dataclass(frozen=True)
class PrecisionSpec:
    """What is known of a precision.

    Attributes:
        targets: those that can make it.
        units: the processors whose graphs it is made for, where a target has several.
        max_error: how far an artifact's output may be from the reference's, as a share of the
            largest output.
        quantized: whether integers or palettes hold its weights, so that labeled photos and not
            ``max_error`` alone judge it.
        calibrated: whether images set its ranges.
        oldest_ios: the first iOS whose Core ML has it.
        palette_bits: bits of a weight's place in its palette.
        min_sqnr_db: the least signal-to-quantization-noise ratio over all inputs; ``None`` where
            ``max_error`` is stricter.
    """

    name: Precision
    targets: tuple[TargetName, ...]
    max_error: float
    units: tuple[Unit, ...] = ("cpu",)
    quantized: bool = False
    calibrated: bool = False
    oldest_ios: int = 15
    palette_bits: int | None = None
    min_sqnr_db: float | None = None

    @property
    def device_tolerance(self) -> float:
        """How far two devices' answers may lie apart with one artifact, as ``max_error``."""
        return _SAME_QUANTIZED_ARTIFACT if self.quantized else self.max_error

    @property
    def npu_tolerance(self) -> float:
        """How far the NPU's answers may be from the processor's, as a share of the largest output.

        It computes in fp16 whatever the file says, and comes to 0.07 on photos; where fp16 goes
        into integers, which it often rounds to a neighbor, to 0.14 (docs/howto/npu.md).
        """
        return 0.25 if self.quantized else 0.1


_SAME_QUANTIZED_ARTIFACT: Final = 0.1
"""int8 kernels of two processors round ties and scales differently: up to 0.063 between x86 and ARM
with random weights (docs/measurements/arm.md)."""

_NPU_PRECISIONS: Final[tuple[Precision, ...]] = ("w8a16", "w8a8", "mixed")

PRECISIONS: Final[Mapping[str, PrecisionSpec]] = MappingProxyType(
    {
        row.name: row
        for row in (
            # Ten times what the order of sums alone moves in the widest model (2e-6); ONNX Runtime,
            # which sums in sequence, comes to 1.1e-5 there with or without rewrites.
            PrecisionSpec("fp32", ("onnx", "executorch", "coreml", "litert"), 2e-5, ("cpu", "npu")),
            # 11 bits a value, 5e-4, grown over some sixty layers in sequence.
            PrecisionSpec("fp16", ("onnx", "executorch", "coreml", "litert"), 2e-2, ("cpu", "npu")),
            PrecisionSpec(
                "int8",
                ("onnx", "executorch", "coreml", "litert"),
                0.5,
                quantized=True,
                calibrated=True,
                oldest_ios=17,
                min_sqnr_db=10.0,
            ),
            PrecisionSpec(
                "int8-dynamic",
                ("onnx", "executorch", "litert"),
                0.5,
                quantized=True,
                min_sqnr_db=10.0,
            ),
            PrecisionSpec(
                "int8-weight-only",
                ("onnx", "coreml", "litert"),
                0.1,
                quantized=True,
                oldest_ios=16,
                min_sqnr_db=20.0,
            ),
            # Sixteen or 64 values for a whole tensor: labeled photos judge them.
            PrecisionSpec(
                "palette-6bit",
                ("coreml",),
                0.5,
                quantized=True,
                oldest_ios=16,
                palette_bits=6,
                min_sqnr_db=12.0,
            ),
            PrecisionSpec(
                "palette-4bit",
                ("coreml",),
                1.5,
                quantized=True,
                oldest_ios=16,
                palette_bits=4,
                min_sqnr_db=6.0,
            ),
            # Weights in 8 bits, activations in 16 or 8; the NPU's fp16 where these are no use.
            *(
                PrecisionSpec(
                    name,
                    ("onnx",),
                    0.5,
                    ("npu",),
                    quantized=True,
                    calibrated=True,
                    min_sqnr_db=10.0,
                )
                for name in _NPU_PRECISIONS
            ),
        )
    }
)
"""Every precision by name."""
