"""Versions of ONNX's operators and of its format."""

from __future__ import annotations

import onnx
import pytest

from tests.support.exports import Bundles, Checkpoints, Command


@pytest.mark.parametrize(
    ("name", "opset", "ir"), [("v1", 18, 8), ("opset_17", 17, 8), ("opset_21", 21, 10)]
)
def test_the_file_has_the_operators_asked_for_in_the_oldest_format(
    bundle: Bundles, name: str, opset: int, ir: int
) -> None:
    proto = onnx.load(bundle(name) / "model.onnx")
    assert {(entry.domain, entry.version) for entry in proto.opset_import} == {("", opset)}
    assert proto.ir_version == ir
    assert all(node.name for node in proto.graph.node)


@pytest.mark.parametrize("opset", [1, 99])
def test_an_opset_that_the_graph_does_not_fit_is_refused_with_the_reason(
    export: Command, checkpoint: Checkpoints, opset: int
) -> None:
    finished = export(
        *("--target", "onnx", "--weights", checkpoint("v1_lean"), "--image-size", "64"),
        *("--opset", opset),
    )
    assert finished.code == 5
    assert f"--opset {opset}: " in finished.err
    assert len(finished.err) < 2000


def test_the_opset_belongs_to_onnx(export: Command, checkpoint: Checkpoints) -> None:
    finished = export("--target", "coreml", "--weights", checkpoint("v1"), "--opset", "17")
    assert finished.code == 2
    assert "--unit, --soc and --opset belong to --target onnx" in finished.err
