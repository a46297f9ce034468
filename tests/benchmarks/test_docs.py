"""The loop in the documents runs as it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.benchmarks import onnx_model

MEASURING = Path(__file__).parents[2] / "docs" / "howto" / "measuring.md"


def test_the_bare_loop_of_the_documents_measures_a_model(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", MEASURING.read_text("utf-8"), re.DOTALL)
    (tmp_path / "loop.py").write_text(code)
    (tmp_path / "model.onnx").write_bytes(onnx_model(2))
    finished = subprocess.run(
        [sys.executable, tmp_path / "loop.py", tmp_path / "model.onnx"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert re.fullmatch(r"\d+\.\d{3} ms\n", finished.stdout)
