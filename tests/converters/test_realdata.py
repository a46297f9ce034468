"""Real weights and photos: the bundles answer as timm and a peer's own export do."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from converters.checks import diagnosis
from converters.job.options import ExportOptions
from converters.targets.loaded import Array
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.normalization import PRESETS
from mobilevit_edge.preprocess import Preprocessing, ResizeRule
from tests.support.exports import Command

pytestmark = pytest.mark.backend
CORN = ("Blight", "Common_Rust", "Gray_Leaf_Spot", "Healthy", "Unclassified")
# As its authors fed the model: straight to the square, nothing cropped.
STRETCH = ("--resize", "stretch", "--interpolation", "bilinear")
WEIGHTS = "mobilevit_corn1.safetensors"
SIZE = 256
RIGHT = 99


def run(model: Path, x: Array) -> Array:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])


def photos(folder: Path, names: list[str]) -> Array:
    """``[B, 3, SIZE, SIZE]`` float32 in 0..1, prepared with Pillow alone."""
    arrays = []
    for name in names:
        with Image.open(folder / name) as image:
            resized = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        arrays.append(np.asarray(resized).transpose(2, 0, 1).astype(np.float32) / 255)
    return np.stack(arrays)


@pytest.fixture(scope="session")
def rows(realdata: Path) -> list[dict[str, str]]:
    """Timm's logits for 100 photos."""
    with (realdata / "corn" / "corn_xxs_timm_logits.csv").open() as file:
        return [row for row in csv.DictReader(file) if int(row["size"]) == SIZE]


@pytest.fixture(scope="session")
def corn(realdata: Path, export: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corn model's bundle, with a dynamic batch, verified on one of its photos."""
    folder = tmp_path_factory.mktemp("corn")
    labels = folder / "corn.txt"
    labels.write_text("\n".join(CORN))
    # Each photo costs a run of the reference.
    images = realdata / "corn" / "images" / "Healthy" / "00.jpg"
    finished = export(
        *("--target", "onnx", "--weights", realdata / "corn" / WEIGHTS, "--labels", labels),
        *(*STRETCH, "--image-size", SIZE, "--batch", "dynamic", "--verify", images),
        *("--output", folder / "bundle"),
    )
    assert finished.code == 0, finished.err
    return folder / "bundle"


def test_a_corn_bundle_answers_as_timm_does_on_every_photo(
    realdata: Path, rows: list[dict[str, str]], corn: Path
) -> None:
    names = [row["file"] for row in rows]
    expected = np.array([[float(row[f"logit_{c}"]) for c in CORN] for row in rows])
    labels = np.array([int(row["label"]) for row in rows])
    assert len(names) == 100
    images = realdata / "corn" / "images"
    parts = [
        run(corn / "model.onnx", photos(images, names[start : start + 25]))
        for start in range(0, 100, 25)
    ]
    logits = np.concatenate(parts)
    assert np.abs(logits - expected).max() < 1e-3
    assert int((logits.argmax(axis=1) == labels).sum()) == RIGHT


def test_a_corn_manifest_names_its_source_labels_and_verification_photos(
    realdata: Path, corn: Path
) -> None:
    opened = read_bundle(corn)
    manifest = opened.manifest
    content = (realdata / "corn" / WEIGHTS).read_bytes()
    assert manifest.source.origin == WEIGHTS
    assert manifest.source.naming == "timm"
    assert manifest.source.sha256 == hashlib.sha256(content).hexdigest()
    assert opened.labels == CORN
    assert (manifest.model.name, manifest.model.outputs) == ("mobilevit_xxs", 5)
    assert (manifest.input.channel_order, manifest.input.resize.rule) == ("RGB", "stretch")
    assert "set by the user" in manifest.input.provenance
    assert manifest.verification is not None
    assert "00.jpg" in {case.name for case in manifest.verification.cases}


def test_mobilevit_predict_gives_timms_logits_for_photo_files(
    realdata: Path,
    rows: list[dict[str, str]],
    corn: Path,
    predict: Command,
) -> None:
    chosen = rows[::20]
    images = [realdata / "corn" / "images" / row["file"] for row in chosen]
    finished = predict(corn, *images, "--json")
    assert finished.code == 0, finished.err
    predictions = json.loads(finished.out)["predictions"]
    assert [p["image"] for p in predictions] == [str(path) for path in images]
    for row, prediction in zip(chosen, predictions, strict=True):
        assert prediction["classes"][0]["index"] == int(row["pred"])
        values = {c["label"]: c["value"] for c in prediction["classes"]}
        assert values == pytest.approx({c: float(row[f"logit_{c}"]) for c in CORN}, abs=1e-3)


@pytest.fixture(scope="session")
def embedder(
    realdata: Path, export: Command, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Path]:
    """The bundle of the real MobileViTv2-0.5 with 512 outputs."""
    path = tmp_path_factory.mktemp("v2embed") / "bundle"

    def make() -> Path:
        if not path.exists():
            weights = realdata / "v2embed" / "mobilevitv2_050_clip512_timm.safetensors"
            finished = export(
                *("--target", "onnx", "--weights", weights, *STRETCH),
                *("--batch", "dynamic", "--output", path),
            )
            assert finished.code == 0, finished.err
        return path

    return make


def test_the_embeddings_agree_with_the_peers_own_export(
    realdata: Path, embedder: Callable[[], Path]
) -> None:
    folder = realdata / "v2embed"
    with np.load(folder / "expected_ort_fp16.npz") as expected:
        names, stored = expected["files"].tolist(), expected["embeddings"]
    x = photos(realdata / "corn" / "images", names)
    ours = run(embedder() / "model.onnx", x)
    assert ours.shape == stored.shape == (20, 512)
    # The peer computes in fp16: 5e-4 a value, which sixty layers grow to about 2e-3 of the
    # largest output; twice that is allowed.
    allowed = 4e-3 * np.abs(stored).max()
    assert np.abs(ours - stored).max() < allowed
    peer = run(folder / "mobilevitv2_050_clip512_fp16.onnx", x.astype(np.float16))
    assert np.abs(ours - peer.astype(np.float32)).max() < allowed
    # Not the same vector for every photo, which a loose tolerance could hide.
    assert np.abs(ours[0] - ours[1]).max() > 10 * allowed


def test_photos_tell_how_a_model_was_trained_that_copes_otherwise(
    realdata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers 98 of 100 photos rightly with its own normalization, and 94 without."""

    def fewer(given: Preprocessing) -> tuple[Preprocessing, ...]:
        """Each costs a hundred runs of the reference."""
        return given, *(
            replace(given, normalization=PRESETS["half"], resize=rule)
            for rule in get_args(ResizeRule)
        )

    monkeypatch.setattr(diagnosis, "candidates", fewer)
    labels = tmp_path / "corn.txt"
    labels.write_text("\n".join(CORN))
    given = ExportOptions(
        str(realdata / "normalised" / "corn-half-timm.pth"),
        "onnx",
        labels=str(labels),
        image_size=(224, 224),
        verify=realdata / "corn" / "images",
    )
    found = diagnosis.diagnose_checkpoint(given, lambda _: None)
    assert (found.images, sum(found.given.right)) == (100, 94)
    assert found.options == "--normalize half --resize stretch"
    assert found.clearly_better is not None
    assert sum(found.clearly_better.right) == 98
