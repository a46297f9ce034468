"""One inference, for every kind of source: ONNX, ExecuTorch, Core ML, anything callable.

Every runner has one thread. Inputs are uniform noise in 0..1 of the shape that the model asks for,
from a fixed seed; a dynamic dimension is one.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.harness.plan import FactorySource, Format, Source
from mobilevit_edge.errors import ConversionError, UsageError
from mobilevit_edge.formats.report import Runtime

CORE_ML_ELSEWHERE: Final = "Core ML runs on macOS and iOS alone"
_SEED: Final = 0
_ONNX_TYPES: Final[dict[str, type]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_RUNTIMES: Final = {
    "onnx": ("ONNX Runtime", "onnxruntime"),
    "executorch": ("ExecuTorch", "executorch"),
    "coreml": ("Core ML", None),
    "torch": ("PyTorch", "torch"),
}


@dataclass(frozen=True)
class Runner:
    """A loaded model: ``run`` is one inference; ``threads`` those in effect, if one can ask."""

    run: Callable[[], object]
    threads: int | None


def runtime_of(target: str) -> Runtime:
    """Name and installed version of what runs a target, or PyTorch itself (``torch``)."""
    name, package = _RUNTIMES[target]
    try:
        return Runtime(name, importlib.metadata.version(package) if package else None)
    except importlib.metadata.PackageNotFoundError:
        return Runtime(name, None)


def import_runtime(source: Source) -> None:
    """Load the library that :func:`load_runner` needs, and cap its threads.

    Raises:
        MissingPackageError: it is not installed.
        UsageError: it does not run on this system.
    """
    if isinstance(source, FactorySource):
        _factory(source)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        return
    match source.format:
        case "onnx":
            import converters.targets.onnx.conversion  # noqa: F401
        case "executorch":
            _executorch()
        case "coreml":
            if sys.platform != "darwin":
                raise UsageError(CORE_ML_ELSEWHERE)
            import coremltools  # noqa: F401


def load_runner(source: Source) -> Runner:
    """A model that is ready to run.

    Raises:
        ConversionError: the runtime refuses the model.
        MissingPackageError: the runtime is not installed.
        UsageError: it does not run on this system.
    """
    import_runtime(source)
    if isinstance(source, FactorySource):
        return _factory_runner(source)
    path = Path(source.path)
    loaders: dict[Format, Callable[[Path], Runner]] = {
        "onnx": onnx_runner,
        "executorch": executorch_runner,
        "coreml": _coreml_runner,
    }
    try:
        return loaders[source.format](path)
    # The runtimes' own exception types are not public.
    except Exception as error:
        raise ConversionError(f"the runtime cannot load {path.name}: {error}") from error


def onnx_runner(path: Path, options: Any = None) -> Runner:
    """An ONNX file in ONNX Runtime; ``options`` replace the usual ones of one thread."""
    import onnxruntime

    from converters.targets.onnx.conversion import session_options

    session = onnxruntime.InferenceSession(
        path, options or session_options(), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(_SEED)
    feed = {
        value.name: _noise(
            rng, [d if isinstance(d, int) else 1 for d in value.shape], _ONNX_TYPES[value.type]
        )
        for value in session.get_inputs()
    }
    return Runner(_Session(session, feed), 1)


class _Session:
    """An ONNX Runtime session with its inputs."""

    def __init__(self, session: Any, feed: dict[str, npt.NDArray[Any]]) -> None:
        self.session, self._feed = session, feed

    def __call__(self) -> object:
        return self.session.run(None, self._feed)


def executorch_runner(path: Path, *, etdump: bool = False) -> Runner:
    """A ``.pte`` file in ExecuTorch's runtime, in this process."""
    import torch

    native = _executorch()
    buffer = path.read_bytes()
    module = native._load_for_executorch_from_buffer(buffer, enable_etdump=etdump)
    meta = module.method_meta("forward")
    generator = torch.Generator().manual_seed(_SEED)
    inputs = [_torch_noise(generator, meta.input_tensor_meta(i)) for i in range(meta.num_inputs())]
    return Runner(_Program(buffer, module, inputs), native._threadpool_get_thread_count())


class _Program:
    """An ExecuTorch program with its inputs; it keeps the buffer alive that it reads from."""

    def __init__(self, buffer: bytes, module: Any, inputs: Sequence[Any]) -> None:
        self._buffer, self.module, self._inputs = buffer, module, inputs

    def __call__(self) -> object:
        return self.module.forward(self._inputs, clone_outputs=False)


def _executorch() -> Any:
    import logging

    logging.disable(logging.WARNING)
    import converters.targets.executorch.conversion  # noqa: F401  says which extra is missing

    try:
        from executorch.extension.pybindings import _C as native  # noqa: N811  its public names
    finally:
        logging.disable(logging.NOTSET)
    # Its pool starts one thread per core of the machine, even in a pinned process.
    native._unsafe_reset_threadpool(1)
    return native


def _torch_noise(generator: Any, meta: Any) -> Any:
    import torch

    # By example: the numbers of element types are ExecuTorch's own.
    kinds = {0: torch.uint8, 5: torch.float16, 6: torch.float32, 7: torch.float64}
    kind, shape = kinds[meta.dtype()], tuple(meta.sizes())
    if kind == torch.uint8:
        return torch.randint(0, 256, shape, generator=generator, dtype=kind)
    return torch.rand(shape, generator=generator).to(kind)


def _coreml_runner(path: Path) -> Runner:
    import coremltools

    model = coremltools.models.MLModel(str(path), compute_units=coremltools.ComputeUnit.CPU_ONLY)
    rng = np.random.default_rng(_SEED)
    feed: dict[str, Any] = {}
    for value in model.get_spec().description.input:
        if value.type.WhichOneof("Type") == "imageType":
            from PIL import Image

            image = value.type.imageType
            feed[value.name] = Image.fromarray(
                _noise(rng, [image.height, image.width, 3], np.uint8)
            )
        else:
            feed[value.name] = _noise(rng, list(value.type.multiArrayType.shape), np.float32)
    return Runner(lambda: model.predict(feed), None)


def eager(module: Any, *inputs: Any) -> Callable[[], object]:
    """A PyTorch module as it is, on tensors."""
    import torch

    def run() -> object:
        with torch.inference_mode():
            return module(*inputs)

    return run


def _factory_runner(source: FactorySource) -> Runner:
    run = _factory(source)(**source.arguments)
    torch = sys.modules.get("torch")
    return Runner(run, torch.get_num_threads() if torch else None)


def _factory(source: FactorySource) -> Any:
    module, _, function = source.factory.partition(":")
    return getattr(importlib.import_module(module), function)


def _noise(rng: np.random.Generator, shape: Sequence[int], kind: type) -> npt.NDArray[Any]:
    if kind is np.uint8:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.random(shape).astype(kind)
