"""The steps of an export, without a conversion."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from converters.bundling import pipeline
from converters.job.job import ExportJob
from converters.targets.base import get_target
from tests.support.jobs import job_of


class StopError(Exception):
    """Enough of the export has been seen."""


def test_inputs_for_precisions_are_made_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = job_of(
        model="tiny_mobilevitv2_050", image_size=(32, 32), batch=3, output=tmp_path / "bundle"
    )
    made: list[int] = []
    repeated = type(job.module_input).repeated

    def count(*arguments: Any) -> Any:
        made.append(1)
        return repeated(*arguments)

    def look(
        module: object,
        job: ExportJob,
        fp16_by: object,
        batches: object,
        inputs: Iterable[torch.Tensor],
        progress: object,
    ) -> None:
        assert made == []
        assert next(iter(inputs)).shape == (3, 3, 32, 32)
        assert made == [1]
        raise StopError

    monkeypatch.setattr(type(job.module_input), "repeated", count)
    monkeypatch.setattr(pipeline, "apply_precision", look)
    with pytest.raises(StopError):
        pipeline.export_source(job.source, job.options, get_target("onnx"))
    assert list(tmp_path.iterdir()) == []
