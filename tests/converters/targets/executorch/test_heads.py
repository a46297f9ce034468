"""Masks in ExecuTorch programs: one delegate, and what stays outside of it."""

from __future__ import annotations

from tests.support.exports import DENSE_CLASSES, Bundles


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
