"""Judging what an export is asked to make, before any work.

The command has judged single values already; Python's callers pass what they like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, TypeGuard

from converters.job.options import (
    MAX_BATCH,
    MAX_OPSET,
    MAX_POINTS,
    POINTS,
    ExportOptions,
    flag_of,
    option_of,
)
from converters.job.precisions import PRECISIONS
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.manifest import TARGET_NAMES
from mobilevit_edge.head_specs import OUTPUT_STRIDES
from mobilevit_edge.preprocess import parse_image_size


def check_options(options: ExportOptions) -> None:
    """Refuse values that do not exist and options that contradict each other.

    Targets check their own, :func:`check_images` what only an export needs.

    Raises:
        UsageError: the message says what to change.
    """
    for entry in fields(options):
        _check_kind(entry, getattr(options, entry.name))
    _check_numbers(options)
    _check_sizes(options)
    _check_precision(options)
    _check_groups(options)
    if options.dynamic_size:
        if options.target != "onnx":
            raise UsageError("--image-size dynamic belongs to --target onnx")
        if PRECISIONS[options.precision].quantized:
            raise UsageError(f"{options.precision} is made for one image size: name it")
    if options.normalize is not None and (options.mean, options.std) != (None, None):
        raise UsageError("--normalize stands for a --mean and a --std: leave one or the other out")


def check_images(options: ExportOptions) -> None:
    """Refuse an export for which images are missing.

    Raises:
        UsageError: the message names the option that they belong to.
    """
    if PRECISIONS[options.precision].calibrated and options.calibration is None:
        raise UsageError(
            f"{options.precision} needs --calibration DIR: images like those that the app will see "
            f"(a hundred are plenty; labels are not needed)"
        )
    for name, needed in (
        ("max_accuracy_drop", options.max_accuracy_drop is not None),
        ("trust_preprocessing", options.trust_preprocessing),
    ):
        if needed and options.verify is None:
            raise UsageError(f"{flag_of(name)} needs --verify DIR with labeled images")


def _check_kind(entry: Field[Any], value: object) -> None:
    """One of the choices, a switch, or several values."""
    flag, choices = flag_of(entry.name), option_of(entry).choices
    default = None if entry.default is MISSING else entry.default
    if choices is not None and value not in choices and (value is not None or entry.default):
        raise UsageError(f"{flag} {value!r} does not exist; choose from {', '.join(choices)}")
    if isinstance(default, bool) and not isinstance(value, bool):
        raise UsageError(f"{flag} {value!r} is neither True nor False")
    if isinstance(default, tuple) and not _is_several(value):
        raise UsageError(f"{flag} {value!r} stands for several values: pass ({value!r},)")


def _check_numbers(options: ExportOptions) -> None:
    for name, most in (("batch", MAX_BATCH), ("opset", MAX_OPSET)):
        value = getattr(options, name)
        if value is not None and not (_is_whole(value) and 1 <= value <= most):
            raise UsageError(f"{flag_of(name)} {value!r} is not a whole number from 1 to {most}")
    drop = options.max_accuracy_drop
    if drop is not None and not (_are_numbers([drop]) and 0 <= drop <= MAX_POINTS):
        raise UsageError(f"--max-accuracy-drop {drop!r} is not {POINTS}")
    if options.output_stride not in (None, *OUTPUT_STRIDES):
        raise UsageError(
            f"--output-stride {options.output_stride} is none of "
            f"{', '.join(map(str, OUTPUT_STRIDES))}"
        )
    rates = options.rates
    if rates is not None and not (
        _is_several(rates) and len(rates) == 3 and all(_is_whole(r) and r > 0 for r in rates)
    ):
        raise UsageError(f"--rates {rates!r} is not three whole numbers, such as (6, 12, 18)")
    for name in ("mean", "std"):
        values = getattr(options, name)
        if values is not None and not (_is_several(values) and values and _are_numbers(values)):
            raise UsageError(
                f"{flag_of(name)} {values!r} is not a number for each channel, "
                f"such as (0.485, 0.456, 0.406)"
            )


def _check_sizes(options: ExportOptions) -> None:
    own = () if options.fixed_size is None else (options.fixed_size,)
    for size in (*own, *options.other_sizes):
        if not (_is_several(size) and len(size) == 2 and all(map(_is_whole, size))):
            raise UsageError(
                f"image_size {size!r} is no size: pass (height, width), such as (256, 256)"
            )
        parse_image_size("x".join(map(str, size)))


def _is_several(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _check_precision(options: ExportOptions) -> None:
    precision = PRECISIONS[options.precision]
    if options.target not in precision.targets:
        has = ", ".join(p.name for p in PRECISIONS.values() if options.target in p.targets)
        raise UsageError(f"{options.target} has no {options.precision}; it supports {has}")
    if options.unit == "cpu" and options.unit not in precision.units:
        raise UsageError(f"{precision.name} is made for --unit {' or '.join(precision.units)}")
    if precision.calibrated:
        return
    for name in ("calibration", "int8_keep"):
        if getattr(options, name):
            calibrated = ", ".join(
                p.name for p in PRECISIONS.values() if p.calibrated and options.unit in p.units
            )
            raise UsageError(
                f"{flag_of(name)} belongs to --precision {calibrated}, not {options.precision}"
            )


def _check_groups(options: ExportOptions) -> None:
    """Options of one target are refused for the others."""
    for target in TARGET_NAMES:
        own = [entry for entry in fields(options) if option_of(entry).group == target]
        if target == options.target or not own:
            continue
        if any(getattr(options, entry.name) != entry.default for entry in own):
            flags = [flag_of(entry.name) for entry in own]
            *others, last = flags
            listed = f"{', '.join(others)} and {last} belong" if others else f"{last} belongs"
            raise UsageError(f"{listed} to --target {target}")
