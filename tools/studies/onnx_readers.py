"""Other engines that read ONNX files, where they are installed: with one thread, in fp32.

Their packages are no dependencies of this project: ``pip install openvino MNN``.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from benchmarks.harness.plan import Candidate, FactorySource, FileSource
from converters.targets.base import target_to_run
from converters.targets.loaded import Array, TensorSpec, noise_inputs
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.report import LatencyRow, Runtime

MAX_DIFFERENCE: Final = 1e-3
"""From ONNX Runtime's answer, of the largest output: another order of sums stays a hundred times
below, and what computes in half precision is above."""

Inference: TypeAlias = Callable[[], Array]


@dataclass(frozen=True)
class OnnxReader:
    """An engine that reads ONNX files; ``open`` makes one inference on the harness's noise."""

    name: str
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
    # A copy: a tensor that shares an array's memory does not keep the array.
    request.set_input_tensor(openvino.Tensor(image))

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


READERS: Final = (
    OnnxReader("OpenVINO", "openvino", openvino_inference),
    OnnxReader("MNN", "MNN", mnn_inference),
)


def reader_candidates(onnx: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """ONNX files that take one image, in the engines that are installed.

    Without what one refuses, or answers otherwise than ONNX Runtime: that is printed.
    """
    readers = [reader for reader in READERS if find_spec(reader.package)]
    found = []
    for candidate in onnx if readers else ():
        assert isinstance(candidate.source, FileSource)
        path = candidate.source.path
        loaded = target_to_run("onnx").load(Path(path))
        assert loaded.takes is not None
        # An open batch is of one.
        shape = [length or 1 for length in loaded.takes]
        expected = loaded.run(noise_image(shape))
        for reader in readers:
            reason = _why_not(reader, path, shape, expected)
            if reason is None:
                source = FactorySource(reader.factory, {"path": path, "shape": shape})
                found.append(Candidate(_row(candidate, reader), source))
            else:
                print(f"{candidate.row.id} in {reader.name}: {reason}", file=sys.stderr)
    return tuple(found)


def _row(candidate: Candidate, reader: OnnxReader) -> LatencyRow:
    about = replace(candidate.row.subject, target=reader.name)
    row_id = f"{about.model} {reader.name} {about.attributes['variant']}"
    runtime = Runtime(reader.name, importlib.metadata.version(reader.package))
    return replace(candidate.row, id=row_id, subject=about, runtime=runtime)


def _why_not(reader: OnnxReader, path: str, shape: Sequence[int], expected: Array) -> str | None:
    """Why it is not measured; ``None`` where it is."""
    try:
        answer = reader.open(path, shape)().reshape(expected.shape)
    # Engines' own exception types are not public.
    except Exception as error:
        return str(error)
    difference = np.abs(answer - expected).max() / np.abs(expected).max()
    if difference <= MAX_DIFFERENCE:
        return None
    return f"differs by {difference:.1g} of the largest output"


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
