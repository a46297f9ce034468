"""Cycles of one inference by LLVM's models of ARM cores: closer to time than a count, but not time.

    python -m tools.studies.llvm_mca_cycles BUNDLE BUNDLE... [--cpu cortex-a55] [--core cortex-a510]

``llvm-mca`` models each of the hottest basic blocks of an emulated inference as a loop. Caches,
branches and the overlap between blocks are left out.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.arm.emulation import emulate
from benchmarks.arm.machine_code import Block
from benchmarks.arm.processors import PROCESSORS
from benchmarks.arm.runtimes import EmulatedTarget
from benchmarks.output.table import Table, print_table, wide_console
from benchmarks.workloads.bundles import inputs_of
from mobilevit_edge.console import run_command
from mobilevit_edge.errors import ToolchainError
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.processes import run_program
from tools.command import tool_parser
from tools.studies.options import add_emulation_arguments, toolchain_of

_CORES: Final = ("neoverse-n1", "cortex-a55", "neoverse-v2", "cortex-a510")
"""Close to the Cortex-A76, a small core, close to the Cortex-X3, another small core."""
_LLVM_MCA: Final = "llvm-mca-19"
_DISASSEMBLER: Final = "aarch64-linux-gnu-objdump"
_HOTTEST: Final = 150
_REPEATED: Final = 100
_MEGA: Final = 1e6
_ADDRESS: Final = re.compile(r"(?<!#)0x[0-9a-f]+(?: <.*>)?$")
_OF_ADDRESSES: Final = re.compile(r"(b|bl|b\.\w+|cbn?z|tbn?z|adrp?|ldr(sw)?)\s")


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    parser.add_argument(
        "--core", nargs="+", default=_CORES, metavar="CORE", help="LLVM's models of cores"
    )
    add_emulation_arguments(parser)
    return parser


def command(arguments: Namespace) -> None:
    """Emulate, model, and print a table in millions of cycles with ratios to the first bundle.

    Raises:
        ToolchainError: LLVM is not installed.
    """
    if not shutil.which(_LLVM_MCA):
        raise ToolchainError(f"this needs {_LLVM_MCA}; on Debian 12: apt-get install llvm-19")
    toolchain, processor = toolchain_of(arguments), PROCESSORS[arguments.cpu]
    rows: list[tuple[str, ...]] = []
    first: list[float] = []
    for path in track(arguments.bundles, "modeling", console=Console(stderr=True)):
        bundle = read_bundle(path)
        target = cast("EmulatedTarget", bundle.manifest.target)
        calls = [inputs_of(bundle, None, 0)]
        blocks = emulate(toolchain, processor, target, bundle.model_path, calls).blocks
        hottest, every = blocks[:_HOTTEST], sum(block.instructions for block in blocks)
        listing = disassemble(hottest)
        cycles = [modeled_cycles(hottest, listing, core) / _MEGA for core in arguments.core]
        first = first or cycles
        share = sum(block.instructions for block in hottest) / every
        cells = (f"{c:.1f} ({c / f:.3f})" for c, f in zip(cycles, first, strict=True))
        rows.append((path.name, f"{every / _MEGA:.1f}", f"{share:.1%}", *cells))
    title = f"cycles by LLVM's models, emulated {processor.name}, millions per inference"
    columns = ("bundle", "instructions", "modeled", *arguments.core)
    print_table(wide_console(), Table(title, columns, tuple(rows)))


def disassemble(blocks: Sequence[Block]) -> list[list[str]]:
    """Each block's instructions in an assembler's syntax, with ``loop`` for every address."""
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


def modeled_cycles(blocks: Sequence[Block], listing: Sequence[Sequence[str]], core: str) -> float:
    """Cycles of all executions of the blocks.

    Raises:
        ToolchainError: the model does not know the core or an instruction.
    """
    source = ["loop:"]
    for instructions in listing:
        source += ["# LLVM-MCA-BEGIN", *instructions, "# LLVM-MCA-END"]
    command = [_LLVM_MCA, "-mtriple=aarch64-linux-gnu", "-mattr=+v8.2a,+dotprod,+fullfp16"]
    command += [f"-mcpu={core}", f"-iterations={_REPEATED}", "-instruction-info=0"]
    command += ["-resource-pressure=0"]
    text = run_program(command, f"{_LLVM_MCA} failed", given="\n".join(source) + "\n")
    cycles = [int(total) for total in re.findall(r"^Total Cycles:\s+(\d+)$", text, re.MULTILINE)]
    if len(cycles) != len(blocks):
        raise ToolchainError(f"{_LLVM_MCA} modeled {len(cycles)} of {len(blocks)} blocks")
    return sum(block.times * total / _REPEATED for block, total in zip(blocks, cycles, strict=True))


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
