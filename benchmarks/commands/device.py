"""``mobilevit-bench device``: bundles on a phone that is attached to this machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.commands.measuring import print_run
from benchmarks.devices.plan import PLATFORMS, DevicePlan
from mobilevit_edge.console import add_common_arguments, progress

if TYPE_CHECKING:
    from mobilevit_edge.formats.report import Report

_TIMEOUT: Final = 1800.0


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "device",
        help="measure on an attached phone",
        description="Let the sample app on a phone measure bundles, and fetch its report, without "
        "touching the phone. Bundles are pushed to Android; on iOS, from a Mac, the app must hold "
        "them (mobilevit-export --ios-resources). The report is added to an existing file.",
    )
    parser.add_argument("platform", choices=PLATFORMS)
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument("--serial", metavar="ID", help="which device, if several are attached")
    parser.add_argument(
        "--app", type=Path, metavar="FILE", help="install the app first: an .apk, or an .app folder"
    )
    _add_plan_arguments(parser)
    parser.add_argument(
        "--timeout",
        type=float,
        default=_TIMEOUT,
        metavar="SECONDS",
        help=f"how long the whole measurement may take (default {_TIMEOUT:.0f})",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("device-report.json"),
        metavar="FILE",
        help="the report (default device-report.json); runs that it already holds stay",
    )
    add_common_arguments(parser)
    parser.set_defaults(command=_device)


def _add_plan_arguments(parser: ArgumentParser) -> None:
    """An option for each field of the plan: a number, or a switch that turns it off."""
    for setting in fields(DevicePlan):
        option, text = setting.name.replace("_", "-"), setting.metadata["help"]
        if setting.default is True:
            parser.add_argument(
                f"--no-{option}", dest=setting.name, action="store_false", help=text
            )
        else:
            help_ = f"{text} (default {setting.default})"
            parser.add_argument(
                f"--{option}", type=int, default=setting.default, metavar="N", help=help_
            )


def _device(arguments: Namespace) -> None:
    from benchmarks.output.run import run_summary, run_tables
    from mobilevit_edge.formats.report import merge_reports, read_report, write_report

    earlier = [read_report(arguments.output)] if arguments.output.exists() else []
    plan = DevicePlan(
        **{field.name: getattr(arguments, field.name) for field in fields(DevicePlan)}
    )
    report = (_android if arguments.platform == "android" else _ios)(arguments, plan)
    write_report(merge_reports([*earlier, report]), arguments.output)
    (run,) = report.runs
    print_run(arguments, run, run_summary, run_tables)


def _android(arguments: Namespace, plan: DevicePlan) -> Report:
    from benchmarks.devices.android import find_adb, find_device, measure_on_android
    from benchmarks.devices.plan import device_bundles

    # Before minutes on the phone: refuse here what can be refused here.
    bundles = device_bundles(arguments.bundles, "android")
    adb = find_device(find_adb(), arguments.serial)
    with progress() as show:
        return measure_on_android(adb, bundles, plan, arguments.app, arguments.timeout, show)


def _ios(arguments: Namespace, plan: DevicePlan) -> Report:
    from benchmarks.devices.ios import find_iphone, find_xcrun, measure_on_ios
    from benchmarks.devices.plan import device_bundles

    names = list(device_bundles(arguments.bundles, "ios"))
    control = find_iphone(find_xcrun(), arguments.serial)
    with progress() as show:
        return measure_on_ios(control, names, plan, arguments.app, arguments.timeout, show)
