"""Predictions follow the manifest alone, equal the reference's, and refuse damaged bundles."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from converters.targets.loaded import Array
from tests.support.exports import Bundles, Command, Edited, Finished, Reference
from tests.support.images import as_float


def cropped(photo: Path) -> Array:
    """The 100x80 photo by CVNets' rule for 64: the short side to 72, then the center 64x64."""
    with Image.open(photo) as image:
        assert image.size == (100, 80)
        scaled = image.convert("RGB").resize((90, 72), Image.Resampling.BILINEAR)
    return np.asarray(scaled)[4:68, 13:77]


def stretched(photo: Path) -> Array:
    with Image.open(photo) as image:
        return np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR))


def as_bgr(pixels: Array) -> Array:
    return as_float(pixels[None], "BGR")


def classes_of(finished: Finished) -> list[dict[str, Any]]:
    assert finished.code == 0, finished.err
    (prediction,) = json.loads(finished.out)["predictions"]
    return list(prediction["classes"])


def by_index(classes: list[dict[str, Any]], key: str) -> Array:
    return np.array([c[key] for c in sorted(classes, key=lambda c: c["index"])])


def test_predictions_equal_the_reference_worked_out_by_hand(
    bundle: Bundles, predict: Command, reference: Reference, photo: Path
) -> None:
    logits = reference("v1", as_bgr(cropped(photo)))[0].astype(np.float64)
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    classes = classes_of(predict(bundle("v1"), photo, "--json", "--top-k", 10))
    assert [c["index"] for c in classes] == np.argsort(-logits).tolist()
    assert [c["label"] for c in classes] == [f"class_{c['index']}" for c in classes]
    np.testing.assert_allclose(by_index(classes, "value"), logits, atol=2e-5 * abs(logits).max())
    np.testing.assert_allclose(by_index(classes, "probability"), probabilities, atol=1e-4)


def test_raw_input_bundles_predict_the_same(bundle: Bundles, predict: Command, photo: Path) -> None:
    plain, raw = (
        classes_of(predict(bundle(name), photo, "--json", "--top-k", 10))
        for name in ("v1", "v1_raw")
    )
    values = by_index(plain, "value")
    np.testing.assert_allclose(by_index(raw, "value"), values, atol=2e-5 * abs(values).max())


def test_a_bundle_with_softmax_gives_its_outputs_as_probabilities(
    bundle: Bundles, predict: Command, photo: Path
) -> None:
    classes = classes_of(predict(bundle("v2_softmax"), photo, "--json", "--top-k", 10))
    assert all(c["value"] == c["probability"] for c in classes)
    assert sum(c["probability"] for c in classes) == pytest.approx(1, abs=1e-5)


def test_the_manifest_alone_decides_the_preprocessing(
    bundle: Bundles, edited: Edited, predict: Command, reference: Reference, photo: Path
) -> None:
    def stretch(manifest: dict[str, Any]) -> None:
        manifest["input"]["resize"] |= {"rule": "stretch", "cover": [64, 64]}

    expected = reference("v1", as_bgr(stretched(photo)))[0]
    other = reference("v1", as_bgr(cropped(photo)))[0]
    tolerance = 2e-5 * np.abs(expected).max()
    assert np.abs(expected - other).max() > 100 * tolerance
    classes = classes_of(predict(edited(bundle("v1"), stretch), photo, "--json", "--top-k", 10))
    np.testing.assert_allclose(by_index(classes, "value"), expected, atol=tolerance)


def test_several_images_are_answered_in_their_order(
    bundle: Bundles, predict: Command, photo: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (64, 64), (250, 10, 10)).save(other)
    finished = predict(bundle("v1"), photo, other, photo, "--json")
    predictions = json.loads(finished.out)["predictions"]
    assert [p["image"] for p in predictions] == [str(photo), str(other), str(photo)]
    assert predictions[0] == predictions[2]
    assert predictions[0]["classes"] != predictions[1]["classes"]


@pytest.mark.parametrize(("top_k", "shown"), [(1, 1), (5, 5), (10, 10), (99, 10)])
def test_top_k_gives_at_most_as_many_classes_as_there_are(
    bundle: Bundles, predict: Command, photo: Path, top_k: int, shown: int
) -> None:
    classes = classes_of(predict(bundle("v1"), photo, "--json", "--top-k", top_k))
    assert len(classes) == shown
    values = [c["value"] for c in classes]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("top_k", ["0", "-1", "2.5", "many"])
def test_a_top_k_that_is_no_positive_number_is_a_usage_error(
    bundle: Bundles, predict: Command, photo: Path, top_k: str
) -> None:
    assert predict(bundle("v1"), photo, "--top-k", top_k).code == 2


def test_labels_are_printed_as_they_are_written(
    bundle: Bundles, edited: Edited, predict: Command, photo: Path
) -> None:
    labels = ["[bold]oak[/bold]", "[/ash]", ":cat:", "犬", "a [red]fox", *"12345"]
    finished = predict(edited(bundle("v1"), labels=labels), photo, "--top-k", 10)
    assert finished.code == 0, finished.err
    assert [label for label in labels if label not in finished.out] == []


def test_an_image_is_printed_by_the_name_it_has(
    bundle: Bundles, predict: Command, photo: Path, tmp_path: Path
) -> None:
    path = shutil.copy(photo, tmp_path / "[bold]oak:cat:.png")
    finished = predict(bundle("v1"), path)
    assert finished.code == 0, finished.err
    assert "[bold]oak:cat:.png" in finished.out


# Bundles that are not what they were.


def flip_byte(copy: Path) -> None:
    path = copy / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(copy: Path) -> None:
    path = copy / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a byte of the model changed": (flip_byte, "model.onnx was changed"),
    "the model is truncated": (truncate, "model.onnx is missing or incomplete"),
    "the model is gone": (lambda c: (c / "model.onnx").unlink(), "model.onnx is missing"),
    "the labels are gone": (lambda c: (c / "labels.txt").unlink(), "labels.txt is missing"),
    "a label was renamed": (
        lambda c: (c / "labels.txt").write_text("klass_0" + (c / "labels.txt").read_text()[7:]),
        "labels.txt was changed",
    ),
    "the manifest is gone": (lambda c: (c / "manifest.json").unlink(), "is not a bundle"),
    "the manifest is empty": (lambda c: (c / "manifest.json").write_text(""), "is not JSON"),
    "the manifest is a list": (lambda c: (c / "manifest.json").write_text("[]"), "schema version"),
    "the manifest is deeply nested": (
        lambda c: (c / "manifest.json").write_text("[" * 100_000),
        "is not JSON",
    ),
    "the manifest is no text": (
        lambda c: (c / "manifest.json").write_bytes(b"\xff\xfe\x00"),
        "is not a bundle",
    ),
    "everything is gone": (shutil.rmtree, "is not a bundle"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bundle_is_refused_with_its_fault(
    bundle: Bundles, predict: Command, photo: Path, tmp_path: Path, damage: str
) -> None:
    spoil, message = DAMAGES[damage]
    copy = shutil.copytree(bundle("v1"), tmp_path / "copy")
    spoil(copy)
    finished = predict(copy, photo)
    assert finished.code == 4, finished.err
    assert message in finished.err
    assert "Traceback" not in finished.err
    assert finished.out == ""


def put(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Set one value of a manifest by its path."""

    def change(manifest: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        place: Any = manifest
        for parent in parents:
            place = place[int(parent) if parent.isdigit() else parent]
        place[last] = value

    return change


def only_file(name: str) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        manifest["files"] = [file for file in manifest["files"] if file["path"] == name]

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put("schema_version", 3), id="a later schema"),
        pytest.param(put("schema_version", None), id="no schema version"),
        pytest.param(put("model/outputs", 11), id="eleven outputs, ten labels"),
        pytest.param(put("model/outputs", "ten"), id="outputs in words"),
        pytest.param(put("input/dtype", "float64"), id="an unknown dtype"),
        pytest.param(put("surprise", 1), id="an unknown field"),
        pytest.param(put("files/0/path", "../outside"), id="a file outside"),
        pytest.param(put("files/0/path", "/etc/hostname"), id="an absolute path"),
        pytest.param(put("files/0/path", "nul\0"), id="a path with a null byte"),
        pytest.param(only_file("labels.txt"), id="no model listed"),
        pytest.param(only_file("model.onnx"), id="no labels listed"),
        pytest.param(put("files", []), id="no files listed"),
        pytest.param(put("golden/pixels_base64", "no base64!"), id="golden pixels are no base64"),
        pytest.param(put("golden/rows", 17), id="golden pixels of another size"),
        pytest.param(put("golden/expected/0/index", 10), id="a golden class beyond the outputs"),
        pytest.param(put("model/image_size", [96, 96]), id="another image size than the model's"),
        pytest.param(put("input/dtype", "uint8"), id="bytes for a model that takes floats"),
        pytest.param(put("input/shape", [2, 3, 64, 64]), id="another batch than the model's"),
        pytest.param(put("output/shape", [1, 9]), id="an output shape of nine"),
    ],
)
def test_a_manifest_that_contradicts_its_bundle_is_bad_input(
    bundle: Bundles,
    edited: Edited,
    predict: Command,
    photo: Path,
    change: Callable[[dict[str, Any]], None],
) -> None:
    finished = predict(edited(bundle("v1"), change), photo)
    assert finished.code == 4, finished.err
    assert "Traceback" not in finished.err
    assert "defect of this program" not in finished.err


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put("input/channel_order", "RGB"), id="the other channel order"),
        pytest.param(put("golden/expected/0/value", 1e3), id="another golden value"),
    ],
)
def test_a_bundle_that_answers_otherwise_than_its_self_test_fails_verification(
    bundle: Bundles,
    edited: Edited,
    predict: Command,
    photo: Path,
    change: Callable[[dict[str, Any]], None],
) -> None:
    finished = predict(edited(bundle("v1"), change), photo)
    assert finished.code == 6, finished.err
    assert "self-test" in finished.err
    assert finished.out == ""


def test_a_manifest_for_a_target_without_converter_says_so(
    bundle: Bundles, edited: Edited, predict: Command, photo: Path
) -> None:
    # "onnx" files under another target's name: never run as if nothing were wrong.
    finished = predict(edited(bundle("v1"), put("target", "coreml")), photo)
    assert finished.code in (2, 3, 4, 5)
    assert "Traceback" not in finished.err
    assert finished.out == ""


def test_unreadable_images_are_bad_input(bundle: Bundles, predict: Command, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not an image")
    for path in (tmp_path / "missing.png", tmp_path / "text.png", tmp_path):
        finished = predict(bundle("v1"), path)
        assert finished.code == 4, finished.err
        assert str(path) in finished.err
        assert finished.out == ""
