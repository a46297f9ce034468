"""Options that subcommands share."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Final

from mobilevit_edge.arguments import number, whole_number

_MAX_PROCESSES: Final = 100
_MAX_SECONDS: Final = 3600
_MAX_CORE: Final = 4095


def add_measuring_arguments(parser: ArgumentParser, *, processes: int, seconds: float) -> None:
    """``--processes``, ``--seconds``, ``--core``, ``--max-noise``."""
    parser.add_argument(
        "--processes",
        type=whole_number(1, _MAX_PROCESSES),
        default=processes,
        metavar="N",
        help=f"number of processes to measure in, one after another (default {processes})",
    )
    parser.add_argument(
        "--seconds",
        type=number(f"a number of seconds up to {_MAX_SECONDS}", most=_MAX_SECONDS),
        default=seconds,
        metavar="S",
        help=f"how long to measure each model in each process (default {seconds:g})",
    )
    parser.add_argument(
        "--core",
        type=whole_number(0, _MAX_CORE),
        metavar="N",
        help="the core to measure on (default: the last that this process may use)",
    )
    parser.add_argument(
        "--max-noise",
        type=number("a percentage up to 100", most=100),
        metavar="PERCENT",
        help="repeat a process whose samples spread more than this, up to twice as many processes",
    )


def add_report_arguments(parser: ArgumentParser, default: str) -> None:
    """``--output`` and ``--resume``."""
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(default),
        metavar="FILE",
        help=f"the report, with every sample (default {default})",
    )
    parser.add_argument("--resume", action="store_true", help="continue a run that was interrupted")


def add_artifacts_argument(parser: ArgumentParser) -> None:
    """``--artifacts``."""
    parser.add_argument(
        "--artifacts",
        type=Path,
        default=Path("bench-artifacts"),
        metavar="DIR",
        help="where to write what is measured; what is already there is reused "
        "(default bench-artifacts)",
    )


def model_name(text: str) -> str:
    """The type of ``--model``."""
    from mobilevit_edge.specs import SPECS

    if text not in SPECS:
        raise ArgumentTypeError(f"{text!r} is not a model; choose from {', '.join(SPECS)}")
    return text
