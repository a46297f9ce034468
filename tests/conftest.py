"""What the tests share: conformance data, real data where it lies, quick models."""

from __future__ import annotations

import json
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

CONFORMANCE = Path(__file__).parent / "data" / "conformance"
REALDATA = Path(
    os.environ.get(
        "MOBILEVIT_REALDATA", Path(__file__).parents[2] / "shared" / "realdata"
    )
)


def deterministic_state(keys: dict[str, list[int]], gain: float = 1.5) -> dict[str, torch.Tensor]:
    """The conformance data's weights: every entry made from its own name and shape."""
    state = {}
    for key, shape in keys.items():
        leaf = key.rsplit(".", 1)[-1]
        rng = np.random.RandomState(zlib.crc32(key.encode()))
        if leaf == "num_batches_tracked":
            values: Any = np.zeros(shape, np.int64)
        elif len(shape) >= 2:
            values = rng.standard_normal(shape) * math.sqrt(gain / math.prod(shape[1:]))
        elif leaf == "running_var" or leaf == "weight":
            values = rng.uniform(0.5, 1.5, shape)
        else:
            values = 0.1 * rng.standard_normal(shape)
        if leaf != "num_batches_tracked":
            values = np.asarray(values).astype(np.float32)
        state[key] = torch.from_numpy(np.asarray(values))
    return state


def conformance_keys(source: str, variant: str) -> dict[str, list[int]]:
    """Names and shapes of one source's state dict."""
    text = (CONFORMANCE / "keys" / f"{source}__{variant}.json").read_text()
    keys: dict[str, list[int]] = json.loads(text)["keys"]
    return keys


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of third-party weights and photos, which is not part of this repository."""
    if not REALDATA.is_dir():
        pytest.skip(f"third-party weights and photos are not at {REALDATA}")
    return REALDATA
