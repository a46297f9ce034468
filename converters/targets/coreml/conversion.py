"""A torch module as a Core ML package: one ML Program, or several functions that share weights."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converters.job.job import ExportJob
from converters.job.wrapping import ExportableModel
from converters.precision.apply import PrecisionPlan
from converters.quiet import quiet
from converters.targets.coreml.library import import_coremltools, quick_conversion
from converters.targets.coreml.runtime import function_name
from mobilevit_edge.errors import ConversionError, UsageError


def convert(module: ExportableModel, job: ExportJob, plan: PrecisionPlan, path: Path) -> None:
    """Write an ``.mlpackage`` with one function, or one for every size of ``--function-sizes``.

    Raises:
        ConversionError: torch or coremltools refuse the model.
        UsageError: sizes that cannot be had together.
    """
    import_coremltools()
    from converters.targets.coreml.mlprogram import Sizes, make_program

    options = job.options
    every = (job.source.image_size, *options.other_sizes)
    if len(set(every)) < len(every):
        listed = ", ".join(f"{height}x{width}" for height, width in every)
        raise UsageError(f"name every size once, the image size among them: {listed}")
    if not options.function_sizes:
        sizes = Sizes(job.source.image_size, options.flexible_sizes)
        with quick_conversion():
            _save(make_program(module, sizes, job, plan), path)
        return
    with tempfile.TemporaryDirectory() as folder, quick_conversion():
        packages = {}
        for size in every:
            one = Path(folder) / f"{function_name(size)}.mlpackage"
            # Converting rounds and renames in place: every function starts from the same module.
            _save(make_program(copy.deepcopy(module), Sizes(size), job.at_size(size), plan), one)
            packages[function_name(size)] = one
        _merge_functions(packages, function_name(job.source.image_size), path)


def _save(model: Any, path: Path) -> None:
    """Write a package, less a table for ExecuTorch's debugger that is a fifth of it."""
    model.save(str(path))
    (path / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)


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
