"""Write what every app must compute as Python does, for the apps' tests to read.

    python -m tools.make_vectors FOLDER

The folder gets images with their preprocessed tensors, logits with their probabilities, bundles
with their outputs for a photo, and manifests that every reader must refuse, as JSON.
"""

from __future__ import annotations

import base64
import copy
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import matplotlib.cbook
import numpy as np
from PIL import Image

from mobilevit_edge.console import run_command
from mobilevit_edge.errors import BundleError, LabelsError
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.formats.manifest import MANIFEST_FILE
from mobilevit_edge.labels import parse_labels
from mobilevit_edge.normalization import PRESETS, Normalization, fitted
from mobilevit_edge.preprocess import (
    ChannelOrder,
    Interpolation,
    Preprocessing,
    ResizeRule,
    preprocess_image,
)
from tools.app_check import CheckError
from tools.command import tool_parser
from tools.dense_models import write_dense_bundles
from tools.dense_vectors import bad_heads, box_cases, dense_photo, mask_cases
from tools.strange_models import write_strange_models

SIZES: Final = (
    (40, 30),
    (31, 77),
    (64, 64),
    (9, 200),
    (300, 4),
    (3, 400),
    (2500, 1),
    (1, 1),
    (17, 16),
)
"""Of the images: width, height."""
TARGETS: Final[tuple[tuple[tuple[int, int], ChannelOrder, Normalization], ...]] = (
    ((32, 32), "RGB", PRESETS["none"]),
    ((48, 32), "BGR", PRESETS["imagenet"].reversed()),
    ((64, 40), "RGB", PRESETS["half"]),
    ((40, 32), "GRAY", fitted(PRESETS["imagenet"], 1)),
    ((32, 48), "RGBA", Normalization((0.1, 0.2, 0.3, 0.4), (1.0, 0.5, 0.25, 2.0))),
)
"""What they become: height and width, channel order, normalization."""
RULES: Final[tuple[ResizeRule, ...]] = ("crop", "stretch")
INTERPOLATIONS: Final[tuple[Interpolation, ...]] = ("bilinear", "bicubic")
LABELS: Final = (
    "cat\ndog\n",
    "\ufeffcat \r\n dog\r\n\n\n",
    "caf\u00e9\n\U0001f600 face\nc\u0327",
    "x" * 1000,
    "\U0001f600" * 1000,
    "x" * 1001,
    "cat\n\ndog",
    "cat\ncat",
    "cat\u2028dog",
    "cat\u2029dog",
    "cat\rdog",
    "cat\u0000dog",
    "cat\u001bdog",
    "",
    "\n",
)
"""Texts of labels, good and bad."""
DAMAGED: Final = 2000
NAMES: Final = {
    "mobilevit_xxs": "MobileViT XXS",
    "mobilevit_s": "MobileViT S",
    "mobilevitv2_050": "MobileViTv2 0.5",
    "mobilevitv2_075": "MobileViTv2 0.75",
    "mobilevitv2_100": "MobileViTv2 1.0",
    "mobilevitv2_200": "MobileViTv2 2.0",
    "mobilevitv3_xs": "MobileViTv3 XS",
    "mobilevitv3_xs_l2": "MobileViTv3 XS L2",
    "mobilevit_s+fusion_1x1": "MobileViT S+fusion_1x1",
    "my own model": "my own model",
    "mobilevit_": "mobilevit_",
    "": "",
}
"""What people read instead of a model's name."""


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    return parser


def command(arguments: Namespace) -> None:
    """Export small bundles, and write everything.

    Raises:
        CheckError: Python's own reader accepts a manifest that every reader must refuse.
    """
    write_vectors(arguments.folder)


def preprocessing_cases() -> Iterator[dict[str, Any]]:
    """Noise images of several shapes, preprocessed by every resize rule and interpolation."""
    rng = np.random.default_rng(0)
    for width, height in SIZES:
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for target, rule, interpolation in product(TARGETS, RULES, INTERPOLATIONS):
            size, order, normalization = target
            preprocessing = Preprocessing(
                channel_order=order,
                resize=rule,
                interpolation=interpolation,
                crop_fraction=0.9,
                image_size=size,
                provenance="made up",
                normalization=normalization,
            )
            tensor = preprocess_image(Image.fromarray(pixels), preprocessing, size)
            yield {
                "width": width,
                "height": height,
                "rgb": _base64(pixels.tobytes()),
                "size": size,
                "cover": preprocessing.cover(size),
                "rule": rule,
                "interpolation": interpolation,
                "order": order,
                "mean": normalization.mean,
                "std": normalization.std,
                # float32, little-endian
                "tensor": _base64(tensor.astype("<f4").tobytes()),
            }


def answer_cases() -> Iterator[dict[str, Any]]:
    """Logits with their probabilities by task and their order, ties among them."""
    rng = np.random.default_rng(1)
    for logits in (
        rng.normal(0, 5, 10),
        np.array([700.0, 700.0, -700.0]),
        np.zeros(5),
        np.array([3.0]),
    ):
        values = logits.astype(np.float32).astype(np.float64)
        exponentials = np.exp(values - values.max())
        answers = {
            "classification": exponentials / exponentials.sum(),
            "multilabel": 1 / (1 + np.exp(-values)),
        }
        for task, probabilities in answers.items():
            yield {
                "task": task,
                "logits": values.tolist(),
                "probabilities": probabilities.tolist(),
                "order": np.argsort(-values, kind="stable").tolist(),
            }


def label_cases() -> Iterator[dict[str, Any]]:
    """Texts with the labels in them; null where every reader must refuse."""
    for text in LABELS:
        try:
            labels = parse_labels(text, "labels")
        except LabelsError:
            labels = None
        yield {"text": text, "count": text.strip().count("\n") + 1, "labels": labels}


def bad_manifests(good: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Manifests with one fault each, by the name of the fault."""
    text = json.dumps(good)
    yield "empty", ""
    yield "no json", "{"
    yield "a list", "[]"
    yield "deep", "[" * 5000
    yield "deep objects", '{"a":' * 5000

    def change(place: list[Any], value: Any) -> str:
        content = copy.deepcopy(good)
        target: Any = content
        for step in place[:-1]:
            target = target[step]
        if value is None:
            del target[place[-1]]
        else:
            target[place[-1]] = value
        return json.dumps(content)

    changes: dict[str, tuple[list[Any], Any]] = {
        "another version": (["schema_version"], 3),
        "no version": (["schema_version"], None),
        "no model": (["model"], None),
        "model of another type": (["model"], 5),
        "unknown target": (["target"], "tflite"),
        "outputs of another type": (["model", "outputs"], "many"),
        "a negative size": (["model", "image_size"], [-1, 256]),
        "a size without width": (["model", "image_size"], [256]),
        "another input shape": (["input", "shape"], [1, 3, 1, 1]),
        "no channel order": (["input", "channel_order"], "GBR"),
        "an unknown resize": (["input", "resize", "rule"], "squash"),
        "scale zero": (["input", "scale"], 0),
        "no mean": (["input", "mean"], None),
        "a mean of two channels": (["input", "mean"], [0.5, 0.5]),
        "std zero": (["input", "std"], [1, 0, 1]),
        "gray of three channels": (["input", "channel_order"], "GRAY"),
        "color with alpha": (["input", "channel_order"], "RGBA"),
        "a mean of four channels": (["input", "mean"], [0, 0, 0, 0]),
        "open channels": (["input", "shape"], [1, None, 64, 64]),
        "an open height alone": (["input", "shape"], [1, 3, None, 64]),
        "another scale": (["input", "scale"], 1 / 256),
        "an input of megabytes": (["input", "shape", 0], 65536),
        "a batch beyond bounds": (["input", "shape", 0], 65537),
        "a side beyond bounds": (["model", "image_size"], [2049, 64]),
        "an input without name": (["input", "name"], ""),
        "a long name": (["output", "name"], "x" * 201),
        "covers less than the image": (["input", "resize", "cover"], [63, 64]),
        "covers five times the image": (["input", "resize", "cover"], [320, 64]),
        "bytes in floats": (["input", "dtype"], "uint8"),
        "std of text": (["input", "std"], ["1", "1", "1"]),
        "an unknown task": (["task"], "guessing"),
        "a task of another type": (["task"], 5),
        "an unknown activation": (["output", "activation"], "tanh"),
        "too few labels": (["labels", "count"], 1),
        "golden of another size": (["golden", "rows"], 3),
        "golden without base64": (["golden", "pixels_base64"], "@@@@"),
        "nothing expected": (["golden", "expected"], []),
        "no tolerance": (["golden", "tolerance"], 0),
        "tolerates everything": (["golden", "tolerance"], 1e7),
        "a long label": (["golden", "expected", 0, "label"], "x" * 1001),
        "golden beyond bounds": (["golden", "rows"], 257),
        "a long path": (["files", 0, "path"], "x" * 241),
        "a file beyond bounds": (["files", 0, "bytes"], 2**31),
        "two models": (["files", 0, "path"], "model.other"),
        "a path that leads out": (["files", 0, "path"], "../labels.txt"),
        "an absolute path": (["files", 0, "path"], "/etc/passwd"),
        "a hash of another form": (["files", 0, "sha256"], "abc"),
        "no files": (["files"], []),
    }
    for name, (place, value) in changes.items():
        yield name, change(place, value)
    yield "an index beyond the outputs", change(["golden", "expected", 0, "index"], 10**6)
    yield "cut off", text[: len(text) // 2]


def damaged_manifests(text: str) -> Iterator[str]:
    """The good manifest with characters changed, removed, inserted and cut off at random."""
    rng = np.random.default_rng(2)
    pieces = ["null", "1e999", "-1", '""', "[]", "{}", "NaN", "99999999999", "true", "0.5", "\\u"]
    letters = list('{}[]",:0-9.eE\\ntrue')
    for _ in range(DAMAGED):
        damaged = text
        for change in rng.integers(0, 4, rng.integers(1, 5)):
            at = int(rng.integers(0, len(damaged) + 1))
            before, after = damaged[:at], damaged[at:]
            if change == 0:
                damaged = before + str(rng.choice(letters)) + after[1:]
            elif change == 1:
                damaged = before + after[rng.integers(0, 40) :]
            elif change == 2:
                damaged = before + str(rng.choice(pieces)) + after
            else:
                damaged = before
        yield damaged


def refused(bundle: Path, text: str) -> bool:
    """Whether Python's own reader refuses the bundle with this manifest."""
    (bundle / MANIFEST_FILE).write_text(text, encoding="utf-8")
    try:
        read_bundle(bundle)
    except BundleError:
        return True
    return False


def sample_photo() -> Image.Image:
    """A photo of a person, which matplotlib brings."""
    with Image.open(
        matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    ) as opened:
        return opened.convert("RGB")


def photo_case(bundles: Sequence[Path], photo: Image.Image) -> dict[str, Any]:
    """A photo, and the outputs of every bundle for it in Python."""
    from converters.classifier import Classifier

    answers = {}
    for path in bundles:
        classifier = Classifier(read_bundle(path))
        outputs = classifier.outputs_of(photo)
        best = classifier.top_classes(outputs, 5)
        answers[path.name] = {
            "outputs": outputs.astype(float).tolist(),
            "top5": [score.index for score in best],
        }
    return {
        "width": photo.width,
        "height": photo.height,
        "rgb": _base64(photo.tobytes()),
        "answers": answers,
    }


def write_vectors(folder: Path) -> None:
    """Write every file."""
    from converters.bundling.pipeline import export_bundle
    from converters.job.options import ExportOptions

    bundle, taking_pixels = folder / "bundle", folder / "bundle_of_pixels"
    options = ExportOptions(target="onnx", weights="demo", image_size=(64, 64), output=bundle)
    export_bundle(options)
    export_bundle(replace(options, raw_input=True, output=taking_pixels))
    photo, manifest = sample_photo(), read_bundle(bundle).manifest
    dense = write_dense_bundles(manifest, folder / "dense")
    answers = {**photo_case([bundle, taking_pixels], photo), "dense": dense_photo(dense, photo)}
    (folder / "photo.json").write_text(json.dumps(answers))
    (folder / "masks.json").write_text(json.dumps(list(mask_cases(manifest))))
    (folder / "boxes.json").write_text(json.dumps(list(box_cases(manifest))))
    write_strange_models(manifest, folder / "strange")
    (folder / "names.json").write_text(json.dumps(NAMES))
    text = (bundle / MANIFEST_FILE).read_text("utf-8")
    bad = dict(bad_manifests(json.loads(text)))
    accepted = [name for name, changed in bad.items() if not refused(bundle, changed)]
    found = dense[-1]
    found_text = (found / MANIFEST_FILE).read_text("utf-8")
    heads = dict(bad_heads(json.loads(found_text)))
    accepted += [name for name, changed in heads.items() if not refused(found, changed)]
    if accepted or refused(bundle, text) or refused(found, found_text):
        raise CheckError(f"Python's reader accepts {accepted}, or refuses the good manifest")
    (folder / "preprocessing.json").write_text(json.dumps(list(preprocessing_cases())))
    (folder / "labels.json").write_text(json.dumps(list(label_cases())))
    (folder / "answers.json").write_text(json.dumps(list(answer_cases())))
    (folder / "bad_manifests.json").write_text(json.dumps(bad | heads))
    (folder / "damaged_manifests.json").write_text(json.dumps(list(damaged_manifests(text))))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
