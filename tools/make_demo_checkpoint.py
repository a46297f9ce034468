"""Turn the best checkpoint of a training run into the one that this package ships.

    python tools/make_demo_checkpoint.py RUN_DIR

Weights and statistics are rounded to fp16, which halves the file; ``docs/demo_model.md`` says what
that costs.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

DEMO = Path(__file__).parents[1] / "mobilevit_edge" / "data" / "demo"


def main() -> None:
    """Write the package's folder from RUN_DIR/checkpoint."""
    checkpoint = Path(sys.argv[1]) / "checkpoint"
    tensors = {
        # Counters of batches serve training alone, and are no floats.
        name: tensor.to(torch.float16)
        for name, tensor in load_file(checkpoint / "model.safetensors").items()
        if tensor.is_floating_point()
    }
    DEMO.mkdir(exist_ok=True)
    save_file(tensors, DEMO / "model.safetensors")
    shutil.copyfile(checkpoint / "config.json", DEMO / "config.json")


if __name__ == "__main__":
    main()
