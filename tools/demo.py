"""Export a model, verify it, classify six photos, draw the answers: the quickest way to try it.

make demo
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont, ImageOps

from mobilevit_edge.console import run_command
from mobilevit_edge.errors import ToolchainError
from tools.command import tool_parser

PHOTOS: Final[Mapping[str, tuple[str, str]]] = {
    "cat": ("skimage", "data/chelsea.png"),
    "airplane": ("foolbox", "data/cifar10_10_0.png"),
    "automobile": ("foolbox", "data/cifar10_09_1.png"),
    "frog": ("foolbox", "data/cifar10_19_6.png"),
    "horse": ("foolbox", "data/cifar10_17_7.png"),
    "ship": ("foolbox", "data/cifar10_18_8.png"),
}
"""What each photo shows, with the package that carries it: a cat of scikit-image's (CC0), and some
of CIFAR-10's test images in Foolbox (MIT), which the checkpoint was not trained on."""
_OUTPUT: Final = Path("demo_run")
_COMMANDS: Final = Path(sys.executable).parent
_COLUMNS: Final = 3
_SIDE, _MARGIN, _LINE = 240, 20, 26
_CARD_HEIGHT: Final = _SIDE + 3 * _LINE + 2 * _MARGIN
_RIGHT, _WRONG, _BAR, _EMPTY = "#1d7a46", "#b3261e", "#9cc4f2", "#eef1f5"


def parser() -> ArgumentParser:
    """The options."""
    return tool_parser(__doc__)


def command(arguments: Namespace) -> None:
    """Run the demo in the current folder."""
    photos, bundle, picture = _OUTPUT / "photos", _OUTPUT / "bundle", _OUTPUT / "result.png"
    paths = gather(photos)
    export = ("--target", "onnx", "--weights", "demo")
    run("mobilevit-export", *export, "--verify", str(photos), "--output", str(bundle))
    run("mobilevit-predict", str(bundle), str(photos), "--top-k", "1")
    answers = answers_of(bundle, paths.values())
    draw([(path, name, answers[str(path)]) for name, path in paths.items()]).save(picture)
    print(f"\nThe picture with these answers: {picture}")
    print("The weights know CIFAR-10's ten classes, seen at 64x64: docs/measurements/demo_model.md")
    print("With a checkpoint of your own: mobilevit-export --target onnx --weights CHECKPOINT")
    if shutil.which("mobilevit-export") is None:
        print(f"To have the commands at hand: source {_shown(_COMMANDS / 'activate')}")


def _shown(path: Path) -> Path:
    """As short as it can be typed from the current folder."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def gather(folder: Path) -> dict[str, Path]:
    """The photos, each in a folder of its class; by class.

    Raises:
        ToolchainError: a package that carries one is not installed.
    """
    found = {}
    for name, (package, place) in PHOTOS.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise ToolchainError(f"the demo's photos come with {package}: run 'make demo'")
        original = Path(spec.origin).parent / place
        found[name] = folder / name / original.name
        found[name].parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, found[name])
    return found


def run(name: str, *arguments: str) -> None:
    """Show one of our commands and run it; its failure ends the demo."""
    print(f"\n$ {name} {' '.join(arguments)}", flush=True)
    done = subprocess.run([_COMMANDS / name, *arguments], check=False)  # noqa: S603  ours
    if done.returncode:
        # The command has said why.
        raise SystemExit(done.returncode)


def answers_of(bundle: Path, photos: Iterable[Path]) -> Mapping[str, Any]:
    """The best classes of each photo with their probabilities, as ``--json`` prints them."""
    predict: list[str | Path] = [
        _COMMANDS / "mobilevit-predict",
        bundle,
        *photos,
        "--top-k",
        "3",
        "--json",
    ]
    done = subprocess.run(predict, check=True, capture_output=True, text=True)  # noqa: S603  ours
    return {each["image"]: each["classes"] for each in json.loads(done.stdout)["predictions"]}


def draw(answers: Sequence[tuple[Path, str, Sequence[Mapping[str, Any]]]]) -> Image.Image:
    """Every photo with its three best classes and their probabilities as bars below it.

    Args:
        answers: photo, what it shows, classes.
    """
    rows = -(-len(answers) // _COLUMNS)
    size = (_MARGIN + _COLUMNS * (_SIDE + _MARGIN), _MARGIN + rows * _CARD_HEIGHT)
    canvas = Image.new("RGB", size, "white")
    for index, (path, name, classes) in enumerate(answers):
        row, column = divmod(index, _COLUMNS)
        corner = (_MARGIN + column * (_SIDE + _MARGIN), _MARGIN + row * _CARD_HEIGHT)
        _draw_card(canvas, corner, path, name, classes)
    return canvas


def _draw_card(
    canvas: Image.Image,
    corner: tuple[int, int],
    path: Path,
    name: str,
    classes: Sequence[Mapping[str, Any]],
) -> None:
    left, top = corner
    photo = Image.open(path).convert("RGB")
    canvas.paste(ImageOps.fit(photo, (_SIDE, _SIDE), Image.Resampling.BICUBIC), corner)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=16)
    for place, score in enumerate(classes):
        share = float(score["probability"])
        y = top + _SIDE + 6 + place * _LINE
        pen.rectangle((left, y, left + _SIDE, y + _LINE - 4), fill=_EMPTY)
        pen.rectangle((left, y, left + _SIDE * share, y + _LINE - 4), fill=_BAR)
        color = "black" if place else _RIGHT if score["label"] == name else _WRONG
        pen.text((left + 6, y + 1), str(score["label"]), fill=color, font=font)
        pen.text((left + _SIDE - 6, y + 1), f"{share:.0%}", fill=color, font=font, anchor="ra")


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
