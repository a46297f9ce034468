"""Options that several studies share."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks.arm.processors import PROCESSORS
from benchmarks.arm.toolchain import Toolchain, default_folder, set_up
from benchmarks.commands.options import model_name
from mobilevit_edge.arguments import whole_number
from mobilevit_edge.console import progress
from mobilevit_edge.specs import MIN_IMAGE_SIZE


def add_models_argument(parser: ArgumentParser) -> None:
    """``MODEL...``."""
    parser.add_argument("models", nargs="+", type=model_name, metavar="MODEL")


def add_runtimes_argument(parser: ArgumentParser, runtimes: Sequence[str]) -> None:
    """``--runtime``, by the names of their targets."""
    parser.add_argument(
        "--runtime",
        choices=runtimes,
        nargs="+",
        default=list(runtimes),
        help=f"by their targets (default {' '.join(runtimes)})",
    )


def add_image_size_argument(parser: ArgumentParser) -> None:
    """``--image-size``."""
    parser.add_argument(
        "--image-size",
        type=whole_number(MIN_IMAGE_SIZE),
        default=256,
        metavar="N",
        help="height and width of the image (default 256)",
    )


def add_emulation_arguments(parser: ArgumentParser) -> None:
    """``--cpu`` and ``--toolchain``."""
    parser.add_argument(
        "--cpu",
        choices=PROCESSORS,
        default="cortex-a76",
        help="the processor to emulate (default cortex-a76)",
    )
    parser.add_argument(
        "--toolchain",
        type=Path,
        default=default_folder(),
        metavar="DIR",
        help=f"where the toolchain is kept (default {default_folder()})",
    )


def toolchain_of(arguments: Namespace) -> Toolchain:
    """The toolchain of ``--toolchain``, which the first use gathers.

    Raises:
        ToolchainError: a part of it cannot be had.
    """
    with progress() as show:
        return set_up(arguments.toolchain.resolve(), show)
