"""``mobilevit-bench device``: bundles on a phone that is attached to this machine."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.devices.plan import DevicePlan
from mobilevit_edge.console import add_common_arguments, progress

if TYPE_CHECKING:
    from mobilevit_edge.formats.report import Report

_TIMEOUT = 1800.0


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    usual = DevicePlan()
    parser: ArgumentParser = subparsers.add_parser(
        "device",
        help="measure on an attached phone",
        description="Let the sample app on a phone measure bundles, and fetch its report, without "
        "a touch. Bundles are pushed to Android; on iOS, from a Mac, the app must hold them "
        "(mobilevit-export --ios-resources). The report is added to the file if there is one.",
    )
    parser.add_argument("platform", choices=("android", "ios"))
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument("--serial", metavar="ID", help="of the device, where there are several")
    parser.add_argument(
        "--app", type=Path, metavar="FILE", help="install the app first: an .apk, or an .app folder"
    )
    counts = {
        "--warm-up": (usual.warm_up, "inferences that do not count"),
        "--runs": (usual.runs, "inferences of a round"),
        "--rounds": (usual.rounds, "rounds, each with a freshly loaded model"),
        "--cool-down": (usual.cool_down, "seconds between rounds"),
        "--threads": (usual.threads, "of the runtime, on Android"),
    }
    for option, (default, text) in counts.items():
        help_ = f"{text} (default {default})"
        parser.add_argument(option, type=int, default=default, metavar="N", help=help_)
    parser.add_argument(
        "--no-pin", action="store_true", help="on Android: do not ask for one big core"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=_TIMEOUT,
        metavar="SECONDS",
        help=f"for the whole measurement (default {_TIMEOUT:.0f})",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("device-report.json"),
        metavar="FILE",
        help="the report (default device-report.json); runs that it holds stay",
    )
    add_common_arguments(parser)
    parser.set_defaults(command=_device)


def _device(arguments: Namespace) -> None:
    from benchmarks.output.run import run_summary, run_tables
    from benchmarks.output.summaries import print_tables
    from mobilevit_edge.formats.report import merge_reports, read_report, write_report

    earlier = [read_report(arguments.output)] if arguments.output.exists() else []
    plan = DevicePlan(
        warm_up=arguments.warm_up,
        runs=arguments.runs,
        rounds=arguments.rounds,
        cool_down=arguments.cool_down,
        threads=arguments.threads,
        pin=not arguments.no_pin,
    )
    report = (_android if arguments.platform == "android" else _ios)(arguments, plan)
    write_report(merge_reports([*earlier, report]), arguments.output)
    (run,) = report.runs
    if arguments.json:
        print(json.dumps({"report": str(arguments.output), **run_summary(run)}))
    else:
        print_tables(run_tables(run), run, arguments.output)


def _android(arguments: Namespace, plan: DevicePlan) -> Report:
    from benchmarks.devices.android import TARGETS, find_adb, find_device, measure_on_android
    from benchmarks.devices.plan import device_bundles

    # Before minutes on the phone: what can be refused here is.
    bundles = device_bundles(arguments.bundles, TARGETS)
    adb = find_device(find_adb(), arguments.serial)
    with progress() as show:
        return measure_on_android(adb, bundles, plan, arguments.app, arguments.timeout, show)


def _ios(arguments: Namespace, plan: DevicePlan) -> Report:
    from benchmarks.devices.ios import TARGETS, find_iphone, find_xcrun, measure_on_ios
    from benchmarks.devices.plan import device_bundles

    names = list(device_bundles(arguments.bundles, TARGETS))
    control = find_iphone(find_xcrun(), arguments.serial)
    with progress() as show:
        return measure_on_ios(control, names, plan, arguments.app, arguments.timeout, show)
