"""Gathering what emulation needs: what is missing is said, nothing half-made stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.arm import toolchain
from benchmarks.arm.processors import PROCESSORS, cpuinfo
from mobilevit_edge.errors import ToolchainError
from tests.support.benchmarks import bench, ignore


def test_a_processor_shows_what_runtimes_choose_their_kernels_by() -> None:
    lines = dict(
        line.split("\t: ") for line in cpuinfo(PROCESSORS["cortex-a53"]).splitlines() if line
    )
    assert lines["CPU part"] == "0xd03"
    assert "asimddp" not in lines["Features"].split()
    assert "asimddp" in cpuinfo(PROCESSORS["cortex-a55"])
    assert "i8mm" in cpuinfo(PROCESSORS["max"])


def test_without_the_programs_the_command_to_install_them_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    finished = bench("arm", "--toolchain", tmp_path / "arm")
    assert finished.code == 3
    assert "sudo apt-get install -y --no-install-recommends qemu-user" in finished.err
    assert not list(tmp_path.iterdir())


def test_a_step_that_fails_leaves_nothing_and_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "_require_host_tools", lambda: None)
    monkeypatch.setattr(toolchain, "unpack_packages", lambda *arguments: arguments[1].mkdir())

    def fail(folder: Path) -> None:
        toolchain.run_program(["false"], "cannot fetch the runtimes' aarch64 wheels")

    monkeypatch.setattr(toolchain, "_unpack_wheels", fail)
    with pytest.raises(ToolchainError, match="cannot fetch the runtimes' aarch64 wheels"):
        toolchain.set_up(tmp_path / "cache" / "arm", ignore)
    assert not list(tmp_path.iterdir())


def test_a_toolchain_of_other_parts_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    stamp = tmp_path / "toolchain.json"
    assert toolchain.find_toolchain(tmp_path) is None
    stamp.write_text("{")
    assert toolchain.find_toolchain(tmp_path) is None
    stamp.write_text(json.dumps(toolchain._parts()))
    assert toolchain.find_toolchain(tmp_path) == toolchain.Toolchain(tmp_path)
    stamp.write_text(json.dumps({**toolchain._parts(), "onnxruntime": "0"}))
    assert toolchain.find_toolchain(tmp_path) is None
    monkeypatch.setattr(shutil, "which", lambda name: None)
    stamp.write_text(json.dumps(toolchain._parts()))
    assert toolchain.find_toolchain(tmp_path) is None
