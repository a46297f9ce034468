"""Masks and boxes in LiteRT: one delegate, and what stays outside of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from converters.targets.bundles import load_bundle_model
from mobilevit_edge.formats.bundle import read_bundle
from tests.support.exports import DENSE_CLASSES, Bundles, Checkpoints, Command
from tests.support.images import save_photos


def test_a_mask_is_logits_by_default_and_one_delegate(flatbuffer: Bundles) -> None:
    manifest = flatbuffer.manifest("v1_logits")
    assert manifest.head is not None
    assert manifest.head.answer == "logits"
    assert manifest.output.shape == (1, DENSE_CLASSES, 4, 4)
    assert manifest.audit.delegates == 1
    assert manifest.audit.not_delegated == ()


def test_only_the_best_class_is_found_outside_the_delegate(flatbuffer: Bundles) -> None:
    """And the pyramid pooling of PSPNet, by products with constants, is inside."""
    manifest = flatbuffer.manifest("v2_psp")
    assert (manifest.output.dtype, manifest.output.shape) == ("int32", (1, 64, 96))
    assert manifest.audit.delegates == 1
    assert [operator.kind for operator in manifest.audit.not_delegated] == ["ARG_MAX"]
    products = {operator.kind for operator in manifest.audit.operators}
    assert "BATCH_MATMUL" in products
    assert "BATCH_MATMUL of activations" not in products


def test_boxes_are_decoded_inside_the_delegate(flatbuffer: Bundles) -> None:
    """XNNPACK joins five tensors at most, and the head has six."""
    opened = flatbuffer.read("v1_boxes")
    assert opened.manifest.audit.delegates == 1
    assert opened.manifest.audit.not_delegated == ()
    rows = load_bundle_model(opened).run(np.zeros((1, 64, 64, 3), np.float32))
    assert rows.shape == opened.manifest.output.shape
    assert np.allclose(rows[..., 4:].sum(-1), 1, atol=1e-5)


def test_apps_call_what_the_task_is_named_after(flatbuffer: Bundles) -> None:
    for name, signature, output in (
        ("v1_logits", "segment", "logits"),
        ("v2_psp", "segment", "labels"),
        ("v1_boxes", "detect", "boxes"),
    ):
        interpreter = Interpreter(str(flatbuffer(name) / "model.tflite"))
        wanted = {signature: {"inputs": ["image"], "outputs": [output]}}
        assert interpreter.get_signature_list() == wanted


def test_boxes_in_int8_share_a_scale_where_they_are_joined(
    export: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    """The converter would give all of them the scale of one, whatever they span."""
    weights = ("--target", "litert", "--weights", checkpoint("v2_boxes"), "--image-size", "64")
    finished = export(
        *weights,
        *("--precision", "int8", "--calibration", save_photos(tmp_path / "photos")),
        *("--output", tmp_path / "bundle"),
    )
    assert finished.code == 0, finished.err
    manifest = read_bundle(tmp_path / "bundle").manifest
    assert manifest.audit.delegates == 1
    check = manifest.verification
    assert check is not None
    assert check.sqnr_db is not None
    assert check.sqnr_db > 12
