"""What a phone's app, or a browser's page, is asked to measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, get_args

from converters.targets.base import Platform, get_target
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.archive import app_name
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.formats.manifest import TARGET_NAMES

PLATFORMS: Final[tuple[Platform, ...]] = get_args(Platform)

_RANGES: Final = {
    # The first call is the cold start: it never counts as a sample.
    "warm_up": (1, 10_000),
    "runs": (1, 100_000),
    "rounds": (1, 100),
    "cool_down": (0, 600),
    "threads": (1, 16),
}


def _setting(default: int | bool, text: str, platforms: tuple[Platform, ...] = PLATFORMS) -> Any:
    return field(default=default, metadata={"help": text, "platforms": platforms})


@dataclass(frozen=True)
class DevicePlan:
    """``rounds`` rounds, each of ``warm_up`` and then ``runs`` inferences with a fresh model.

    The command's options and what is sent to the apps are made from these fields; a switch's help
    describes the option that turns it off.
    """

    warm_up: int = _setting(10, "inferences before each round that do not count")
    runs: int = _setting(100, "inferences per round")
    rounds: int = _setting(3, "rounds, each with a freshly loaded model")
    cool_down: int = _setting(10, "seconds to wait between rounds and between bundles")
    threads: int = _setting(
        1, "threads of the runtime, on Android and in browsers", ("android", "browser")
    )
    pin: bool = _setting(True, "on Android: do not ask for one big core", ("android",))


def check_plan(plan: DevicePlan) -> None:
    """Refuse numbers that a report could not hold; apps check theirs by themselves.

    Raises:
        UsageError: one is out of range.
    """
    for name, (least, most) in _RANGES.items():
        value = getattr(plan, name)
        if not least <= value <= most:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} {value} is out of range: {least} to {most}")


def settings_of(plan: DevicePlan, platform: Platform) -> dict[str, int | bool]:
    """What a platform's app takes of a plan, by name."""
    return {
        setting.name: getattr(plan, setting.name)
        for setting in fields(plan)
        if platform in setting.metadata["platforms"]
    }


def device_bundles(paths: Sequence[Path], platform: Platform) -> dict[str, Bundle]:
    """Bundles by the names that the app will know them by.

    Raises:
        BundleError: one is not a bundle.
        UsageError: one is for another system, takes several images at once, or two share a name.
    """
    targets = [name for name in TARGET_NAMES if platform in get_target(name).info.platforms]
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
        name = app_name(bundle.path)
        if name in bundles:
            raise UsageError(
                f"{path} and {bundles[name].path} have the same name: rename one of them"
            )
        bundles[name] = bundle
    return bundles
