"""``mobilevit-bench device``: bundles on a phone that is attached, or in any browser."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.commands.measuring import print_run, print_runs
from benchmarks.devices.browser.headless import BROWSER_NAMES
from benchmarks.devices.plan import PLATFORMS, DevicePlan
from mobilevit_edge.arguments import whole_number
from mobilevit_edge.console import add_common_arguments, progress
from mobilevit_edge.errors import UsageError

if TYPE_CHECKING:
    from benchmarks.devices.browser.address import Address
    from mobilevit_edge.formats.report import Report

_TIMEOUT: Final = 1800.0
_MAX_PORT: Final = 65535
_MAX_REPORTS: Final = 1000
_PHONE_OPTIONS: Final = ("serial", "app")
_BROWSER_OPTIONS: Final = ("host", "port", "https", "reports", "headless")


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "device",
        help="measure on an attached phone, or in any phone's browser",
        description="Let the sample app on a phone measure bundles, and fetch its report, without "
        "touching the phone. Bundles are pushed to Android; on iOS, from a Mac, the app must hold "
        "them (mobilevit-export --ios-resources). 'browser' serves a page that measures ONNX "
        "bundles wherever it is opened, and waits for its report. The report is added to an "
        "existing file.",
        examples=(
            "mobilevit-bench device browser BUNDLE --host 0.0.0.0",
            "mobilevit-bench device android BUNDLE BUNDLE",
        ),
    )
    parser.add_argument("platform", choices=PLATFORMS)
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument("--serial", metavar="ID", help="which device, if several are attached")
    parser.add_argument(
        "--app", type=Path, metavar="FILE", help="install the app first: an .apk, or an .app folder"
    )
    _add_plan_arguments(parser)
    _add_browser_arguments(parser)
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


def _add_browser_arguments(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("browser", "the page, and who may open it")
    group.add_argument(
        "--host",
        metavar="ADDRESS",
        help="the address to serve on: this machine's in its network, or 0.0.0.0 for all of them "
        "(default 127.0.0.1: this machine alone)",
    )
    group.add_argument(
        "--port", type=whole_number(0, _MAX_PORT), metavar="N", help="default: any that is free"
    )
    group.add_argument(
        "--https",
        action="store_true",
        default=None,
        help="with a certificate made on the spot: camera and threads on phones in the network",
    )
    group.add_argument(
        "--reports",
        type=whole_number(1, _MAX_REPORTS),
        metavar="N",
        help="wait for this many reports (default 1); Ctrl-C ends it earlier",
    )
    group.add_argument(
        "--headless",
        choices=BROWSER_NAMES,
        help="measure in this machine's own browser, without a window",
    )


def _device(arguments: Namespace) -> None:
    _check_platform(arguments)
    if arguments.platform == "browser":
        _browser(arguments)
        return
    from benchmarks.output.run import run_summary, run_tables
    from mobilevit_edge.formats.report import merge_reports, read_report, write_report

    earlier = [read_report(arguments.output)] if arguments.output.exists() else []
    plan = _plan_of(arguments)
    report = (_android if arguments.platform == "android" else _ios)(arguments, plan)
    write_report(merge_reports([*earlier, report]), arguments.output)
    (run,) = report.runs
    print_run(arguments, run, run_summary, run_tables)


def _plan_of(arguments: Namespace) -> DevicePlan:
    return DevicePlan(
        **{field.name: getattr(arguments, field.name) for field in fields(DevicePlan)}
    )


def _check_platform(arguments: Namespace) -> None:
    """Refuse what the other platforms' conversations alone have."""
    foreign = _PHONE_OPTIONS if arguments.platform == "browser" else _BROWSER_OPTIONS
    given = [f"--{name}" for name in foreign if getattr(arguments, name) is not None]
    if given:
        raise UsageError(f"{', '.join(given)}: not for {arguments.platform}")
    if arguments.headless and (arguments.https or arguments.reports):
        raise UsageError("--headless sends one report from this machine: no --https, no --reports")


def _browser(arguments: Namespace) -> None:
    from benchmarks.devices.browser.announcement import announcement, supports_color
    from benchmarks.devices.browser.measuring import Serving, measure_in_browsers
    from benchmarks.devices.plan import check_plan, device_bundles
    from benchmarks.output.run import run_summary, run_tables
    from mobilevit_edge.formats.report import merge_reports, read_report, write_report

    output = arguments.output
    if output.exists():
        # Before anybody measures: a file that is no report is not to be added to.
        read_report(output)
    plan = _plan_of(arguments)
    check_plan(plan)
    bundles = device_bundles(arguments.bundles, "browser")
    given = {name: getattr(arguments, name) for name in _BROWSER_OPTIONS}
    how = Serving(
        **{name: value for name, value in given.items() if value is not None},
        timeout=arguments.timeout,
    )

    def keep(report: Report) -> None:
        earlier = [read_report(output)] if output.exists() else []
        write_report(merge_reports([*earlier, report]), output)

    def announce(address: Address) -> None:
        color = supports_color(sys.stderr)
        print(announcement(address, color=color), file=sys.stderr, flush=True)

    with progress() as show:
        runs = measure_in_browsers(bundles, plan, how, keep, announce, show)
    print_runs(arguments, runs, run_summary, run_tables)


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
