"""The Android app on this machine: compiled, tested on the JVM, packed and signed.

``tools.android.check`` does it, with the tools that ``make android`` gathers.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tools.android.check import CACHE
from tools.app_check import ROOT, NotCheckedError


def test_the_app_compiles_passes_its_tests_and_packs() -> None:
    if not os.environ.get("CI") and not CACHE.exists():
        pytest.skip("no Android toolchain; gather it with: make android")
    command = [sys.executable, "-m", "tools.android.check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == NotCheckedError.exit_code:
        pytest.skip(f"the Android toolchain cannot be had: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in done.stdout
