"""ARM processors to emulate, as data: what QEMU emulates, and what the guest may read of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Processor:
    """One kind of core.

    Attributes:
        name: the value of ``--cpu``.
        emulated_as: QEMU's model and features.
        part: its number in the identification register, with Arm as implementer.
        variant: major revision.
        features: the names that Linux lists; runtimes choose their kernels by these.
        note: how the emulation differs from the processor; empty if it does not.
    """

    name: str
    emulated_as: str
    part: int
    variant: int
    features: tuple[str, ...]
    note: str = ""


_BASE: Final = ("fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "cpuid")
_DOT: Final = (*_BASE, "atomics", "fphp", "asimdhp", "asimdrdm", "lrcpc", "dcpop", "asimddp")
_MATRIX: Final = (*_DOT, "jscvt", "fcma", "i8mm", "bf16")

PROCESSORS: Final = {
    processor.name: processor
    for processor in (
        Processor("cortex-a53", "cortex-a53", 0xD03, 0, _BASE),
        Processor(
            "cortex-a55",
            "cortex-a76",
            0xD05,
            1,
            _DOT,
            note="QEMU has no Cortex-A55: a Cortex-A76 that says it is one, with its features",
        ),
        Processor("cortex-a76", "cortex-a76", 0xD0B, 4, _DOT),
        Processor(
            "max",
            "max,sve=off,sme=off",
            0xD49,
            0,
            _MATRIX,
            note="a Neoverse-N2 by name, with int8 matrix products and bfloat16, without SVE",
        ),
    )
}


def cpuinfo(processor: Processor) -> str:
    """``/proc/cpuinfo`` of one core."""
    lines = {
        "processor": "0",
        "BogoMIPS": "100.00",
        "Features": " ".join(processor.features),
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": f"0x{processor.variant:x}",
        "CPU part": f"0x{processor.part:03x}",
        "CPU revision": "1",
    }
    return "".join(f"{name}\t: {value}\n" for name, value in lines.items()) + "\n"
