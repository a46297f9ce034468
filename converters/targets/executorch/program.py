"""A ``.pte`` file, open in this process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from converters.targets.loaded import Array, TensorSpec
from mobilevit_edge.errors import ConversionError

_TYPES: Final[dict[int, type[Any]]] = {0: np.uint8, 5: np.float16, 6: np.float32, 7: np.float64}
"""Element types by ExecuTorch's own numbers (its ``scalar_type.h``)."""


def native_runtime() -> Any:
    """ExecuTorch's extension module, with one thread."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        from executorch.extension.pybindings import _C as native  # noqa: N811  its public names
    finally:
        logging.disable(previous)
    # Its pool starts one thread per core of the machine, even in a pinned process.
    native._unsafe_reset_threadpool(1)
    return native


class Program:
    """A ``.pte`` file, open in this process; see :class:`converters.targets.loaded.Session`."""

    def __init__(self, path: Path, *, etdump: bool = False) -> None:
        native = native_runtime()
        # The runtime reads from this buffer as long as the module lives.
        self._buffer = path.read_bytes()
        load = native._load_for_executorch_from_buffer
        try:
            self.module = load(self._buffer, enable_etdump=etdump)
        # The runtime's own exception types are not public.
        except Exception as error:
            raise ConversionError(f"ExecuTorch cannot load {path}: {error}") from error
        self.threads: int | None = native._threadpool_get_thread_count()
        meta = self.module.method_meta("forward")
        self.inputs = tuple(
            _tensor_spec(index, meta.input_tensor_meta(index)) for index in range(meta.num_inputs())
        )

    def bind(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """One call of ``forward``, whose outputs are not copied."""
        # Bound to the program, which holds the buffer.
        return partial(self._forward, [torch.from_numpy(x) for x in inputs])

    def _forward(self, tensors: Sequence[torch.Tensor]) -> object:
        return self.module.forward(tensors, clone_outputs=False)

    def run(self, x: Array) -> Array:
        """The first output of one inference."""
        output: Array = self.module.forward([torch.from_numpy(x)])[0].numpy()
        return output


def _tensor_spec(index: int, meta: Any) -> TensorSpec:
    return TensorSpec(f"input {index}", tuple(meta.sizes()), np.dtype(_TYPES[meta.dtype()]))
