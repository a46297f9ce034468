"""Other engines that read ONNX files: one inference each, with one thread, in fp32.

Their packages are no dependencies of this project: ``pip install openvino MNN``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from converters.targets.loaded import Array, TensorSpec, noise_inputs
from mobilevit_edge.errors import ConversionError

Inference: TypeAlias = Callable[[], Array]


@dataclass(frozen=True)
class OnnxReader:
    """An engine that reads ONNX files; ``open`` makes one inference on the harness's noise."""

    package: str
    open: Callable[..., Inference]

    @property
    def factory(self) -> str:
        """``open``, as a process that measures finds it."""
        return f"{self.open.__module__}:{self.open.__name__}"


def noise_image(shape: Sequence[int]) -> Array:
    """The harness's noise in this shape."""
    (image,) = noise_inputs([TensorSpec("image", tuple(shape), np.dtype(np.float32))])
    return image


def openvino_inference(path: str, shape: Sequence[int]) -> Inference:
    """One inference in OpenVINO with one thread; the factory of its candidates."""
    import openvino

    image = noise_image(shape)
    options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()
    # Neither copies the image.
    request.set_input_tensor(openvino.Tensor(image, shared_memory=True))

    def run() -> Array:
        request.infer()
        return np.asarray(request.get_output_tensor().data)

    return run


def mnn_inference(path: str, shape: Sequence[int]) -> Inference:
    """One inference in MNN with one thread, the file converted beside it; as above."""
    import MNN

    converted = Path(path).with_suffix(".mnn")
    if not converted.exists():
        _convert_to_mnn(Path(path), converted)
    interpreter = MNN.Interpreter(str(converted))
    session = interpreter.createSession({"backend": "CPU", "numThread": 1, "precision": "high"})
    image = noise_image(shape)
    kind, order = MNN.Halide_Type_Float, MNN.Tensor_DimensionType_Caffe
    interpreter.getSessionInput(session).copyFrom(MNN.Tensor(tuple(shape), kind, image, order))
    output = interpreter.getSessionOutput(session)

    def run() -> Array:
        interpreter.runSession(session)
        return np.asarray(output.getData())

    return run


READERS: Final[Mapping[str, OnnxReader]] = MappingProxyType(
    {
        "OpenVINO": OnnxReader("openvino", openvino_inference),
        "MNN": OnnxReader("MNN", mnn_inference),
    }
)
"""By name."""


def _convert_to_mnn(path: Path, converted: Path) -> None:
    command = [sys.executable, "-m", "MNN.tools.mnnconvert", "-f", "ONNX", "--bizCode", "none"]
    files = ["--modelFile", str(path), "--MNNModel", str(converted)]
    # Where it may, the converter installs a package that reports its use.
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    finished = subprocess.run(  # noqa: S603  our own arguments, no shell
        [*command, *files], env=environment, capture_output=True, text=True, check=False
    )
    if finished.returncode or not converted.exists():
        last = (finished.stdout + finished.stderr).strip().splitlines()[-1:]
        raise ConversionError(f"MNN does not convert {path.name}: {''.join(last)}")
