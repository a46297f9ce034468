"""Reads a saved ``.mlpackage`` and evaluates it.

The program is taken from the file's own protobuf messages, not from coremltools' rebuilt form of
it, which computes constants while it reads: what is evaluated is what was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt

from converters.targets.coreml.evaluator.evaluate import Evaluator
from converters.targets.coreml.evaluator.interface import (
    Interface,
    convert_inputs,
    convert_outputs,
    parse_interface,
)
from converters.targets.coreml.evaluator.program import Function, Operation, parse_function
from converters.targets.coreml.evaluator.suppression import Suppression, parse_suppression
from mobilevit_edge.errors import BundleError, ConversionError, MissingPackageError

_MANIFEST: Final = "Manifest.json"
_MAX_MANIFEST_BYTES: Final = 2**20
_MAX_MODEL_BYTES: Final = 2**26
"""The largest program; its weights are in files of their own."""


class MilModel:
    """A package that was read, ready to be called.

    ``suppression`` is what follows its program in a pipeline, and no part of what a call does.

    The first call of a function reads and unpacks its weights, later ones reuse them.
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        interfaces: Mapping[str, Interface],
        default_function: str,
        suppression: Suppression | None = None,
    ) -> None:
        self.suppression = suppression
        self._functions = functions
        self._interfaces = interfaces
        self._default_function = default_function
        self._evaluators: dict[str, Evaluator] = {}

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the functions."""
        return tuple(self._functions)

    def interface(self, function: str | None = None) -> Interface:
        """Inputs and outputs of a function, the default one unless named.

        Raises:
            ConversionError: there is no such function.
        """
        return self._interfaces[self._name(function)]

    def operations(self, function: str | None = None) -> tuple[Operation, ...]:
        """Every operation of a function in order, constants among them.

        Raises:
            ConversionError: there is no such function.
        """
        return self._functions[self._name(function)].operations

    def __call__(
        self, inputs: Mapping[str, npt.NDArray[Any]], *, function: str | None = None
    ) -> dict[str, Any]:
        """Evaluate a function, the default one unless named.

        Args:
            inputs: an image as ``[H, W, 3]`` RGB bytes, anything else as an array.
            function: its name.

        Returns:
            Arrays in the declared type; of a classifier the label, and a dictionary of label and
            probability.

        Raises:
            ImageError: an image of another size.
            InputError: an input is missing, unknown or of another shape.
            ConversionError: an operator is not implemented, or the program contradicts itself.
            BundleError: the weights can no longer be read.
        """
        name = self._name(function)
        program, interface = self._functions[name], self._interfaces[name]
        values = convert_inputs(interface, program, inputs)
        if name not in self._evaluators:
            self._evaluators[name] = Evaluator(program)
        return convert_outputs(interface, program, self._evaluators[name](values))

    def _name(self, function: str | None) -> str:
        name = self._default_function if function is None else function
        if name not in self._functions:
            known = ", ".join(self._functions)
            raise ConversionError(f"there is no function {name!r}, only {known}")
        return name


def read_package(path: Path) -> MilModel:
    """Read a package. Weights are checked to be there, and read at the first call.

    Raises:
        BundleError: it is damaged or incomplete, leads out of itself, or holds no ML Program.
        MissingPackageError: coremltools is not installed.
    """
    try:
        return _read(path)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    except (OSError, RecursionError, ValueError) as error:
        raise BundleError(f"{path}: the package cannot be read: {error}") from error


def _read(path: Path) -> MilModel:
    model_path = _find_model(path)
    spec = _parse_model(model_path)
    suppression = None
    if spec.WhichOneof("Type") == "pipeline":
        spec, suppression = _read_pipeline(spec)
    kind = spec.WhichOneof("Type")
    if kind != "mlProgram":
        raise BundleError(f"it holds a model of kind {kind}; only ML Programs are evaluated")
    find_file = partial(_find_weights, model_path.parent, path)
    functions = {
        name: parse_function(message, find_file)
        for name, message in spec.mlProgram.functions.items()
    }
    description = spec.description
    described = {item.name: item for item in description.functions}
    default = description.defaultFunctionName
    if not described:
        default = "main"
        described = {default: description}
    if set(described) != set(functions) or default not in functions:
        raise BundleError(
            f"it describes the functions {sorted(described)}, its program has {sorted(functions)}"
        )
    interfaces = {
        name: parse_interface(described[name], function) for name, function in functions.items()
    }
    return MilModel(functions, interfaces, default, suppression)


def _read_pipeline(spec: Any) -> tuple[Any, Suppression]:
    """The program of a pipeline, and the suppression of boxes that follows it."""
    kinds = [model.WhichOneof("Type") for model in spec.pipeline.models]
    if kinds != ["mlProgram", "nonMaximumSuppression"]:
        raise BundleError(
            f"it is a pipeline of {', '.join(map(str, kinds))}; only that of a program and the "
            f"suppression of its boxes is evaluated"
        )
    program, last = spec.pipeline.models
    suppression = parse_suppression(last)
    made = {feature.name for feature in program.description.output}
    if {suppression.confidence, suppression.coordinates} != made:
        raise BundleError(f"the program makes {sorted(made)}, not what is suppressed after it")
    return program, suppression


def _find_model(path: Path) -> Path:
    """The model file that the package's manifest names."""
    if not path.is_dir():
        raise BundleError("it is not a package, which is a folder; export it again")
    manifest = _resolve_inside(path / _MANIFEST, path)
    try:
        entries = json.loads(_read_bounded(manifest, _MAX_MANIFEST_BYTES))
        name = entries["itemInfoEntries"][entries["rootModelIdentifier"]]["path"]
        location = _resolve_inside(path / "Data" / name, path)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{_MANIFEST} is damaged; export it again") from error
    if not location.is_file():
        raise BundleError(f"its model file {name!r} is missing; export it again")
    return location


def _find_weights(model_folder: Path, package: Path, name: str) -> Path:
    """Path of the weight file that a program calls ``name``."""
    prefix = "@model_path/"
    if not name.startswith(prefix):
        raise BundleError(f"the program's weights are at {name!r}, which is not in the package")
    return _resolve_inside(model_folder / name.removeprefix(prefix), package)


def _resolve_inside(path: Path, package: Path) -> Path:
    """``path`` with links followed, which may not lead out of the package."""
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL in the name
        raise BundleError(f"{path.name!r} cannot be followed: {error}") from error
    if not resolved.is_relative_to(package.resolve()):
        raise BundleError(f"{path.name!r} leads out of the package")
    return resolved


def _read_bounded(path: Path, limit: int) -> bytes:
    if not path.is_file():
        raise BundleError(f"{path.name} is missing; export it again")
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BundleError(f"{path.name} has more than {limit} bytes")
    return data


def _parse_model(path: Path) -> Any:
    try:
        from coremltools.proto import Model_pb2
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingPackageError("coremltools") from error
    try:
        return Model_pb2.Model.FromString(_read_bounded(path, _MAX_MODEL_BYTES))
    except DecodeError as error:
        raise BundleError(f"{path.name} is damaged; export it again") from error
