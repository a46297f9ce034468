"""Cycles by LLVM's models: what is handed to them, and what comes back."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.arm.machine_code import Block
from mobilevit_edge.errors import ToolchainError
from tests.support.tools import run_tool, table_row
from tools.studies import llvm_mca_cycles
from tools.studies.llvm_mca_cycles import disassemble, modeled_cycles

NOP, FADD, FMLA, BRANCH, ADRP, LITERAL = (
    0xD503201F,
    0x4E21D400,
    0x4E21CC00,
    0x54FFFFA1,
    0x90000000,
    0x9C000040,
)
FAKE_LLVM_MCA = """
import sys
for line in sys.stdin:
    if line.startswith("# LLVM-MCA-BEGIN"):
        cycles = {"-mcpu=small": 400, "-mcpu=large": 100}[sys.argv[3]]
        print(f"Total Cycles:      {cycles}")
"""

needs_disassembler = pytest.mark.skipif(
    not shutil.which(llvm_mca_cycles._DISASSEMBLER),
    reason="no cross binutils; they come with: make arm",
)
needs_llvm = pytest.mark.skipif(
    not shutil.which(llvm_mca_cycles._LLVM_MCA), reason="llvm-mca is not installed (apt: llvm-19)"
)


@needs_disassembler
def test_addresses_become_a_label() -> None:
    listing = disassemble([Block(1, (FMLA, ADRP)), Block(2, (LITERAL, NOP, BRANCH))])
    assert listing == [
        ["fmla v0.4s, v0.4s, v1.4s", "adrp x0, loop"],
        ["ldr q0, loop", "nop", "b.ne loop"],
    ]


@needs_llvm
def test_a_chain_of_additions_takes_its_latency() -> None:
    chain = ["fadd v0.4s, v0.4s, v1.4s"]
    one = modeled_cycles([Block(1000, (FADD,))], [chain], "neoverse-n1")
    # Two cycles each (Arm Neoverse N1 Software Optimization Guide, ASIMD floating-point), which
    # the first repetitions' start adds to.
    assert one / 1000 == pytest.approx(2, rel=0.05)
    both = [Block(1000, (FADD,)), Block(500, (NOP,))]
    assert one < modeled_cycles(both, [chain, ["nop"]], "neoverse-n1") < 1.5 * one


@needs_llvm
def test_what_the_model_does_not_know_is_an_error() -> None:
    with pytest.raises(ToolchainError, match="llvm-mca"):
        modeled_cycles([Block(1, (0,))], [["frobnicate x0"]], "neoverse-n1")


@needs_disassembler
def test_bundles_are_compared_by_their_modeled_cycles(
    emulator: Callable[..., object],
    exported: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    program = tmp_path / llvm_mca_cycles._LLVM_MCA
    program.write_text(f"#!{sys.executable}{FAKE_LLVM_MCA}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    executed = iter([3_000_000, 6_000_000])
    emulator(llvm_mca_cycles, lambda path: next(executed))
    second = shutil.copytree(exported, tmp_path / "second")
    finished = run_tool(llvm_mca_cycles, exported, second, "--core", "small", "large")
    assert finished.code == 0, finished.err
    # One hundred repetitions take 400 cycles on the small core.
    assert table_row(finished.out, exported.name) == [
        *("3.0", "100.0%", "12.0 (1.000)", "3.0 (1.000)")
    ]
    assert table_row(finished.out, "second") == ["6.0", "100.0%", "24.0 (2.000)", "6.0 (2.000)"]


def test_without_llvm_its_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    finished = run_tool(llvm_mca_cycles, tmp_path)
    assert finished.code == ToolchainError.exit_code
    assert "apt-get install llvm-19" in finished.err
    assert "Traceback" not in finished.err
    assert "Traceback" in run_tool(llvm_mca_cycles, tmp_path, "--debug").err
