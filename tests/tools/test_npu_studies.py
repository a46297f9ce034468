"""The studies of the NPU's rewrites and attention units, with a compiler that a test plays."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from torch import nn

from converters.targets.onnx.npu.chips import Chip
from converters.targets.onnx.npu.compiler import Compilation
from converters.targets.onnx.npu.unit import REWRITES
from mobilevit_edge.models import network
from mobilevit_edge.weights import loading
from tests.support.images import save_smooth
from tests.support.jobs import job_of
from tests.support.networks import lean_spec
from tests.support.tools import run_tool, table_row, table_rows
from tools.studies import npu_attention, npu_rewrites, npu_scales

pytestmark = pytest.mark.usefixtures("tiny_networks")


@pytest.fixture(autouse=True)
def nodes_are_microseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chip that takes one microsecond for each node."""

    def compile_for(model: Path, chip: Chip) -> Compilation:
        nodes = len(onnx.load(model).graph.node)
        return Compilation(chip.name, "2.7.0", 1.0, 1000, {"microseconds": nodes}, (), None)

    for study in (npu_rewrites, npu_scales):
        monkeypatch.setattr(study, "compile_for", compile_for)
    monkeypatch.setattr(npu_rewrites, "IMAGE_SIZE", 64)


def test_each_rewrite_that_changes_something_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ("batch_norm_fold", "norm_affine_fold", "key_after_pooling")
    monkeypatch.setattr(npu_rewrites, "REWRITES", (*chosen, "band_layout"))
    finished = run_tool(npu_rewrites, "mobilevitv2_050")
    assert finished.code == 0, finished.err
    names = [name for name, *_ in table_rows(finished.out)]
    assert names == ["nothing", "key_after_pooling"]
    everything, without = (
        int(table_row(finished.out, name)[0]) for name in ("nothing", "key_after_pooling")
    )
    assert everything != without
    assert {*chosen, "band_layout"} <= set(REWRITES)


def test_every_unit_is_compiled_as_it_is_and_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(network: nn.Module, chip: str) -> Compilation:
        parts = {"microseconds": len(list(network.modules()))}
        return Compilation(chip, "2.7.0", 1.0, 1000, parts, (), None)

    monkeypatch.setattr(npu_attention, "compiled", compiled)
    finished = run_tool(npu_attention)
    assert finished.code == 0, finished.err
    rows = table_rows(finished.out)
    assert [row[0] for row in rows] == ["multi_head", "linformer", "separable"]
    for _, plain, ours, gain, _ in rows:
        assert plain != ours
        assert gain == f"{int(plain) / int(ours):.2f}"


def test_every_way_to_scale_channels_has_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(4):
        save_smooth(tmp_path / f"{index}.png", seed=index)
    spec = lean_spec("v1")
    for module in (network, loading):
        monkeypatch.setattr(module, "SPECS", {spec.name: spec})
    source = job_of(model=spec.name).source
    monkeypatch.setattr(npu_scales, "load_source", lambda options: source)
    finished = run_tool(npu_scales, "--weights", "random", "--images", tmp_path)
    assert finished.code == 0, finished.err
    rows = table_rows(finished.out)
    assert [row[0] for row in rows] == list(npu_scales.FORMS)
    # Gates of their own are more nodes.
    assert int(rows[-1][1]) > int(rows[0][1])
    assert all(row[2].endswith("of 2") and 0 < float(row[3]) < 1 for row in rows)
