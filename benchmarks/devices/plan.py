"""What a phone's app is asked to measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.archive import app_name
from mobilevit_edge.formats.bundle import Bundle, TargetName, read_bundle


@dataclass(frozen=True)
class DevicePlan:
    """``rounds`` rounds, each of ``warm_up`` and then ``runs`` inferences with a fresh model.

    ``cool_down`` in seconds, between rounds and between bundles. ``pin``: to one big core, where
    the system lets the app and ``threads`` is 1.
    """

    warm_up: int = 10
    runs: int = 100
    rounds: int = 3
    cool_down: int = 10
    threads: int = 1
    pin: bool = True


def device_bundles(paths: Sequence[Path], targets: Sequence[TargetName]) -> dict[str, Bundle]:
    """Bundles by the names that the app will know them by.

    Raises:
        BundleError: one is no bundle.
        UsageError: one is for another system, for several images at once, or two share a name.
    """
    bundles: dict[str, Bundle] = {}
    for path in paths:
        bundle = read_bundle(path)
        manifest = bundle.manifest
        if manifest.target not in targets:
            raise UsageError(
                f"{path} is for {manifest.target}; the app runs {' and '.join(targets)} bundles"
            )
        if (manifest.input.shape[0] or 1) != 1:
            raise UsageError(f"{path} takes several images at once: export it with --batch 1")
        name = app_name(bundle)
        if name in bundles:
            raise UsageError(f"{path} and {bundles[name].path} have one name: rename one of them")
        bundles[name] = bundle
    return bundles
