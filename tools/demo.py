"""Export a model, verify it, classify a photo, draw the answer: the shortest way to see it work.

make demo
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

from mobilevit_edge.console import run_command
from mobilevit_edge.errors import ToolchainError
from tools.command import tool_parser

_OUTPUT: Final = Path("demo")
_COMMANDS: Final = Path(sys.executable).parent
_BAR_WIDTH: Final = 320
_BAR_COLOR: Final = "#2a7de1"


def parser() -> ArgumentParser:
    """The options."""
    return tool_parser(__doc__)


def command(arguments: Namespace) -> None:
    """Run the demo in the current folder."""
    photo, bundle, picture = photo_of_a_cat(), _OUTPUT / "bundle", _OUTPUT / "result.png"
    export = ("--target", "onnx", "--weights", "demo")
    run("mobilevit-export", *export, "--verify", str(photo), "--output", str(bundle))
    run("mobilevit-predict", str(bundle), str(photo))
    draw(photo, classes_of(bundle, photo)).save(picture)
    print(f"\nThe picture with these answers: {picture}")
    print("The weights know CIFAR-10's ten classes, seen at 64x64: docs/measurements/demo_model.md")
    print("With a checkpoint of your own: mobilevit-export --target onnx --weights CHECKPOINT")


def photo_of_a_cat() -> Path:
    """Chelsea, the cat in scikit-image's package.

    Raises:
        ToolchainError: scikit-image is not installed.
    """
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise ToolchainError("the demo's photo comes with scikit-image: run 'make demo'")
    return Path(spec.origin).parent / "data" / "chelsea.png"


def run(name: str, *arguments: str) -> None:
    """Show one of our commands and run it; its failure ends the demo."""
    print(f"\n$ {name} {' '.join(arguments)}", flush=True)
    done = subprocess.run([_COMMANDS / name, *arguments], check=False)  # noqa: S603  ours
    if done.returncode:
        # The command has said why.
        raise SystemExit(done.returncode)


def classes_of(bundle: Path, photo: Path) -> Sequence[Mapping[str, Any]]:
    """The best classes with their labels and probabilities, as ``--json`` prints them."""
    predict: list[str | Path] = [_COMMANDS / "mobilevit-predict", bundle, photo, "--json"]
    done = subprocess.run(predict, check=True, capture_output=True, text=True)  # noqa: S603  ours
    classes: Sequence[Mapping[str, Any]] = json.loads(done.stdout)["predictions"][0]["classes"]
    return classes


def draw(photo: Path, classes: Sequence[Mapping[str, Any]]) -> Image.Image:
    """The photo with its classes and their probabilities as bars beside it."""
    image = Image.open(photo).convert("RGB")
    image.thumbnail((480, 320))
    canvas = Image.new("RGB", (image.width + _BAR_WIDTH + 40, image.height), "white")
    canvas.paste(image)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=16)
    for row, score in enumerate(classes):
        top, left = 20 + 54 * row, image.width + 20
        share = float(score["probability"])
        pen.text((left, top), f"{score['label']}  {share:.1%}", fill="black", font=font)
        pen.rectangle((left, top + 24, left + _BAR_WIDTH, top + 36), fill="#e6e6e6")
        pen.rectangle((left, top + 24, left + _BAR_WIDTH * share, top + 36), fill=_BAR_COLOR)
    return canvas


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
