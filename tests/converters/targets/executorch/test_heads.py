"""Masks and boxes in ExecuTorch programs: one delegate, and what stays outside of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.targets.bundles import load_bundle_model
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.formats.manifest import Manifest
from tests.support.exports import DENSE_CLASSES, Bundles, Checkpoints, Command
from tests.support.images import save_photos


def test_a_mask_is_logits_by_default_and_one_delegate(program: Bundles) -> None:
    manifest = program.manifest("v1_logits")
    assert manifest.output.shape == (1, DENSE_CLASSES, 4, 4)
    assert manifest.head is not None
    assert manifest.head.answer == "logits"
    assert manifest.audit.delegates == 1
    assert manifest.audit.not_delegated == ()


def test_only_the_best_class_is_found_outside_the_delegate(program: Bundles) -> None:
    """And the pyramid pooling of PSPNet, which XNNPACK does not have, is inside."""
    manifest = program.manifest("v2_psp")
    assert (manifest.output.dtype, manifest.output.shape) == ("int32", (1, 64, 64))
    assert manifest.audit.delegates == 1
    outside = {operator.kind for operator in manifest.audit.not_delegated}
    assert "argmax" in outside
    assert outside <= {"argmax", "_to_dim_order_copy", "_to_copy"}


def test_boxes_are_decoded_inside_the_delegate(program: Bundles) -> None:
    """Boxes and the probabilities of their classes, which add up to one."""
    opened = program.read("v2_boxes")
    assert opened.manifest.audit.delegates == 1
    assert opened.manifest.audit.not_delegated == ()
    image = np.zeros((1, 3, 64, 64), np.float32)
    rows = load_bundle_model(opened).run(image)
    assert rows.shape == opened.manifest.output.shape
    assert np.allclose(rows[..., 4:].sum(-1), 1, atol=1e-5)


def rounded(
    export: Command, weights: Path, folder: Path, *options: object
) -> tuple[Manifest, float]:
    """The manifest of a head in one whole delegate, and how far above its noise it stands (dB)."""
    finished = export(
        *("--target", "executorch", "--weights", weights, "--image-size", "64"),
        *(*options, "--output", folder),
    )
    assert finished.code == 0, finished.err
    manifest = read_bundle(folder).manifest
    assert manifest.audit.delegates == 1
    assert manifest.audit.not_delegated == ()
    check = manifest.verification
    assert check is not None
    assert check.sqnr_db is not None
    return manifest, check.sqnr_db


@pytest.mark.parametrize(
    ("name", "options"), [("v1_deeplab", ("--rates", "1,2,3")), ("v2_boxes", ())]
)
def test_heads_are_one_delegate_where_activations_are_rounded_as_they_come(
    export: Command, checkpoint: Checkpoints, place: Path, name: str, options: tuple[str, ...]
) -> None:
    precision = ("--precision", "int8-dynamic")
    _, ratio = rounded(export, checkpoint(name), place / "bundle", *options, *precision)
    # As far above the noise as in LiteRT, whose kernels are the same.
    assert ratio > 20


def test_a_mask_in_int8_has_its_logits_in_float(
    export: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    photos = save_photos(tmp_path / "photos")
    options = ("--rates", "1,2,3", "--precision", "int8", "--calibration", photos)
    manifest, ratio = rounded(export, checkpoint("v1_deeplab"), tmp_path / "bundle", *options)
    assert manifest.kept_in_float == ("head.classifier",)
    assert ratio > 10
