"""What bundles are measured on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.workloads.bundles import inputs_of
from mobilevit_edge.formats.bundle import Bundle

pytestmark = pytest.mark.backend


def test_photos_come_from_the_whole_folder(
    tiny_bundle: Callable[[str], Bundle], tmp_path: Path
) -> None:
    # Folders of classes are listed one after the other.
    for shade in (0, 51, 102, 153, 204):
        Image.new("RGB", (64, 64), (shade,) * 3).save(tmp_path / f"{shade:03}.png")
    golden, *photos = inputs_of(tiny_bundle("v1"), tmp_path, 2)
    assert {x.shape for x in (golden, *photos)} == {(1, 3, 64, 64)}
    np.testing.assert_allclose([x.mean() for x in photos], [0, 0.6], atol=1e-6)
    assert len(inputs_of(tiny_bundle("v1"), None, 2)) == 1
