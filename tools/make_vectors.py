"""What every app must compute as Python does: ``python tools/make_vectors.py FOLDER``.

Written into a folder as JSON and raw bytes: images with their preprocessed tensors, logits with
their probabilities, bundles with their answers for a photo, manifests that every reader must
refuse.
"""

from __future__ import annotations

import base64
import copy
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.cbook
import numpy as np
from PIL import Image

from mobilevit_edge.errors import BundleError
from mobilevit_edge.formats.bundle import MANIFEST_FILE, read_bundle
from mobilevit_edge.preprocess import Preprocessing, preprocess_image

SIZES = ((40, 30), (31, 77), (64, 64), (9, 200), (300, 4), (3, 400), (2500, 1), (1, 1), (17, 16))
DAMAGED = 2000
TARGETS = ((32, 32), (48, 32), (64, 40))


def preprocessing_cases() -> Iterator[dict[str, Any]]:
    """Noise images of several shapes by every rule."""
    rng = np.random.default_rng(0)
    for width, height in SIZES:
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for number, (target_height, target_width) in enumerate(TARGETS):
            for rule in ("crop", "stretch"):
                for interpolation in ("bilinear", "bicubic"):
                    order = "BGR" if number % 2 else "RGB"
                    preprocessing = Preprocessing(
                        channel_order=order,  # type: ignore[arg-type]
                        resize=rule,  # type: ignore[arg-type]
                        interpolation=interpolation,  # type: ignore[arg-type]
                        crop_fraction=0.9,
                        image_size=(target_height, target_width),
                        provenance="made up",
                    )
                    size = (target_height, target_width)
                    tensor = preprocess_image(Image.fromarray(pixels), preprocessing, size)
                    yield {
                        "width": width,
                        "height": height,
                        "rgb": base64.b64encode(pixels.tobytes()).decode(),
                        "size": size,
                        "cover": preprocessing.cover(size),
                        "rule": rule,
                        "interpolation": interpolation,
                        "order": order,
                        # float32, little-endian
                        "tensor": base64.b64encode(tensor.astype("<f4").tobytes()).decode(),
                    }


def softmax_cases() -> Iterator[dict[str, Any]]:
    """Logits of all sizes, ties among them."""
    rng = np.random.default_rng(1)
    for logits in (
        rng.normal(0, 5, 10),
        np.array([1000.0, 1000.0, -1000.0]),
        np.zeros(5),
        np.array([3.0]),
    ):
        values = logits.astype(np.float32).astype(np.float64)
        exponentials = np.exp(values - values.max())
        yield {
            "logits": values.tolist(),
            "probabilities": (exponentials / exponentials.sum()).tolist(),
            "order": np.argsort(-values, kind="stable").tolist(),
        }


def bad_manifests(good: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a stranger may hand in, each with a name."""
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
        "another version": (["schema_version"], 2),
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
        "too few labels": (["labels", "count"], 1),
        "golden of another size": (["golden", "rows"], 3),
        "golden without base64": (["golden", "pixels_base64"], "@@@@"),
        "nothing expected": (["golden", "expected"], []),
        "no tolerance": (["golden", "tolerance"], 0),
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
    """The good manifest with letters changed, left out, put in and cut off, at random."""
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


def photo_case(bundles: Sequence[Path]) -> dict[str, Any]:
    """A photo, and what ONNX Runtime answers in Python for it."""
    from converters.classifier import Classifier

    with Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg")) as opened:
        photo = opened.convert("RGB")
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
        "rgb": base64.b64encode(photo.tobytes()).decode(),
        "answers": answers,
    }


def write_vectors(folder: Path) -> None:
    """Export small bundles, and write everything."""
    from converters.bundling.pipeline import export_bundle
    from converters.job.options import ExportOptions

    bundle, taking_pixels = folder / "bundle", folder / "bundle_of_pixels"
    options = ExportOptions(target="onnx", weights="demo", image_size=(64, 64), output=bundle)
    export_bundle(options)
    export_bundle(replace(options, raw_input=True, output=taking_pixels))
    (folder / "photo.json").write_text(json.dumps(photo_case([bundle, taking_pixels])))
    text = (bundle / MANIFEST_FILE).read_text("utf-8")
    bad = dict(bad_manifests(json.loads(text)))
    accepted = [name for name, changed in bad.items() if not refused(bundle, changed)]
    if accepted or refused(bundle, text):
        raise SystemExit(f"Python itself accepts {accepted}, or refuses the good manifest")
    (folder / "preprocessing.json").write_text(json.dumps(list(preprocessing_cases())))
    (folder / "softmax.json").write_text(json.dumps(list(softmax_cases())))
    (folder / "bad_manifests.json").write_text(json.dumps(bad))
    (folder / "damaged_manifests.json").write_text(json.dumps(list(damaged_manifests(text))))


if __name__ == "__main__":
    write_vectors(Path(sys.argv[1]))
