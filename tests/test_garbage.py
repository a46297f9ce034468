from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, sys
collected = []
gc.callbacks.append(lambda phase, info: collected.append(info["generation"]))
from mobilevit_edge import entry
from mobilevit_edge.garbage import RARE
sys.argv = ["mobilevit-export", "--list"]
gc.collect()
collected.clear()
code = entry.export()
assert gc.get_threshold() == RARE
assert gc.get_freeze_count() > 10_000
assert gc.get_count()[0] < 1000
assert 2 not in collected, collected
raise SystemExit(code)
"""


def test_a_command_looks_for_garbage_seldom_and_for_none_at_its_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "mobilevitv2_050" in done.stdout
