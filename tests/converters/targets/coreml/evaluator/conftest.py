"""Packages that several files share; copy one before changing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.export import Dim

from converters.targets.coreml.library import import_coremltools
from tests.converters.targets.coreml.evaluator.networks import LABELS, SIZES, Folded, Network
from tests.converters.targets.coreml.evaluator.packages import ct, from_torch


@pytest.fixture(scope="package", autouse=True)
def imported() -> None:
    """Import coremltools before a test is timed."""
    import_coremltools()


@pytest.fixture(scope="package")
def network() -> Network:
    torch.manual_seed(0)
    return Network().eval()


@pytest.fixture(scope="package")
def classifier(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network on BGR images of 8x6."""
    path = tmp_path_factory.mktemp("classifier") / "model.mlpackage"
    image = ct.ImageType(
        name="image", shape=(1, 3, *SIZES[0]), scale=1 / 255, color_layout=ct.colorlayout.BGR
    )
    example = torch.zeros(1, 3, *SIZES[0])
    model = from_torch(network, example, classifier=LABELS, inputs=[image])
    model.save(str(path))
    return path


@pytest.fixture(scope="package")
def flexible(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folded rows of RGB images of two sizes."""
    shapes = ct.EnumeratedShapes([(1, 3, *size) for size in SIZES], default=(1, 3, *SIZES[0]))
    dynamic = ({2: 2 * Dim("rows", min=2, max=9), 3: 2 * Dim("columns", min=3, max=9)},)
    model = from_torch(
        Folded(),
        torch.zeros(1, 3, *SIZES[0]),
        dynamic=dynamic,
        inputs=[ct.ImageType(name="image", shape=shapes)],
    )
    path = tmp_path_factory.mktemp("flexible") / "model.mlpackage"
    model.save(str(path))
    return path


@pytest.fixture(scope="package")
def image() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (*SIZES[0], 3), dtype=np.uint8)
