"""Exports under way, for tests of single steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from converters.job.job import ExportJob
from converters.job.options import ExportOptions
from converters.job.source import load_source
from converters.job.wrapping import ExportableModel, wrap_for_export
from converters.targets.base import get_target
from converters.targets.jobs import make_job


def job_of(**options: Any) -> ExportJob:
    """The job of these options, by default a tiny V1 with random weights to ONNX."""
    given = {"weights": "random", "target": "onnx", "image_size": (64, 64), **options}
    if given["weights"] == "random":
        given.setdefault("model", "tiny_mobilevit_xxs")
    asked = ExportOptions(**given)
    return make_job(asked, load_source(asked))


def with_options(job: ExportJob, **changes: Any) -> ExportJob:
    """The same model under other options."""
    return make_job(replace(job.options, **changes), job.source)


def module_of(job: ExportJob, rewrites: Sequence[str] | None = None) -> ExportableModel:
    """The module to convert, with the target's rewrites or others."""
    names = rewrites
    if names is None:
        names = get_target(job.options.target).rewrites(job.source.spec, job.options)
    return wrap_for_export(job, names).module
