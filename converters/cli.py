"""The commands ``mobilevit-export`` and ``mobilevit-predict``.

Heavy imports stay inside the functions, so that ``--help`` and ``--list`` answer at once.
"""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from converters.export.options import (
    CoreMLOptions,
    DeploymentTarget,
    ExportOptions,
    LoweredFor,
    Precision,
)
from mobilevit_edge.console import add_common_arguments, progress, run_command
from mobilevit_edge.errors import UsageError

if TYPE_CHECKING:
    from converters.export.pipeline import Exported
    from converters.predict import Prediction

_TARGETS = ("coreml", "onnx", "executorch")


def export_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``mobilevit-export``."""
    return run_command(_export_parser(), _export, argv)


def predict_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``mobilevit-predict``."""
    return run_command(_predict_parser(), _predict, argv)


def _export_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="mobilevit-export",
        description="Turn a MobileViT checkpoint into a verified, self-describing bundle.",
        epilog="exit codes: 0 done, 2 usage, 3 package missing, 4 bad input, "
        "5 conversion failed, 6 verification failed",
    )
    parser.add_argument("--list", action="store_true", help="show the models and exit")
    parser.add_argument(
        "--explain",
        action="store_true",
        help="show what each rewrite of the target does to the model, and exit",
    )
    parser.add_argument("--target", choices=_TARGETS, help="what to export to")
    parser.add_argument(
        "--weights",
        metavar="PATH|hub:ORG/REPO|demo|random",
        help="checkpoint of CVNets, MobileViTv3, timm or transformers: a .pt, .pth, .bin or "
        ".safetensors file, a Hugging Face folder, or a repository on the hub; demo is the "
        "checkpoint in this package",
    )
    parser.add_argument(
        "--model", default="auto", metavar="NAME", help="default: recognized from the checkpoint"
    )
    parser.add_argument(
        "--labels",
        metavar="FILE|imagenet",
        help="class names, one a line; default: the checkpoint's",
    )
    parser.add_argument(
        "--precision",
        default="fp32",
        choices=get_args(Precision),
        help="default fp32; int8 is calibrated on your images, int8-dynamic measures activations "
        "while it runs, int8-weight-only makes the file small; palettes are Core ML's",
    )
    parser.add_argument(
        "--image-size",
        metavar="H[xW]",
        help="default: the size the checkpoint's source evaluates at",
    )
    parser.add_argument(
        "--batch", type=_batch, default=1, metavar="N|dynamic", help="images per call (default 1)"
    )
    parser.add_argument("--softmax", action="store_true", help="output probabilities, not logits")
    parser.add_argument(
        "--raw-input",
        action="store_true",
        help="take uint8 NHWC RGB pixels: scaling and channel order go into the graph",
    )
    parser.add_argument(
        "--no-rewrite",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out one of the target's exact rewrites (may be repeated)",
    )
    parser.add_argument(
        "--verify",
        type=Path,
        metavar="IMAGE_OR_DIR",
        help="also verify on these photos; a folder with one folder a class measures top-1 of the "
        "model and of the artifact",
    )
    parser.add_argument(
        "--max-accuracy-drop",
        type=_points,
        metavar="POINTS",
        help="how many percentage points of top-1 the artifact may lose on --verify's labeled "
        "images (default 1)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="the bundle's folder; default: a telling name here",
    )
    parser.add_argument(
        "--android-assets",
        type=Path,
        metavar="DIR",
        help="also put the bundle into the Android app: android_demo/app/src/main/assets",
    )
    parser.add_argument(
        "--ios-resources",
        type=Path,
        metavar="DIR",
        help="also put the bundle into the iOS app: ios_demo/App/Models",
    )
    group = parser.add_argument_group("int8")
    group.add_argument(
        "--calibration", type=Path, metavar="DIR", help="images like those that the app will see"
    )
    group.add_argument(
        "--int8-keep",
        type=_names,
        default=(),
        metavar="auto|NAME,...",
        help="parts that stay in fp32, such as layer1 or layer3.1.layers.0.attention; auto "
        "measures which",
    )
    group = parser.add_argument_group("executorch")
    group.add_argument(
        "--backend",
        choices=get_args(LoweredFor),
        default="xnnpack",
        help="the delegate to lower for (default xnnpack); the others are not run here",
    )
    group.add_argument(
        "--etrecord", action="store_true", help="add what ExecuTorch's Inspector needs to a profile"
    )
    group = parser.add_argument_group("coreml")
    group.add_argument(
        "--deployment-target",
        choices=get_args(DeploymentTarget),
        help="the oldest system to run on (default: the oldest from iOS16 that has what is asked)",
    )
    group.add_argument(
        "--flexible-sizes",
        type=_sizes,
        default=(),
        metavar="H[xW],...",
        help="further image sizes that the program takes, multiples of 64 from 128 up",
    )
    group.add_argument(
        "--function-sizes",
        type=_sizes,
        default=(),
        metavar="H[xW],...",
        help="further image sizes, each a function of its own with the same weights (iOS18)",
    )
    group.add_argument("--author", metavar="TEXT", help="what Xcode shows")
    group.add_argument("--license", metavar="TEXT", help="what Xcode shows")
    group = parser.add_argument_group(
        "preprocessing", "default: what the checkpoint's source does; the manifest says which"
    )
    group.add_argument("--channel-order", type=str.upper, choices=("RGB", "BGR"))
    group.add_argument("--resize", choices=("crop", "stretch"))
    group.add_argument("--interpolation", choices=("bilinear", "bicubic"))
    add_common_arguments(parser)
    return parser


def _predict_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="mobilevit-predict", description="Classify images with a bundle of mobilevit-export."
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    parser.add_argument("--top-k", type=_positive, default=5, metavar="K")
    add_common_arguments(parser)
    return parser


def _positive(text: str) -> int:
    if not re.fullmatch("0*[1-9][0-9]{0,3}", text):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to 9999")
    return int(text)


def _batch(text: str) -> int | None:
    return None if text == "dynamic" else _positive(text)


def _points(text: str) -> float:
    value = float(text) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", text) else -1.0
    if not 0 <= value <= 100:
        raise ArgumentTypeError(f"{text!r} is not a number of percentage points, 0 to 100")
    return value


def _sizes(text: str) -> tuple[tuple[int, int], ...]:
    from mobilevit_edge.preprocess import parse_image_size

    try:
        return tuple(parse_image_size(part) for part in text.split(","))
    except UsageError as error:
        raise ArgumentTypeError(str(error)) from error


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise ArgumentTypeError(f"{text!r} is neither auto nor names with commas between them")
    return names


def _export(arguments: Namespace) -> None:
    if arguments.list:
        from converters.text import print_models

        print_models(as_json=arguments.json)
        return
    if arguments.target is None or arguments.weights is None:
        raise UsageError("--target and --weights are needed; --list shows the models, --help all")
    from mobilevit_edge.preprocess import parse_image_size

    size = None if arguments.image_size is None else parse_image_size(arguments.image_size)
    options = ExportOptions(
        target=arguments.target,
        weights=arguments.weights,
        output=arguments.output,
        model=arguments.model,
        precision=arguments.precision,
        labels=arguments.labels,
        image_size=size,
        batch=arguments.batch,
        softmax=arguments.softmax,
        raw_input=arguments.raw_input,
        channel_order=arguments.channel_order,
        resize=arguments.resize,
        interpolation=arguments.interpolation,
        verify=arguments.verify,
        calibration=arguments.calibration,
        int8_keep=arguments.int8_keep,
        max_accuracy_drop=arguments.max_accuracy_drop,
        backend=arguments.backend,
        etrecord=arguments.etrecord,
        coreml=CoreMLOptions(
            deployment_target=arguments.deployment_target,
            flexible_sizes=arguments.flexible_sizes,
            function_sizes=arguments.function_sizes,
            author=arguments.author,
            license=arguments.license,
        ),
        without=frozenset(arguments.no_rewrite),
    )
    if arguments.explain:
        _explain(options, as_json=arguments.json)
        return
    from converters.apps import (
        add_to_android,
        add_to_ios,
        check_android_assets,
        check_ios_resources,
    )

    if arguments.android_assets is not None:
        check_android_assets(options, arguments.android_assets)
    if arguments.ios_resources is not None:
        check_ios_resources(options, arguments.ios_resources)
    with progress() as show:
        show("loading PyTorch")
        from converters.export.pipeline import export_bundle

        exported = export_bundle(options, show)
    _print_exported(exported, as_json=arguments.json)
    if arguments.android_assets is not None:
        packed = add_to_android(exported.path, arguments.android_assets)
        print(f"in the Android app: {packed}", file=sys.stderr)
    if arguments.ios_resources is not None:
        copied = add_to_ios(exported.path, arguments.ios_resources)
        print(f"in the iOS app: {copied}", file=sys.stderr)


def _explain(options: ExportOptions, *, as_json: bool) -> None:
    with progress() as show:
        show("counting operators")
        from converters.explain import explain

        explanation = explain(options)
    if as_json:
        print(json.dumps(asdict(explanation)))
        return
    from converters.text import print_explanation

    print_explanation(explanation)


def _print_exported(exported: Exported, *, as_json: bool) -> None:
    from mobilevit_edge.formats.bundle import manifest_to_json

    manifest = exported.manifest
    if as_json:
        content = json.loads(manifest_to_json(manifest))
        print(json.dumps({"bundle": str(exported.path), "manifest": content}))
        return
    from converters.text import print_export

    print_export(exported)


def _predict(arguments: Namespace) -> None:
    from converters.predict import check_golden, predict
    from converters.targets.base import load_bundle_model
    from mobilevit_edge.formats.bundle import read_bundle

    bundle = read_bundle(arguments.bundle)
    loaded = load_bundle_model(bundle)
    check_golden(bundle, loaded)
    predictions = predict(bundle, loaded, arguments.images, top_k=arguments.top_k)
    if arguments.json:
        print(json.dumps(_predictions_as_json(arguments.bundle, loaded.runtime, predictions)))
        return
    if loaded.is_reference:
        print(f"answered by the {loaded.runtime}, not by Core ML itself", file=sys.stderr)
    from converters.text import print_predictions

    print_predictions(predictions)


def _predictions_as_json(
    bundle: Path, runtime: str, predictions: Sequence[Prediction]
) -> dict[str, object]:
    return {
        "bundle": str(bundle),
        "runtime": runtime,
        "predictions": [
            {"image": p.image, "classes": [asdict(score) for score in p.classes]}
            for p in predictions
        ],
    }


if __name__ == "__main__":
    sys.exit(export_main())
