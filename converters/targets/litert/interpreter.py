"""A ``.tflite`` file, open in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converters.quiet import quiet
from converters.targets.loaded import Array, TensorSpec
from mobilevit_edge.errors import ConversionError

with quiet():
    from ai_edge_litert.interpreter import Interpreter


def open_interpreter(content: bytes, name: str) -> Interpreter:
    """An interpreter with XNNPACK and one thread, its memory planned.

    Raises:
        ConversionError: LiteRT cannot load the file, called ``name``.
    """
    try:
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    # The runtime's own exception types are not public.
    except Exception as error:
        raise ConversionError(f"LiteRT cannot load {name}: {error}") from error
    return interpreter


class LiteRTSession:
    """A ``.tflite`` file in this process; see :class:`converters.targets.loaded.Session`."""

    threads = 1

    def __init__(self, path: Path) -> None:
        self._interpreter = open_interpreter(path.read_bytes(), str(path))
        inputs = self._interpreter.get_input_details()
        self._indices = [details["index"] for details in inputs]
        self.inputs = tuple(map(_tensor_spec, inputs))

    def bind(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """Inputs into the runtime's memory and one call; outputs stay where they are."""
        feed = list(zip(self._indices, inputs, strict=True))
        set_tensor, invoke = self._interpreter.set_tensor, self._interpreter.invoke

        def run() -> None:
            for index, x in feed:
                set_tensor(index, x)
            invoke()

        return run

    def run(self, x: Array) -> Array:
        """The first output of one inference."""
        self.bind([x])()
        index = self._interpreter.get_output_details()[0]["index"]
        output: Array = self._interpreter.get_tensor(index)
        return output


def _tensor_spec(details: dict[str, Any]) -> TensorSpec:
    shape = tuple(int(side) for side in details["shape"])
    return TensorSpec(details["name"], shape, np.dtype(details["dtype"]))
