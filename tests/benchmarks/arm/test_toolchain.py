"""Gathering what emulation needs: what is missing is said, nothing half-made stays."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from benchmarks.arm import toolchain
from benchmarks.arm.processors import PROCESSORS, cpuinfo
from benchmarks.arm.runtimes import RUNTIMES
from mobilevit_edge.errors import MissingPackageError, ToolchainError
from mobilevit_edge.installation import install_command
from mobilevit_edge.processes import run_program
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
        run_program(["false"], "cannot fetch the runtimes' aarch64 wheels")

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


def test_it_holds_the_runtimes_that_are_installed_and_needs_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = {"ai-edge-litert": "2.3.0"}

    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert [runtime.target for runtime in toolchain._installed()] == ["litert"]
    assert toolchain._parts().keys() == {"ai-edge-litert", "native", "tables"}
    installed.clear()
    with pytest.raises(
        MissingPackageError, match=f"onnxruntime.*{re.escape(install_command('onnx'))}"
    ):
        toolchain._parts()


def test_there_is_a_runner_for_every_runtime() -> None:
    names = {path.name for path in toolchain._native().glob("*_runner.cpp")}
    assert names == {f"{runtime.target}_runner.cpp" for runtime in RUNTIMES}
