"""The Android app on this machine: compiled, tested on the JVM, packed and signed.

``tools.android.check`` does it, with the tools that ``make android`` gathers.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.android.build import Build
from tools.android.check import CACHE, check
from tools.android.toolchain import gather
from tools.app_check import NotCheckedError, required_tools, show_step


def test_the_app_compiles_passes_its_tests_and_packs(
    vectors: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if not os.environ.get("CI") and not CACHE.exists():
        pytest.skip("no Android toolchain; gather it with: make android")
    try:
        with required_tools():
            toolchain = gather(CACHE, show_step)
            check(Build(toolchain, tmp_path), vectors)
    except NotCheckedError as error:
        pytest.skip(f"the Android toolchain cannot be had: {error}")
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in capfd.readouterr().out
