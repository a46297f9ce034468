"""Debian's packages in a folder: what is missing is named."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.arm import debian
from mobilevit_edge.errors import ToolchainError


def test_without_debians_keys_the_package_that_holds_them_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "_KEYS", tmp_path / "keys.gpg")
    with pytest.raises(ToolchainError, match="sudo apt-get install debian-archive-keyring"):
        debian.unpack_packages({"bookworm": ["libc6"]}, tmp_path / "root")
    assert not list(tmp_path.iterdir())


def test_a_command_that_fails_is_named_with_what_it_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys.gpg").touch()
    monkeypatch.setattr(debian, "_KEYS", tmp_path / "keys.gpg")
    seen: list[str] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        seen.append((options["cwd"] / "sources.list").read_text())
        assert 'APT::Architecture "arm64"' in (options["cwd"] / "apt.conf").read_text()
        return subprocess.CompletedProcess(command, 100, "", "E: no such host")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ToolchainError, match=r"apt-get update -qq: E: no such host"):
        debian.unpack_packages({"trixie": ["a", "b"]}, tmp_path / "root", "arm64")
    assert seen[0].endswith(" trixie main\n")
    assert f"signed-by={tmp_path}" in seen[0]
