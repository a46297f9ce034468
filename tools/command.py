"""The command line of every tool: its options, and ``--debug`` for a failure's traceback.

A tool is a module with ``parser()`` and ``command(arguments)``, which
:func:`mobilevit_edge.console.run_command` runs.
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter


def tool_parser(description: str | None) -> ArgumentParser:
    """A parser whose help text is the docstring of the tool's module."""
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    return parser
