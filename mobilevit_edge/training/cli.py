"""The command ``mobilevit-train``.

Heavy imports stay inside the functions, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from mobilevit_edge.arguments import whole_number
from mobilevit_edge.command_parser import CommandParser
from mobilevit_edge.console import add_common_arguments, run_command
from mobilevit_edge.errors import UsageError
from mobilevit_edge.head_specs import OUTPUT_STRIDES
from mobilevit_edge.specs import SPECS, split_name
from mobilevit_edge.training.heads import HeadOptions
from mobilevit_edge.training.options import Machine, NewRun, ResumedRun
from mobilevit_edge.training.recipe import SAMPLINGS, SCHEDULES, Recipe, make_recipe

_RECIPE_NAMES: Final = frozenset(field.name for field in fields(Recipe))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``mobilevit-train``."""
    return run_command(train_parser(), _train, argv)


def _scales(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a list such as 160,192,256") from error


def train_parser() -> ArgumentParser:
    """The options of ``mobilevit-train``."""
    parser = CommandParser(
        prog="mobilevit-train",
        description="Fine-tune a MobileViT on a folder of class folders, or one with a head for "
        "masks on images and masks, or train it from scratch. RUN_DIR/checkpoint is what "
        "mobilevit-export --weights takes.",
        examples=(
            "mobilevit-train leaves/ --model mobilevitv2_050 --weights ORG/REPO --output run",
            "mobilevit-train leaves/ --validation held-out/ --model mobilevit_xxs --output run",
            "mobilevit-train street/ --model deeplabv3_mobilevitv2_050 --weights demo --output run",
            "mobilevit-train --resume run",
            "mobilevit-export --target onnx --weights run/checkpoint",
        ),
        exit_codes="0 done, 2 usage, 3 package missing, 4 bad input, "
        "130 interrupted (the state is saved)",
    )
    run = parser.add_argument_group("run")
    run.add_argument(
        "data",
        nargs="?",
        type=Path,
        metavar="DATA_DIR",
        help="class folders; for masks images/, masks/ (PNG of class indices, 255 for none) and "
        "labels.txt, or the folders of PASCAL VOC",
    )
    run.add_argument(
        "--model",
        metavar="NAME",
        help=f"one of {', '.join(SPECS)}; for masks with deeplabv3_ or pspnet_ before it",
    )
    run.add_argument("--output", type=Path, metavar="RUN_DIR", help="folder for a new run")
    run.add_argument(
        "--resume",
        type=Path,
        metavar="RUN_DIR",
        help="continue the run in this folder; other options need not be repeated",
    )
    run.add_argument(
        "--weights",
        metavar="CHECKPOINT",
        help="start from this checkpoint (file, Hugging Face folder or ORG/REPO); "
        "default: from scratch",
    )
    validation = parser.add_argument_group("validation")
    held_out = validation.add_mutually_exclusive_group()
    held_out.add_argument(
        "--validation", type=Path, metavar="DIR", help="held-out images in the same class folders"
    )
    # Hyper-parameters that are not given take their defaults from the recipe, or from the run.
    recipe = parser.add_argument_group("recipe", argument_default=SUPPRESS)
    held_out.add_argument(
        "--validation-share",
        type=float,
        default=SUPPRESS,
        metavar="SHARE",
        help="share of each class's images to hold out where there is no --validation "
        f"(default: {Recipe.validation_share})",
    )
    for name, type_, text in (
        ("epochs", int, "passes over the images"),
        ("batch-size", int, "images per iteration at the largest resolution"),
        ("image-size", int, "side in pixels for evaluation and export, and for fixed sampling"),
        ("learning-rate", float, "peak learning rate"),
        ("weight-decay", float, "weight decay of AdamW; norms and biases are not decayed"),
        ("warmup", float, "share of the iterations in which the learning rate climbs"),
        ("label-smoothing", float, "share of the target spread over all classes"),
        ("ema-decay", float, "decay of the averaged weights that are evaluated and saved"),
        ("operations", int, "random operations on each image (RandAugment)"),
        ("magnitude", float, "strength of these operations, 0 to 1"),
        ("mixup", float, "alpha of the share in which two images are blended; 0 for none"),
        ("cutmix", float, "alpha of the share that a box of another image covers; 0 for none"),
        ("seed", int, "seed of weights, order, resolutions, augmentation and split"),
    ):
        default = getattr(Recipe, name.replace("-", "_"))
        recipe.add_argument(
            f"--{name}", type=type_, metavar="N", help=f"{text} (default: {default})"
        )
    recipe.add_argument(
        "--schedule",
        choices=SCHEDULES,
        help="how the learning rate falls: along half a cosine (default), or by the power 0.9 of "
        "what is left",
    )
    recipe.add_argument(
        "--scales",
        type=_scales,
        metavar="N,N,...",
        help="resolutions to train at, in pixels (default: those of the paper, 160 to 320 for 256, "
        "in proportion to --image-size)",
    )
    recipe.add_argument(
        "--crop-scale",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help=f"share of the area that a random crop takes (default: {Recipe.crop_scale})",
    )
    recipe.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        help="multi-scale (default): a new resolution in every iteration, with larger batches at "
        "smaller ones; fixed: only --image-size; switching: a new one every 10 iterations",
    )
    recipe.add_argument("--no-flip", dest="flip", action="store_false", help="no mirrored images")
    recipe.add_argument(
        "--class-balanced", action="store_true", help="draw every class equally often"
    )
    recipe.add_argument("--freeze-backbone", action="store_true", help="train only the classifier")
    head = parser.add_argument_group("head for masks")
    head.add_argument(
        "--output-stride",
        type=int,
        choices=OUTPUT_STRIDES,
        help="pixels of the image to one of the head's logits (default: 16)",
    )
    head.add_argument(
        "--head-width",
        type=int,
        metavar="N",
        help="channels of the head (default: the authors', 256 or 512)",
    )
    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--workers",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="processes that prepare images (default: 0, the main process does it)",
    )
    machine.add_argument(
        "--threads",
        type=whole_number(1),
        metavar="N",
        help="threads of torch (default: its own choice); another number rounds differently",
    )
    add_common_arguments(parser)
    parser.add_version()
    return parser


def _train(arguments: Namespace) -> None:
    request = _request(vars(arguments))
    from mobilevit_edge.training.allocator import keep_freed_memory
    from mobilevit_edge.training.session import run_session

    keep_freed_memory()
    trained = run_session(request, Machine(arguments.workers, arguments.threads))
    if trained is None:
        return
    if arguments.json:
        result = asdict(trained)
        scores = result.pop("scores")
        print(json.dumps(result | scores))
    else:
        from mobilevit_edge.training.display import shown_scores

        print(f"{trained.checkpoint}: {shown_scores(trained.scores)} (epoch {trained.epoch})")


def _request(given: Mapping[str, Any]) -> NewRun | ResumedRun:
    """What the options ask for; hyper-parameters that were left out are not among ``given``."""
    needed = {"data": "DATA_DIR", "model": "--model NAME", "output": "--output RUN_DIR"}
    missing = [option for name, option in needed.items() if given[name] is None]
    if given["resume"] is None and missing:
        raise UsageError(f"a new run needs {', '.join(missing)}; --resume RUN_DIR continues one")
    if given["resume"] is not None and given["output"] is not None:
        raise UsageError("--output begins a new run, --resume continues one: pass one of them")
    recipe = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if name in _RECIPE_NAMES
    }
    start = {name: given[name] for name in ("data", "model", "validation", "weights")}
    start["head"] = HeadOptions(given["output_stride"], given["head_width"])
    if given["resume"] is not None:
        return ResumedRun(given["resume"], **start, recipe=recipe)
    for_masks = split_name(given["model"])[0] is not None
    return NewRun(given["output"], **start, recipe=make_recipe(recipe, for_masks=for_masks))
