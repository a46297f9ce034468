"""Cycles by LLVM's models: what is handed to them, and what comes back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.arm.machine_code import Block
from mobilevit_edge.errors import ToolchainError
from tools.studies import llvm_mca_cycles as weighing
from tools.studies.llvm_mca_cycles import disassemble, weigh

NOP, FADD, FMLA, BRANCH, ADRP, LITERAL = (
    0xD503201F,
    0x4E21D400,
    0x4E21CC00,
    0x54FFFFA1,
    0x90000000,
    0x9C000040,
)

needs_disassembler = pytest.mark.skipif(
    not shutil.which(weighing._DISASSEMBLER), reason="no cross binutils; they come with: make arm"
)
needs_llvm = pytest.mark.skipif(
    not shutil.which(weighing._WEIGHER), reason="llvm-mca is not installed (apt: llvm-19)"
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
    one = weigh([Block(1000, (FADD,))], [chain], "neoverse-n1")
    # Two cycles each (Arm Neoverse N1 Software Optimization Guide, ASIMD floating-point), which
    # the first repetitions' start adds to.
    assert one / 1000 == pytest.approx(2, rel=0.05)
    both = [Block(1000, (FADD,)), Block(500, (NOP,))]
    assert one < weigh(both, [chain, ["nop"]], "neoverse-n1") < 1.5 * one


@needs_llvm
def test_what_the_model_does_not_know_is_an_error() -> None:
    with pytest.raises(ToolchainError, match="llvm-mca"):
        weigh([Block(1, (0,))], [["frobnicate x0"]], "neoverse-n1")


def test_without_the_weigher_its_package_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr("sys.argv", ["weighing", str(tmp_path)])
    with pytest.raises(ToolchainError, match="apt-get install llvm-19"):
        weighing.main()
