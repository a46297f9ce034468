from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mobilevit_edge.training.figures import CONFUSION, write_confusion


def test_names_of_classes_are_no_formulas(tmp_path: Path) -> None:
    write_confusion(tmp_path, np.eye(3, dtype=np.int64), (r"$\x$", "$_$", "$1 and $2"))
    with Image.open(tmp_path / CONFUSION) as image:
        assert image.format == "PNG"
