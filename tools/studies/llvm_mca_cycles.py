"""Cycles of one inference by LLVM's models of ARM cores: nearer to time than a count, and no time.

    python -m tools.studies.llvm_mca_cycles BUNDLE BUNDLE... [--cpu cortex-a55] [--core cortex-a510]

The hottest blocks of straight code of an emulated processor, each repeated as a loop of its own in
``llvm-mca``. Caches, branches and what overlaps between blocks are not in it.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.arm.counting import inputs_of
from benchmarks.arm.emulation import emulate
from benchmarks.arm.machine_code import Block
from benchmarks.arm.processors import PROCESSORS
from benchmarks.arm.toolchain import EmulatedTarget, default_folder, set_up
from benchmarks.output.table import Table, print_table, wide_console
from mobilevit_edge.errors import ToolchainError
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.processes import run_program

_CORES: Final = ("neoverse-n1", "cortex-a55", "neoverse-v2", "cortex-a510")
"""Close to Cortex-A76 and X3, and the two kinds of small cores."""
_WEIGHER: Final = "llvm-mca-19"
_DISASSEMBLER: Final = "aarch64-linux-gnu-objdump"
_HOTTEST: Final = 150
_REPEATED: Final = 100
_MEGA: Final = 1e6
_ADDRESS: Final = re.compile(r"(?<!#)0x[0-9a-f]+(?: <.*>)?$")
_OF_ADDRESSES: Final = re.compile(r"(b|bl|b\.\w+|cbn?z|tbn?z|adrp?|ldr(sw)?)\s")


def main() -> None:
    """Emulate, weigh, and print a table in millions of cycles, and ratios to the first bundle."""
    parser = ArgumentParser(description="Cycles by LLVM's models of ARM cores.")
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    parser.add_argument("--cpu", choices=PROCESSORS, default="cortex-a76", help="that is emulated")
    parser.add_argument("--core", nargs="+", default=_CORES, metavar="CORE")
    parser.add_argument("--toolchain", type=Path, default=default_folder(), metavar="DIR")
    arguments = parser.parse_args()
    if not shutil.which(_WEIGHER):
        raise ToolchainError(f"this needs {_WEIGHER}; on Debian 12: apt-get install llvm-19")
    toolchain = set_up(arguments.toolchain.resolve(), lambda step: None)
    rows: list[tuple[str, ...]] = []
    first: list[float] = []
    for path in track(arguments.bundles, "weighing", console=Console(stderr=True)):
        bundle = read_bundle(path)
        target = cast("EmulatedTarget", bundle.manifest.target)
        calls = [inputs_of(bundle, None)]
        found = emulate(toolchain, PROCESSORS[arguments.cpu], target, bundle.model_path, calls)
        blocks = found.blocks
        hottest, every = blocks[:_HOTTEST], sum(block.instructions for block in blocks)
        listing = disassemble(hottest)
        weights = [weigh(hottest, listing, core) / _MEGA for core in arguments.core]
        first = first or weights
        share = sum(block.instructions for block in hottest) / every
        cells = (f"{w:.1f} ({w / f:.3f})" for w, f in zip(weights, first, strict=True))
        rows.append((path.name, f"{every / _MEGA:.1f}", f"{share:.1%}", *cells))
    print_table(
        wide_console(),
        Table(
            title=f"cycles by LLVM's models, emulated {arguments.cpu}, millions an inference",
            columns=("bundle", "instructions", "weighed", *arguments.core),
            rows=tuple(rows),
        ),
    )


def disassemble(blocks: Sequence[Block]) -> list[list[str]]:
    """Each block's instructions as an assembler takes them, every address being ``loop``."""
    words = np.array([word for block in blocks for word in block.words], "<u4")
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "code"
        code.write_bytes(words.tobytes())
        command = [_DISASSEMBLER, "--disassemble-all", "--disassemble-zeroes"]
        command += ["--target=binary", "--architecture=aarch64", str(code)]
        text = run_program(command, f"{_DISASSEMBLER} failed")
    # "   4:\t4e22c400 \tfmaxnm\tv0.4s, v0.4s, v2.4s  // a remark"
    fields = (
        line.split("\t", 2) for line in text.splitlines() if re.match(r"\s*[0-9a-f]+:\t", line)
    )
    instructions = iter([_assembler(f[2]) for f in fields])
    return [[next(instructions) for _ in block.words] for block in blocks]


def _assembler(text: str) -> str:
    text = text.split("//")[0].strip().replace("\t", " ")
    return _ADDRESS.sub("loop", text) if _OF_ADDRESSES.match(text) else text


def weigh(blocks: Sequence[Block], listing: Sequence[Sequence[str]], core: str) -> float:
    """Cycles of all executions of the blocks.

    Raises:
        ToolchainError: the model does not know the core or an instruction.
    """
    source = ["loop:"]
    for instructions in listing:
        source += ["# LLVM-MCA-BEGIN", *instructions, "# LLVM-MCA-END"]
    command = [_WEIGHER, "-mtriple=aarch64-linux-gnu", "-mattr=+v8.2a,+dotprod,+fullfp16"]
    command += [f"-mcpu={core}", f"-iterations={_REPEATED}", "-instruction-info=0"]
    command += ["-resource-pressure=0"]
    text = run_program(command, f"{_WEIGHER} failed", given="\n".join(source) + "\n")
    cycles = [int(total) for total in re.findall(r"^Total Cycles:\s+(\d+)$", text, re.MULTILINE)]
    if len(cycles) != len(blocks):
        raise ToolchainError(f"{_WEIGHER} weighed {len(cycles)} of {len(blocks)} blocks")
    return sum(block.times * total / _REPEATED for block, total in zip(blocks, cycles, strict=True))


if __name__ == "__main__":
    main()
