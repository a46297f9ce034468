"""The child process that runs a ``.pte`` file: ``python -m`` with this module and a path.

ExecuTorch's thread pool takes one thread per core of the machine, even in a pinned process; it is
reset to one, which is also what a latency figure of one core needs.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from converters.targets.child import READY, read_array, write_array
from mobilevit_edge.processes import reserve_stdout


def main() -> None:
    """Answer arrays from stdin on stdout until stdin ends."""
    answers = reserve_stdout()
    logging.disable(logging.WARNING)
    import torch
    from executorch.extension.pybindings import _C as runtime  # noqa: N811  its public names are there

    runtime._unsafe_reset_threadpool(1)
    # The runtime reads from this buffer as long as the module lives.
    buffer = Path(sys.argv[1]).read_bytes()
    module = runtime._load_for_executorch_from_buffer(buffer)
    answers.write(READY)
    answers.flush()
    while True:
        try:
            x = read_array(sys.stdin.buffer)
        except EOFError:
            return
        write_array(answers, module.forward([torch.from_numpy(x)])[0].numpy())


if __name__ == "__main__":
    main()
