"""The child process that runs a ``.pte`` file: ``python -m`` with this module and a path."""

from __future__ import annotations

import sys
from pathlib import Path

from converters.targets.child import READY, read_array, write_array
from mobilevit_edge.processes import reserve_stdout


def main() -> None:
    """Answer arrays from stdin on stdout until stdin ends."""
    answers = reserve_stdout()
    from converters.targets.executorch.program import Program

    program = Program(Path(sys.argv[1]))
    answers.write(READY)
    answers.flush()
    while True:
        try:
            x = read_array(sys.stdin.buffer)
        except EOFError:
            return
        write_array(answers, program.run(x))


if __name__ == "__main__":
    main()
