"""Turn the best checkpoint of a training run into one that the package ships.

    python -m tools.make_demo_checkpoint RUN_DIR

Weights and statistics are rounded to fp16, which halves the file;
``docs/measurements/demo_model.md`` says what that costs.
"""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file

from mobilevit_edge.console import run_command
from mobilevit_edge.errors import CheckpointError
from tools.command import tool_parser

_DATA: Final = Path(__file__).parents[1] / "mobilevit_edge" / "data"
CLASSES: Final = _DATA / "demo"
MASKS: Final = _DATA / "demo_segmentation"


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    return parser


def command(arguments: Namespace) -> None:
    """Write the package's checkpoint, for classes or for masks, from ``RUN_DIR/checkpoint``.

    Raises:
        CheckpointError: there is none.
    """
    checkpoint = arguments.run_dir / "checkpoint"
    round_checkpoint(checkpoint, MASKS if _has_masks(checkpoint) else CLASSES)


def _has_masks(checkpoint: Path) -> bool:
    config = checkpoint / "config.json"
    return config.is_file() and "mask_resize" in json.loads(config.read_text("utf-8"))


def round_checkpoint(checkpoint: Path, target: Path) -> None:
    """Write a checkpoint rounded to fp16 into the folder ``target``.

    Raises:
        CheckpointError: ``checkpoint`` is not a folder that training has written.
    """
    weights = checkpoint / "model.safetensors"
    if not weights.is_file():
        raise CheckpointError(f"{weights} does not exist: name the folder of a finished training")
    tensors = {
        # The counters of batches, which only training needs, are not floating-point.
        name: tensor.to(torch.float16)
        for name, tensor in load_file(weights).items()
        if tensor.is_floating_point()
    }
    target.mkdir(exist_ok=True)
    save_file(tensors, target / "model.safetensors")
    shutil.copyfile(checkpoint / "config.json", target / "config.json")


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
