"""The Python shown in the documents runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.backend

DOCS = Path(__file__).parents[1] / "docs"


def test_the_python_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    blocks = re.findall(
        r"```python\n(.*?)```", (DOCS / "howto" / "python.md").read_text("utf-8"), re.DOTALL
    )
    assert len(blocks) >= 5
    (tmp_path / "page.py").write_text("\n".join(blocks))
    Image.new("RGB", (100, 80), (90, 140, 60)).save(tmp_path / "photo.png")
    finished = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert "mobilevitv2_050 2e-05" in finished.stdout
    assert "palette-4bit" in finished.stdout.splitlines()[-1]
