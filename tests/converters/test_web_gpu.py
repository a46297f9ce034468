"""WebGPU as the page's other unit: its answers within its own tolerance, and its row."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.devices.browser.reception import Reception
from mobilevit_edge.formats.report import LatencyRow, Report
from mobilevit_edge.web.site import SiteContent, make_site
from tests.support.browsers import found_by
from tests.support.exports import Bundles
from tests.support.finding import BOXES, finding

EMULATED = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
SECONDS = 160.0


def test_the_graphics_processor_passes_the_self_test_and_is_measured(
    bundle: Bundles, tmp_path: Path
) -> None:
    # Three operators: each is a program of its own, and a network's take an emulated one minutes.
    opened = finding(bundle.read("v2_boxes"), tmp_path / "boxes", BOXES)
    kept: list[Report] = []
    served = {file.sha256 for file in opened.manifest.files}
    found = found_by(
        "chromium",
        make_site({"small": opened}, SiteContent(collects=True)),
        "gpu.js",
        extra=EMULATED,
        receivers={"report": Reception(served, kept.append).take_report},
        seconds=SECONDS,
    )
    if found["adapter"] is None:
        assert not found["offered"]
        pytest.skip("this chromium has no WebGPU, emulated neither")
    assert "Passed: differs by" in found["models"], found
    assert found["sent"] == "Sent: the computer has the report.", found
    (row,) = kept[0].runs[0].rows
    assert isinstance(row, LatencyRow)
    assert row.not_run is None
    assert (row.compute_unit, row.runtime.name) == ("gpu", "ONNX Runtime Web (WebGPU)")
    assert [len(series.samples_ns) for series in row.series] == [2]
