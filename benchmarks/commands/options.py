"""Options that subcommands share."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Final

from mobilevit_edge.arguments import number, whole_number
from mobilevit_edge.errors import OutputError
from mobilevit_edge.places import check_file_place, refuse_inputs

_MAX_PROCESSES: Final = 100
_MAX_SECONDS: Final = 3600
_MAX_CORE: Final = 4095
_OUTPUTS: Final = ("output", "html", "record")
"""Options that name a file to write."""
_MADE: Final = ("artifacts", "toolchain")
"""Options that name a folder which a command makes, and reads again."""


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
        help="where to write what is measured; what would be made the same is used "
        "again (default bench-artifacts)",
    )


def add_record_arguments(parser: ArgumentParser, kept: str) -> None:
    """``--check`` and ``--record``."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--check", type=Path, metavar="FILE", help=f"fail if recorded {kept} changed"
    )
    group.add_argument("--record", type=Path, metavar="FILE", help=f"keep the {kept} in a record")


def check_records(arguments: Namespace) -> None:
    """Refuse, before minutes of work, a file that is no record.

    Raises:
        ReportError: it is none.
    """
    from benchmarks.analysis.record import read_record

    if arguments.check is not None:
        read_record(arguments.check)
    if arguments.record is not None and arguments.record.exists():
        read_record(arguments.record)


def check_outputs(arguments: Namespace) -> None:
    """Refuse, before any work, outputs that would replace something else or what is read.

    Raises:
        OutputError: it names the output.
    """
    from mobilevit_edge.formats.manifest import MANIFEST_FILE

    given = vars(arguments)
    outputs = [given[name] for name in _OUTPUTS if given.get(name) is not None]
    inputs = [
        path
        for name, value in given.items()
        if name not in (*_OUTPUTS, *_MADE)
        for path in (value if isinstance(value, list) else [value])
        if isinstance(path, Path)
    ]
    for output in outputs:
        check_file_place(output)
        others = [other.resolve() for other in outputs if other is not output]
        if output.resolve() in others:
            raise OutputError(f"{output} is named for two outputs: name another for one of them")
        # A bundle holds what its manifest lists, and nothing else.
        bundles = [path for path in inputs if os.path.lexists(path / MANIFEST_FILE)]
        refuse_inputs(output, inputs, bundles)


def model_name(text: str) -> str:
    """The type of ``--model``."""
    from mobilevit_edge.head_specs import HEADS
    from mobilevit_edge.specs import SPECS, split_name

    if split_name(text)[1] not in SPECS:
        heads = ", ".join(f"{head}_" for head in HEADS)
        raise ArgumentTypeError(
            f"{text!r} is not a model; choose from {', '.join(SPECS)}, with {heads} before it for "
            f"one with a head"
        )
    return text
