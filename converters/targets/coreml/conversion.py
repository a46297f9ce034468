"""Core ML: convert with coremltools, check with the reference evaluator, run where Core ML is."""

from __future__ import annotations

import copy
import importlib.metadata
import importlib.util
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from converters.checks.graph_contract import Graph, Operator
from converters.quiet import quiet
from converters.targets.base import INPUT_NAME, Array, LoadedModel, output_name
from converters.targets.coreml.evaluator.interface import ImageInput
from converters.targets.coreml.evaluator.package import MilModel, read_package
from mobilevit_edge.errors import ConversionError, MissingPackageError, UsageError

if importlib.util.find_spec("coremltools") is None:
    raise MissingPackageError("coremltools")

if TYPE_CHECKING:
    from converters.export.options import ExportOptions
    from converters.export.source import SourceModel
    from converters.export.wrapping import ExportableModel
    from converters.precision.apply import PrecisionPlan
    from converters.targets.coreml.evaluator.program import Operation
    from mobilevit_edge.specs import ModelSpec

MODEL_FILE: Final = "model.mlpackage"
PRECISIONS: Final = ("fp32", "fp16", "int8", "int8-weight-only", "palette-6bit", "palette-4bit")
_REWRITES: Final = (
    "batch_norm_fold",
    "norm_affine_fold",
    "key_after_pooling",
    "explicit_attention",
    "shuffled_patches",
    "joint_norm",
    "channel_layout",
    "row_phases",
    "linear_pair_merge",
    "head_as_convolution",
)
"""By the Neural Engine's known habits: ``docs/coreml.md``."""
_PACKAGES: Final = ("torch", "coremltools")
_OUTPUT: Final = output_name(softmax=False)
_MACOS: Final = "Darwin"


def rewrites(spec: ModelSpec, options: ExportOptions) -> tuple[str, ...]:
    """The same ones for every export."""
    return _REWRITES


def convert(
    module: ExportableModel,
    prepared: SourceModel,
    options: ExportOptions,
    path: Path,
    reduced: PrecisionPlan,
) -> None:
    """Write an ``.mlpackage`` with one function, or one for every size of ``--function-sizes``.

    Raises:
        ConversionError: torch or coremltools refuse the model.
        UsageError: sizes that cannot be had together.
    """
    with quiet():
        from converters.targets.coreml.mlprogram import Sizes, make_program

    every = (prepared.image_size, *options.coreml.other_sizes)
    if len(set(every)) < len(every):
        listed = ", ".join(f"{height}x{width}" for height, width in every)
        raise UsageError(f"name every size once, the image size among them: {listed}")
    if not options.coreml.function_sizes:
        sizes = Sizes(prepared.image_size, options.coreml.flexible_sizes)
        _save(make_program(module, sizes, prepared, options, reduced), path)
        return
    with tempfile.TemporaryDirectory() as folder:
        packages = {}
        for size in every:
            one = Path(folder) / f"{function_name(size)}.mlpackage"
            sized = replace(prepared, image_size=size)
            # Converting rounds and renames in place: every function starts from the same module.
            program = make_program(copy.deepcopy(module), Sizes(size), sized, options, reduced)
            _save(program, one)
            packages[function_name(size)] = one
        _merge_functions(packages, function_name(prepared.image_size), path)


def _save(model: Any, path: Path) -> None:
    """Write a package, less a table for ExecuTorch's debugger that is a fifth of it."""
    model.save(str(path))
    (path / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)


def function_name(size: tuple[int, int]) -> str:
    """The function of a package with several: ``image_256x256``."""
    return f"image_{size[0]}x{size[1]}"


def _merge_functions(packages: Mapping[str, Path], default: str, path: Path) -> None:
    """One package of several, which share their weights."""
    import coremltools as ct

    functions = ct.utils.MultiFunctionDescriptor()
    for name, package in packages.items():
        functions.add_function(str(package), src_function_name="main", target_function_name=name)
    functions.default_function_name = default
    with quiet():
        try:
            ct.utils.save_multifunction(functions, str(path))
            merged = ct.models.MLModel(str(path), skip_model_load=True)
            single = ct.models.MLModel(str(packages[default]), skip_model_load=True)
            # Merging keeps what each function says and drops what the package says.
            spec = merged.get_spec()
            spec.description.metadata.CopyFrom(single.get_spec().description.metadata)
            described = ct.models.MLModel(
                spec, weights_dir=merged.weights_dir, skip_model_load=True
            )
            shutil.rmtree(path)
            _save(described, path)
        # It raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"coremltools could not join the functions: {error}") from error


def inspect(path: Path) -> Graph:
    """The operators of all functions of a package, as read back from its file.

    Constants and the arithmetic of a flexible program on its own sizes are left out: neither works
    on the image's data.

    Raises:
        ConversionError: the package cannot be read back.
    """
    model = _read(path)
    return Graph(
        operators=tuple(
            Operator(operation.kind, _module_of(operation), operation.rank)
            for function in model.functions
            for operation in model.operations(function)
            if not operation.is_constant and not _is_about_sizes(operation)
        ),
        products=frozenset({"matmul", "einsum"}),
        gathers=frozenset(
            {"gather", "gather_along_axis", "gather_nd", "scatter", "scatter_along_axis"}
            | {"scatter_nd", "tile"}
        ),
        resizes=frozenset(
            {"upsample_bilinear", "upsample_nearest_neighbor", "resize", "resize_bilinear"}
            | {"resize_nearest_neighbor", "crop_resize"}
        ),
    )


def _is_about_sizes(operation: Operation) -> bool:
    """Whether every output is made of integers of rank 1 or less: shapes, not data."""
    types = [output.type for output in operation.outputs]
    return all(
        type_ is not None and type_.dtype.startswith(("int", "uint")) and len(type_.shape) <= 1
        for type_ in types
    )


def _module_of(operation: Operation) -> str:
    module, separator, _ = operation.name.partition("__")
    return module if separator else ""


def load(path: Path) -> LoadedModel:
    """A package in the reference evaluator, on any machine.

    Raises:
        ConversionError: the package cannot be read.
    """
    model = _read(path)

    def call(name: str, pixels: Array) -> Mapping[str, Any]:
        return model({INPUT_NAME: pixels}, function=name)

    version = importlib.metadata.version("torch")
    return LoadedModel(
        _run_by_size(_functions_by_size(model), call),
        f"reference evaluator, torch {version}",
        is_reference=True,
    )


def load_core_ml(path: Path) -> LoadedModel | None:
    """A package in Core ML itself; ``None`` off macOS.

    Raises:
        ConversionError: Core ML refuses the package.
    """
    if platform.system() != _MACOS:
        return None
    import coremltools as ct
    from PIL import Image

    model = _read(path)
    try:
        models = {
            # A package with one function has no name to choose it by.
            name: ct.models.MLModel(str(path), function_name=name if model.functions[1:] else None)
            for name in model.functions
        }
    # Core ML's errors come as RuntimeError and others of no public type.
    except Exception as error:
        raise ConversionError(f"Core ML cannot load {path}: {error}") from error

    def call(name: str, pixels: Array) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = models[name].predict({INPUT_NAME: Image.fromarray(pixels)})
        except Exception as error:
            raise ConversionError(f"Core ML cannot run {path}: {error}") from error
        return answer

    version = platform.mac_ver()[0]
    return LoadedModel(_run_by_size(_functions_by_size(model), call), f"Core ML, macOS {version}")


def _functions_by_size(model: MilModel) -> dict[tuple[int, int], str]:
    """The function that takes images of each size (height, width)."""
    return {
        size: name
        for name in model.functions
        for feature in model.interface(name).inputs
        if isinstance(feature, ImageInput)
        for size in feature.sizes
    }


def _run_by_size(
    by_size: Mapping[tuple[int, int], str],
    call: Callable[[str, Array], Mapping[str, Any]],
) -> Callable[[Array], Array]:
    """Images ``[B, H, W, 3]`` -> logits ``[B, num_outputs]``, each by its size's function."""

    def run(images: Array) -> Array:
        height, width = images.shape[1:3]
        if (height, width) not in by_size:
            known = ", ".join(f"{h}x{w}" for h, w in by_size)
            raise ConversionError(f"the package takes no image of {height}x{width}, only {known}")
        name = by_size[height, width]
        return np.concatenate([np.asarray(call(name, pixels)[_OUTPUT]) for pixels in images])

    return run


def _read(path: Path) -> MilModel:
    with quiet():
        import coremltools  # noqa: F401  it talks while it is imported
    return read_package(path)


def versions() -> Mapping[str, str]:
    """Versions of the packages that made the artifact."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}
