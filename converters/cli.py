"""The commands ``mobilevit-export`` and ``mobilevit-predict``.

Heavy imports stay inside the functions, so that ``--help`` and ``--list`` answer at once.
"""

from __future__ import annotations

import json
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import MISSING, Field, asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.job.options import GROUPS, ExportOptions, flag_of, option_of
from mobilevit_edge.arguments import whole_number
from mobilevit_edge.command_parser import CommandParser, is_completing
from mobilevit_edge.console import add_common_arguments, progress, run_command
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.manifest import TARGET_NAMES

if TYPE_CHECKING:
    from converters.bundling.pipeline import Exported
    from converters.classifier import Answers, Classifier, Prediction
    from mobilevit_edge.formats.bundle import Bundle
    from mobilevit_edge.formats.manifest import Task


def export_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``mobilevit-export``."""
    given = sys.argv[1:] if argv is None else argv
    if not given and not is_completing():
        from converters.welcome import welcome

        print(welcome())
        return UsageError.exit_code
    return run_command(export_parser(), _export, argv)


def predict_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``mobilevit-predict``."""
    return run_command(predict_parser(), _predict, argv)


def export_parser() -> ArgumentParser:
    """The options of ``mobilevit-export``."""
    parser = CommandParser(
        prog="mobilevit-export",
        usage="mobilevit-export --target TARGET --weights CHECKPOINT [OPTION ...]",
        description="Turn a MobileViT checkpoint into a verified, self-describing bundle.",
        examples=(
            "mobilevit-export --target onnx --weights demo",
            "mobilevit-export --target executorch --weights checkpoint.pt --labels classes.txt",
            "mobilevit-export --target onnx --weights checkpoint.pt --precision int8 \\",
            "    --calibration photos/ --verify labeled/",
            "mobilevit-export --target coreml --weights ORG/REPO --precision fp16",
            "mobilevit-export --diagnose --weights checkpoint.pt --labels classes.txt \\",
            "    --verify labeled/",
        ),
        exit_codes="0 done, 2 usage, 3 package missing, 4 bad input, "
        "5 conversion failed, 6 verification failed",
    )
    groups: dict[str, Any] = {
        name: parser.add_argument_group(name, description) for name, description in GROUPS.items()
    }
    for entry in fields(ExportOptions):
        _add_option(groups[option_of(entry).group], entry)
    _add_apps(parser.add_argument_group("apps"))
    _add_questions(parser.add_argument_group("instead of an export"))
    add_common_arguments(parser)
    parser.add_version()
    return parser


def _add_questions(group: Any) -> None:
    group.add_argument("--list", action="store_true", help="show the models and exit")
    group.add_argument(
        "--explain",
        action="store_true",
        help="show what each rewrite of the target does to the model, and exit",
    )
    group.add_argument(
        "--diagnose",
        action="store_true",
        help="show which preprocessing fits the checkpoint, by the labeled photos of --verify, and "
        "exit",
    )


def _add_apps(group: Any) -> None:
    group.add_argument(
        "--android-assets",
        type=Path,
        metavar="DIR",
        help="also put the bundle into the Android app: android_demo/app/src/main/assets",
    )
    group.add_argument(
        "--ios-resources",
        type=Path,
        metavar="DIR",
        help="also put the bundle into the iOS app: ios_demo/App/Models",
    )
    group.add_argument(
        "--web",
        type=Path,
        metavar="PLACE",
        help="also write a page that runs the bundle in a browser: a folder for any web host, or "
        "FILE.html, one file that opens from a disk",
    )


def _add_option(parser: Any, entry: Field[Any]) -> None:
    """Add one field of :class:`ExportOptions` to a parser or a group of it."""
    option = option_of(entry)
    # A required one is asked for by _export: --list needs none.
    default = None if entry.default is MISSING else entry.default
    settings: dict[str, Any] = {"default": default, "help": option.help or None}
    if isinstance(default, bool):
        settings["action"] = "store_true"
    elif option.repeated:
        settings |= {"action": "append", "default": [], "metavar": option.metavar}
    else:
        settings |= {
            "type": option.parse,
            "choices": option.choices,
            "metavar": option.metavar,
            "nargs": "+" if option.several else None,
        }
    parser.add_argument(flag_of(entry.name), **settings)
    for flag, value in option.switches.items():
        parser.add_argument(
            flag,
            dest=entry.name,
            action="store_const",
            const=value,
            default=SUPPRESS,
            help=SUPPRESS,
        )
    for alias in option.aliases:
        hidden = {"dest": entry.name, "default": SUPPRESS, "help": SUPPRESS}
        parser.add_argument(alias, **settings | hidden)


def predict_parser() -> ArgumentParser:
    """The options of ``mobilevit-predict``."""
    parser = CommandParser(
        prog="mobilevit-predict",
        description="Answer images with a bundle of mobilevit-export: classes, masks or boxes.",
        examples=(
            "mobilevit-predict bundle photo.jpg --top-k 3",
            "mobilevit-predict bundle photos/ --json",
            "mobilevit-predict mask-bundle photo.jpg --overlay drawn/",
        ),
        exit_codes="0 done, 2 usage, 3 package missing, 4 bad input (an image, a bundle), "
        "6 the bundle fails its self-test",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument(
        "images", type=Path, nargs="+", metavar="IMAGE", help="an image, or a folder of images"
    )
    parser.add_argument("--top-k", type=whole_number(1, 9999), default=5, metavar="K")
    parser.add_argument(
        "--overlay",
        type=Path,
        metavar="DIR",
        help="also draw each image with its mask or boxes, as a PNG in this folder",
    )
    add_common_arguments(parser)
    parser.add_version()
    return parser


def _export(arguments: Namespace) -> None:
    if arguments.list:
        from converters.text import print_models

        print_models(as_json=arguments.json)
        return
    if arguments.diagnose and arguments.target is None:
        # The reference model answers, whatever the target.
        arguments.target = TARGET_NAMES[0]
    if arguments.target is None or arguments.weights is None:
        raise UsageError("--target and --weights are needed; --list shows the models, --help all")
    given = {entry.name: getattr(arguments, entry.name) for entry in fields(ExportOptions)}
    lists = {"no_rewrite": tuple(arguments.no_rewrite), "soc": tuple(arguments.soc)}
    options = ExportOptions(**given | lists)
    if arguments.explain:
        _explain(options, as_json=arguments.json)
        return
    if arguments.diagnose:
        _diagnose(options, as_json=arguments.json)
        return
    from converters.bundling.apps import (
        add_to_android,
        add_to_ios,
        add_to_web,
        check_android_assets,
        check_ios_resources,
        check_web,
    )

    if arguments.android_assets is not None:
        check_android_assets(options, arguments.android_assets)
    if arguments.ios_resources is not None:
        check_ios_resources(options, arguments.ios_resources)
    if arguments.web is not None:
        check_web(options, arguments.web)
    with progress() as show:
        show("loading PyTorch")
        from converters.bundling.pipeline import export_bundle

        exported = export_bundle(options, show)
    _print_exported(exported, as_json=arguments.json)
    if arguments.android_assets is not None:
        packed = add_to_android(exported.path, arguments.android_assets)
        print(f"in the Android app: {packed}", file=sys.stderr)
    if arguments.ios_resources is not None:
        copied = add_to_ios(exported.path, arguments.ios_resources)
        print(f"in the iOS app: {copied}", file=sys.stderr)
    if arguments.web is not None:
        written = add_to_web(exported.path, arguments.web)
        print(f"as a page: {written}", file=sys.stderr)


def _explain(options: ExportOptions, *, as_json: bool) -> None:
    with progress() as show:
        show("counting operators")
        from converters.explanation import explain

        explanation = explain(options)
    if as_json:
        print(json.dumps(asdict(explanation)))
        return
    from converters.text import print_explanation

    print_explanation(explanation)


def _diagnose(options: ExportOptions, *, as_json: bool) -> None:
    with progress() as show:
        show("loading PyTorch")
        from converters.checks.diagnosis import diagnose_checkpoint

        found = diagnose_checkpoint(options, show)
    from converters.text import diagnosis_as_json, print_diagnosis

    if as_json:
        print(json.dumps(diagnosis_as_json(found)))
    else:
        print_diagnosis(found)


def _print_exported(exported: Exported, *, as_json: bool) -> None:
    from mobilevit_edge.formats.manifest import manifest_to_json

    manifest = exported.manifest
    if as_json:
        content = json.loads(manifest_to_json(manifest))
        found = {} if exported.diagnosis is None else {"options": exported.diagnosis.options}
        print(json.dumps({"bundle": str(exported.path), "manifest": content} | found))
        return
    from converters.text import print_export

    print_export(exported)


def _predict(arguments: Namespace) -> None:
    from converters.classifier import Classifier
    from mobilevit_edge.formats.bundle import read_bundle
    from mobilevit_edge.image_files import find_images

    # What is no folder is for the classifier to read, or to name.
    paths = [
        path
        for given in arguments.images
        for path in (find_images(given) if given.is_dir() else [given])
    ]
    bundle = read_bundle(arguments.bundle)
    if arguments.overlay is not None:
        from converters.overlay import check_overlay

        check_overlay(arguments.overlay, bundle)
    classifier = Classifier(bundle)
    loaded = classifier.loaded
    answers = classifier.classify(paths, arguments.top_k)
    if arguments.overlay is not None:
        from converters.overlay import write_overlays

        for path in write_overlays(arguments.overlay, bundle, answers.predictions):
            print(f"drawn: {path}", file=sys.stderr)
    if answers.predictions:
        if arguments.json:
            print(json.dumps(_answers_as_json(bundle, loaded.runtime, answers)))
        else:
            _print_answers(classifier, answers)
    answers.require_all()


def _print_answers(classifier: Classifier, answers: Answers) -> None:
    from converters.targets.base import get_target
    from converters.text import print_predictions

    loaded = classifier.loaded
    if loaded.is_reference:
        native = get_target(classifier.bundle.manifest.target).info.runtime
        print(f"answered by the {loaded.runtime}, not by {native} itself", file=sys.stderr)
    print_predictions(answers.predictions)


def _dense_as_json(prediction: Prediction, task: Task) -> dict[str, object]:
    """Masks as COCO's run lengths, one for each class that was found; boxes in pixels."""
    if task == "detection":
        return {"detections": [asdict(found) for found in prediction.detections]}
    mask = prediction.mask
    if mask is None:
        return {}
    size = list(mask.size)
    return {
        "masks": [
            {"index": s.index, "label": s.label, "size": size, "counts": list(mask.counts(s.index))}
            for s in prediction.classes
        ]
    }


def _answers_as_json(bundle: Bundle, runtime: str, answers: Answers) -> dict[str, object]:
    return {
        "bundle": str(bundle.path),
        "runtime": runtime,
        "predictions": [
            {"image": p.image, "classes": [asdict(score) for score in p.classes]}
            | ({"embedding": list(p.embedding)} if p.embedding else {})
            | _dense_as_json(p, bundle.manifest.task)
            for p in answers.predictions
        ],
        "errors": [asdict(unreadable) for unreadable in answers.unreadable],
    }


if __name__ == "__main__":
    sys.exit(export_main())
