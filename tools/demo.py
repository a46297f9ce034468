"""The shortest way to see it work: export a model, verify it, classify a photo, draw the answer.

Run by ``make demo``.
"""

# ruff: noqa: D103
from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

OUTPUT = Path("demo")
BIN = Path(sys.executable).parent


def main() -> None:
    photo = photo_of_a_cat()
    bundle = OUTPUT / "bundle"
    run("mobilevit-export", "--target", "onnx", "--weights", "demo",
        "--verify", str(photo), "--output", str(bundle))  # fmt: skip
    run("mobilevit-predict", str(bundle), str(photo))
    answer = json.loads(capture("mobilevit-predict", str(bundle), str(photo), "--json"))
    picture = OUTPUT / "result.png"
    draw(photo, answer["predictions"][0]["classes"]).save(picture)
    print(f"\nThe picture with these answers: {picture}")
    print("The weights know the ten classes of CIFAR-10, seen at 64x64: docs/demo_model.md.")
    print("With a checkpoint of your own: mobilevit-export --target onnx --weights CHECKPOINT")


def photo_of_a_cat() -> Path:
    """Chelsea, the cat in scikit-image's package."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        sys.exit("the demo's photo comes with scikit-image: run 'make demo'")
    return Path(spec.origin).parent / "data" / "chelsea.png"


def run(command: str, *arguments: str) -> None:
    print(f"\n$ {command} {' '.join(arguments)}", flush=True)
    subprocess.run([BIN / command, *arguments], check=True)  # noqa: S603  our own commands


def capture(command: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603  our own commands
        [BIN / command, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


def draw(photo: Path, classes: list[dict[str, object]]) -> Image.Image:
    """The photo with its classes and their probabilities beside it."""
    image = Image.open(photo).convert("RGB")
    image.thumbnail((480, 320))
    canvas = Image.new("RGB", (image.width + 360, image.height), "white")
    canvas.paste(image)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=16)
    for row, score in enumerate(classes):
        top, left = 20 + 54 * row, image.width + 20
        share = float(str(score["probability"]))
        pen.text((left, top), f"{score['label']}  {share:.1%}", fill="black", font=font)
        pen.rectangle((left, top + 24, left + 320, top + 36), fill="#e6e6e6")
        pen.rectangle((left, top + 24, left + 320 * share, top + 36), fill="#2a7de1")
    return canvas


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
