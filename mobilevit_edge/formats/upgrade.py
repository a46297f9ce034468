"""Manifests of older schema versions, brought up to date as plain JSON."""

from __future__ import annotations

from typing import Any


def from_version_1(content: dict[str, Any]) -> dict[str, Any]:
    """A manifest of the first version as one of the second; what is damaged is left to the schema.

    It was written when every model was a classifier whose input was not normalized, for a CPU.
    """
    changed: dict[str, Any] = {**content, "schema_version": 2, "task": "classification"}
    changed["unit"] = "cpu"
    for whole, key in ((changed, "verification"), (content.get("coreml"), "core_ml_verification")):
        if isinstance(whole, dict) and isinstance(whole.get(key), dict):
            whole[key] = _verification_from_version_1(whole[key])
    if isinstance(content.get("source"), dict):
        changed["source"] = {"left_out": [], **content["source"]}
    if isinstance(content.get("input"), dict):
        changed["input"] = {"mean": [0, 0, 0], "std": [1, 1, 1], **content["input"]}
    return with_later_fields(changed)


def _verification_from_version_1(content: dict[str, Any]) -> dict[str, Any]:
    """Without a noise ratio; where classes were too close to tell, it said that they were alike."""
    cases = content.get("cases")
    if isinstance(cases, list):
        cases = [{"tied": False, **case} if isinstance(case, dict) else case for case in cases]
    return {"sqnr_db": None, "min_sqnr_db": None, **content, "cases": cases}


def with_later_fields(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest of version 2 as it is now: the first ones speak of no heads and no contexts."""
    head = manifest.get("head")
    if isinstance(head, dict) and isinstance(head.get("boxes"), dict):
        # Until Core ML's own suppression came, a box stood for any of its classes.
        manifest["head"] = {**head, "boxes": {"one_class": False, **head["boxes"]}}
    return {"head": None, "head_accuracy": None, "contexts": [], **manifest}
