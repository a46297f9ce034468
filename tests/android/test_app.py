"""The Android app on this machine: compiled, tested on the JVM, packed and signed.

``tools/android/check.py`` does it, with what ``make android`` gathers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "tools" / "android" / "check.py"
MISSING = 4


def cache() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "mobilevit-edge" / "android"


def test_the_app_compiles_passes_its_tests_and_packs() -> None:
    if not os.environ.get("CI") and not cache().exists():
        pytest.skip("no Android toolchain; gather it with: make android")
    done = subprocess.run([sys.executable, CHECK], capture_output=True, text=True, check=False)
    if done.returncode == MISSING:
        pytest.skip(f"the Android toolchain cannot be had: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in done.stdout
