from __future__ import annotations

import platform
import subprocess
import sys

import pytest

STEPS = """
import resource, sys
import torch
from mobilevit_edge.training.allocator import keep_freed_memory

kept = sys.argv[1] == "keep" and keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step = lambda: [torch.empty(8 << 20, dtype=torch.uint8).fill_(1) for _ in range(10)]
step()
step()
before = faults()
for _ in range(5):
    step()
print(kept, faults() - before)
"""


def answered(choice: str) -> tuple[str, int]:
    """Whether the settings were taken, and how many pages five equal steps were given."""
    command = [sys.executable, "-c", STEPS, choice]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, faults = done.stdout.split()
    return kept, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_a_step_uses_the_memory_of_the_last_one() -> None:
    kept, faults = answered("keep")
    assert kept == "True"
    # 102,400 pages of 4 KiB, or 200 of 2 MiB; now and then the heap grows by one of the 50 blocks.
    left, all_of_them = answered("leave")
    assert left == "False"
    assert all_of_them > 8 * faults
