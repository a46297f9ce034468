"""Small packages for the tests: programs written with coremltools' builder, saved and read back."""

from __future__ import annotations

import contextlib
import importlib
import io
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.targets.coreml.evaluator.package import MilModel, read_package
from converters.targets.coreml.library import import_coremltools

__all__ = [
    "Array",
    "Case",
    "Late",
    "Model_pb2",
    "Spec",
    "argument",
    "constants",
    "convert",
    "copy",
    "ct",
    "floats",
    "from_torch",
    "integers",
    "mb",
    "model_file",
    "operations",
    "program",
    "save",
    "types",
    "weight_file",
]

Array = npt.NDArray[Any]
_MIL_TYPES = {"float32": "fp32", "float16": "fp16", "int32": "int32"}


class Late:
    """A part of coremltools, imported when it is first used.

    Importing it takes seconds, and every process of a run reads the names of all tests.
    """

    def __init__(self, module: str, name: str | None = None) -> None:
        self._module = module
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if "pytest" in name or name.startswith("__") or name == "_mock_name":
            raise AttributeError(name)  # pytest asks everything in a test file what it is
        import_coremltools()
        found = importlib.import_module(self._module)
        return getattr(found if self._name is None else getattr(found, self._name), name)


ct = Late("coremltools")
mb = Late("coremltools.converters.mil", "Builder")
types = Late("coremltools.converters.mil.mil.types")
Model_pb2 = Late("coremltools.proto.Model_pb2")


@dataclass(frozen=True)
class Spec:
    """A random input: its shape, bounds, and whether it holds integers (below ``high``)."""

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    integer: bool = False

    def draw(self, rng: np.random.Generator, dtype: Any) -> Array:
        if self.integer:
            return rng.integers(int(self.low), int(self.high), self.shape, dtype=np.int32)
        return rng.uniform(self.low, self.high, self.shape).astype(dtype)


@dataclass(frozen=True)
class Case:
    """One use of an operator.

    ``build`` makes it from the builder's variables after a numpy type for floating constants;
    ``expected`` says the same in torch, from the inputs in fp32.
    """

    operator: str
    inputs: tuple[Spec, ...]
    build: Callable[..., Any]
    expected: Callable[..., Any]
    target: str = "iOS17"
    half: bool = True

    @property
    def floating(self) -> bool:
        """Whether any input is in floating point, so that fp16 makes a difference."""
        return self.half and any(not spec.integer for spec in self.inputs)


def floats(*shape: int, low: float = -2.0, high: float = 2.0) -> Spec:
    return Spec(shape, low, high)


def integers(*shape: int, low: int = 0, high: int = 10) -> Spec:
    return Spec(shape, low, high, integer=True)


def constants(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> Array:
    """Random numbers in fp32 that fp16 can represent."""
    drawn = np.random.default_rng(seed).uniform(low, high, shape)
    return drawn.astype(np.float16).astype(np.float32)


def program(
    body: Callable[..., Any], inputs: Mapping[str, tuple[Sequence[Any], Any]], target: str
) -> Any:
    """A model of one function; ``inputs`` gives shape and numpy type of each."""
    specs = [
        mb.TensorSpec(tuple(shape), getattr(types, _MIL_TYPES[np.dtype(dtype).name]))
        for shape, dtype in inputs.values()
    ]
    # The builder reads the parameters' names.
    names = ", ".join(inputs)
    function = eval(f"lambda {names}: body({names})", {"body": body})  # noqa: S307
    built = mb.program(input_specs=specs, opset_version=getattr(ct.target, target))(function)
    return convert(built, target)


def convert(built: Any, target: str, **options: Any) -> Any:
    """``ct.convert`` with nothing rewritten, and quietly."""
    options.setdefault("pass_pipeline", ct.PassPipeline.EMPTY)
    options.setdefault("compute_precision", ct.precision.FLOAT32)
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ct.convert(
            built,
            convert_to="mlprogram",
            skip_model_load=True,
            minimum_deployment_target=getattr(ct.target, target),
            **options,
        )


def save(model: Any, path: Path) -> MilModel:
    """The model as it is once saved and read back."""
    model.save(str(path))
    return read_package(path)


def from_torch(module: Any, example: Any, target: str = "iOS17", **options: Any) -> Any:
    """A torch module as coremltools converts it; ``classifier`` names its labels.

    A classifier's outputs are ``logits`` and what the labels' probabilities are made of.
    """
    import torch

    dynamic, labels = options.pop("dynamic", None), options.pop("classifier", None)
    exported = torch.export.export(module.eval(), (example,), dynamic_shapes=dynamic)
    options.setdefault("pass_pipeline", ct.PassPipeline.DEFAULT)
    decomposed = exported.run_decompositions({})
    if labels is None:
        return convert(decomposed, target, **options)
    names = ("logits", "scores")
    # In one step, coremltools counts the outputs wrongly.
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        intermediate = ct.convert(
            decomposed,
            convert_to="milinternal",
            minimum_deployment_target=getattr(ct.target, target),
            compute_precision=ct.precision.FLOAT32,
            outputs=[ct.TensorType(name=name, dtype=np.float32) for name in names],
            **options,
        )
    intermediate.functions["main"].output_types = None
    return convert(
        intermediate, target, classifier_config=ct.ClassifierConfig(labels, "label", "scores")
    )


def copy(package: Path, folder: Path, change: Callable[[Any], object] | None = None) -> Path:
    """A package's copy in another folder, its protobuf message changed by a function."""
    path = folder / package.name
    shutil.copytree(package, path)
    if change is not None:
        message = Model_pb2.Model.FromString(model_file(path).read_bytes())
        change(message)
        model_file(path).write_bytes(message.SerializeToString())
    return path


def model_file(package: Path) -> Path:
    """Where coremltools puts the program."""
    return package / "Data" / "com.apple.CoreML" / "model.mlmodel"


def weight_file(package: Path) -> Path:
    """Where coremltools puts the weights."""
    return package / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"


def operations(message: Any, kind: str, function: str = "main") -> list[Any]:
    """The messages of a function's operations of one kind."""
    program = message.mlProgram.functions[function]
    block = program.block_specializations[program.opset]
    return [operation for operation in block.operations if operation.type == kind]


def argument(message: Any, operation: Any, parameter: str) -> Any:
    """The constant given for an operation's parameter: its ``Value`` message."""
    (binding,) = operation.inputs[parameter].arguments
    if binding.WhichOneof("binding") == "value":
        return binding.value
    (found,) = (c for c in operations(message, "const") if c.outputs[0].name == binding.name)
    return found.attributes["val"]
