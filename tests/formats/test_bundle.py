"""Manifests and bundles: round trips, the schema, and folders that are not what they list."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevit_edge.errors import BundleError, InputError
from mobilevit_edge.formats.bundle import Bundle, describe_files, read_bundle
from mobilevit_edge.formats.golden import encode_pixels, golden_image, golden_pixels
from mobilevit_edge.formats.manifest import (
    Accuracy,
    AppliedRewrite,
    Audit,
    Calibration,
    CoreMLInfo,
    Expected,
    FileInfo,
    Golden,
    HeadAccuracy,
    InputInfo,
    LabelsInfo,
    Manifest,
    ModelInfo,
    OperatorCount,
    OutputInfo,
    RefusedRewrite,
    Resize,
    SizeInfo,
    SourceInfo,
    Verification,
    VerificationCase,
    manifest_from_json,
    manifest_to_json,
)
from tests.formats.schemas import differences, read_schema

VERIFICATION = Verification(
    "runtime", "onnxruntime", 1e-5, 31.5, 10.0, (VerificationCase("noise", 0, 0, True, False),)
)


LATER: dict[str, object] = {"head": None, "head_accuracy": None, "contexts": ()}
"""Parts that the first manifests of this version lack, and what stands for them."""


def manifest(**changes: Any) -> Manifest:
    built = Manifest(
        schema_version=2,
        task="classification",
        model=ModelInfo("mobilevit_xxs", 2, (256, 192), 1_000_000, 400_000_000),
        target="onnx",
        unit="cpu",
        backend=None,
        coreml=CoreMLInfo(
            deployment_target="iOS18",
            compute_units="all",
            compute_reason="fp16",
            sizes=(SizeInfo((256, 192), "image_256x192"), SizeInfo((224, 224), None)),
            core_ml_verification=VERIFICATION,
        ),
        contexts=(),
        precision="fp32",
        kept_in_float=("layer1",),
        calibration=Calibration(100, 2),
        source=SourceInfo("weights.pt", "timm", "ema", "0" * 64, ("fc.weight",)),
        input=InputInfo(
            "image",
            "float32",
            "NCHW",
            (None, 3, 256, 192),
            "BGR",
            1 / 255,
            (0.4, 0.5, 0.6),
            (0.2, 0.25, 0.3),
            Resize("crop", "bilinear", True, (288, 216)),
            "CVNets v0.1",
        ),
        output=OutputInfo("logits", "float32", (None, 2), "none"),
        head=None,
        labels=LabelsInfo("labels.txt", 2, "checkpoint"),
        rewrites=(AppliedRewrite("batch_norm_fold", 32),),
        rewrites_refused=(RefusedRewrite("key_after_pooling", "no separable attention"),),
        audit=Audit((OperatorCount("Conv", 9),), 4, None, None, (OperatorCount("Gather", 1),)),
        verification=VERIFICATION,
        accuracy=Accuracy(1000, 3, 900, 891, 1.0),
        head_accuracy=HeadAccuracy("mIoU", 20, 1, 0.75, 0.745, 1.0),
        golden=Golden(
            16,
            16,
            encode_pixels(golden_pixels()),
            "reference",
            (Expected(1, "Hund \U0001f415", 0.7),),
            1e-3,
        ),
        versions={"torch": "2.13.0"},
        files=(
            FileInfo("labels.txt", 8, "1" * 64),
            FileInfo("model.onnx", 3, "2" * 64),
        ),
    )
    return dataclasses.replace(built, **changes)


def as_json(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(manifest_to_json(manifest()))
    return content | changes


def with_value(path: str, value: Any) -> str:
    """The manifest's text with one value replaced; ``"golden.tolerance"`` names it."""
    content: Any = as_json()
    at = content
    *parents, last = path.split(".")
    for key in parents:
        at = at[int(key) if isinstance(at, list) else key]
    at[last] = value
    return json.dumps(content)


def test_a_manifest_survives_the_way_through_json() -> None:
    assert manifest_from_json(manifest_to_json(manifest())) == manifest()
    nothing = SourceInfo("random", None, "", None, ())
    assert manifest_from_json(manifest_to_json(manifest(source=nothing))).source == nothing


@settings(max_examples=50, deadline=None)
@given(
    value=st.floats(allow_nan=False, allow_infinity=False),
    label=st.text(),
    counts=st.tuples(st.integers(1, 2**53 - 1), st.integers(1, 2**53 - 1)),
    versions=st.dictionaries(st.text(), st.text(), max_size=3),
)
def test_any_number_and_text_survives_exactly(
    value: float, label: str, counts: tuple[int, int], versions: dict[str, str]
) -> None:
    given_ = manifest(
        model=ModelInfo("m", 2, (64, 2048), *counts),
        golden=Golden(1, 1, "AAAA", "artifact", (Expected(0, label, value),), 1e-9),
        versions=versions,
    )
    assert manifest_from_json(manifest_to_json(given_)) == given_


def test_the_dataclasses_mirror_the_schema_field_by_field() -> None:
    assert differences(Manifest, read_schema("bundle.v2.json")) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.outputs", 0),
        ("model.outputs", "2"),
        ("model.outputs", 2.5),
        ("model.outputs", True),
        ("model.image_size", [256]),
        ("model.extra", 1),
        ("target", "tflite"),
        ("precision", ""),
        ("source.sha256", "ABC"),
        ("source.naming", "keras"),
        ("input.scale", 0),
        ("input.scale", "0.1"),
        ("input.shape", [1, 3, 256]),
        ("input.channel_order", "GRB"),
        ("input.resize.antialias", False),
        ("input.resize.rule", "squash"),
        ("output.activation", "tanh"),
        ("labels.file", "../labels.txt"),
        ("labels.count", -1),
        ("rewrites", {}),
        ("verification.cases", []),
        ("verification.max_relative_error", 0),
        ("golden.expected", []),
        ("golden.expected.0.index", -1),
        ("versions", {"torch": 2}),
        ("files", []),
        ("files.0.sha256", "g" * 64),
        ("files.0.path", "../x"),
        ("files.0.path", "a/../../x"),
        ("files.0.path", "/etc/passwd"),
        ("files.0.path", "a\\b"),
        ("files.0.path", "C:x"),
        ("files.0.path", ".hidden"),
        ("files.0.path", "a//b"),
        ("files.0.path", ""),
    ],
)
def test_what_the_schema_forbids_is_refused_with_its_place(path: str, value: object) -> None:
    with pytest.raises(BundleError, match="here is not valid at ") as caught:
        manifest_from_json(with_value(path, value), "here")
    assert path.split(".")[0] in str(caught.value)


def test_a_manifest_of_the_first_version_is_a_classifier_without_normalization() -> None:
    content = as_json(schema_version=1)
    del content["task"], content["source"]["left_out"]
    del content["input"]["mean"], content["input"]["std"]
    for check in (content["verification"], content["coreml"]["core_ml_verification"]):
        del check["sqnr_db"], check["min_sqnr_db"], check["cases"][0]["tied"]
    read = manifest_from_json(json.dumps(content))
    assert (read.schema_version, read.task) == (2, "classification")
    assert (read.input.mean, read.input.std) == ((0, 0, 0), (1, 1, 1))
    assert read.source.left_out == ()
    assert read.verification is not None
    assert (read.verification.sqnr_db, read.verification.cases[0].tied) == (None, False)
    # What was damaged then is damaged now.
    for broken in ({"input": None}, {"source": 5}, {"input": {"mean": "x"}}):
        with pytest.raises(BundleError, match="here is not valid at"):
            manifest_from_json(json.dumps(content | broken), "here")


@pytest.mark.parametrize(
    ("name", "value"), [("head", None), ("head_accuracy", None), ("contexts", ())]
)
def test_a_manifest_from_before_there_were_such_is_read(name: str, value: object) -> None:
    content = as_json()
    del content[name]
    assert getattr(manifest_from_json(json.dumps(content)), name) == value


@pytest.mark.parametrize(
    "name",
    [
        f.name
        for f in dataclasses.fields(Manifest)
        if f.name not in ("head", "head_accuracy", "contexts")
    ],
)
def test_a_missing_part_is_refused(name: str) -> None:
    content = as_json()
    del content[name]
    with pytest.raises(BundleError, match=name.replace("schema_version", "schema version")):
        manifest_from_json(json.dumps(content))


@pytest.mark.parametrize("constant", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "path", ["golden.tolerance", "verification.max_relative_error", "input.scale"]
)
def test_nan_and_infinity_are_no_json_and_refused(path: str, constant: float) -> None:
    # An infinite tolerance would let every self-test pass.
    with pytest.raises(BundleError):
        manifest_from_json(with_value(path, constant))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good bundle with a stand-in for its model."""
    path = tmp_path / "bundle"
    (path / "model.mlpackage" / "Data").mkdir(parents=True)
    (path / "model.mlpackage" / "Manifest.json").write_text("{}")
    (path / "model.mlpackage" / "Data" / "weights.bin").write_bytes(b"weights")
    (path / "labels.txt").write_text("cat\ndog\n")
    write_manifest(path)
    return path


def write_manifest(path: Path, **changes: Any) -> None:
    (path / "manifest.json").unlink(missing_ok=True)
    built = manifest(files=describe_files(path))
    text = manifest_to_json(dataclasses.replace(built, **changes))
    (path / "manifest.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("convert", [str, Path])
def test_a_good_bundle_opens(folder: Path, convert: Callable[[Path], str | Path]) -> None:
    opened = read_bundle(convert(folder))
    assert isinstance(opened, Bundle)
    assert opened.labels == ("cat", "dog")
    assert opened.model_path == folder / "model.mlpackage"
    assert [file.path for file in opened.manifest.files] == [
        "labels.txt",
        "model.mlpackage/Data/weights.bin",
        "model.mlpackage/Manifest.json",
    ]


def test_a_bundle_with_one_model_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    write_manifest(tmp_path)
    assert read_bundle(tmp_path).model_path == tmp_path / "model.onnx"


WEIGHTS = "model.mlpackage/Data/weights.bin"


def remove(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def alter(path: Path) -> None:
    path.write_bytes(b"W" + path.read_bytes()[1:])


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize("name", [WEIGHTS, "labels.txt"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove, "missing or incomplete"),
        (shorten, "missing or incomplete"),
        (alter, "changed after the export"),
        (make_folder, "missing or incomplete"),
        (make_loop, "missing|leads out|loop"),
    ],
)
def test_a_file_that_is_not_the_listed_one_is_named(
    folder: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    damage(folder / name)
    with pytest.raises(BundleError, match=f"{name}.*({message})"):
        read_bundle(folder)


def test_a_link_out_of_the_bundle_is_refused_even_to_the_same_content(
    folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.bin"
    (folder / WEIGHTS).rename(outside)
    (folder / WEIGHTS).symlink_to(outside)
    with pytest.raises(BundleError, match="leads out of the bundle"):
        read_bundle(folder)


def test_a_file_of_a_bundle_names_the_folder_to_pass(folder: Path) -> None:
    for file in folder.iterdir():
        if file.is_file():
            with pytest.raises(
                BundleError, match="is a file of a bundle: pass its folder"
            ) as caught:
                read_bundle(file)
            assert str(caught.value).endswith(str(folder))


def test_a_bundle_may_itself_be_reached_through_a_link(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert read_bundle(link).labels == ("cat", "dog")


@pytest.mark.parametrize("labels", ["cat\n", "cat\ndog\nbird\n", "cat\ncat\n", ""])
def test_labels_that_do_not_match_the_outputs_are_refused(folder: Path, labels: str) -> None:
    (folder / "labels.txt").write_text(labels)
    write_manifest(folder)
    with pytest.raises(InputError, match="label"):
        read_bundle(folder)


def test_a_bundle_that_lists_no_labels_is_refused(folder: Path) -> None:
    files = [file for file in describe_files(folder) if file.path.startswith("model")]
    write_manifest(folder, files=tuple(files))
    with pytest.raises(BundleError, match=r"does not list labels\.txt"):
        read_bundle(folder)


def test_a_bundle_that_lists_no_model_is_refused(folder: Path) -> None:
    (folder / "notes.txt").write_text("no model\n")
    files = [file for file in describe_files(folder) if file.path in ("labels.txt", "notes.txt")]
    write_manifest(folder, files=tuple(files))
    with pytest.raises(BundleError, match=r"does not list labels\.txt and its model once"):
        read_bundle(folder)


@pytest.mark.parametrize("what", ["nothing", "empty", "file", "binary", "huge"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "bundle"
    if what == "file":
        path.write_text("x")
    elif what != "nothing":
        path.mkdir()
    if what == "binary":
        (path / "manifest.json").write_bytes(b"\xff\xfe\xfd")
    if what == "huge":
        (path / "manifest.json").write_bytes(b" " * (8 * 1024**2 + 1))
    with pytest.raises(BundleError, match="not a bundle" if what != "huge" else "larger than"):
        read_bundle(path)


def test_the_golden_image_is_the_same_everywhere() -> None:
    pixels = golden_pixels()
    assert pixels.shape == (16, 16, 3)
    assert pixels[0, 15].tolist() == [255, 0, 20]
    assert pixels[15, 0].tolist() == [0, 255, 20]
    assert pixels[8, 8].tolist() == [136, 136, 230]
    assert not np.array_equal(pixels, pixels[:, :, ::-1]), "a wrong channel order must show"


@pytest.mark.parametrize("size", [(256, 256), (33, 50), (16, 16), (7, 200)])
def test_the_golden_image_is_enlarged_as_the_schema_describes(size: tuple[int, int]) -> None:
    pixels = golden_pixels(6, 9)
    golden = Golden(6, 9, base64.b64encode(pixels.tobytes()).decode(), "reference", (), 1.0)
    expected = [
        [pixels[y * 6 // size[0], x * 9 // size[1]].tolist() for x in range(size[1])]
        for y in range(size[0])
    ]
    assert golden_image(golden, size).tolist() == expected


@pytest.mark.parametrize(
    "changes", [{"pixels_base64": "!"}, {"pixels_base64": "AAAA"}, {"rows": 17}, {"columns": 256}]
)
def test_golden_pixels_that_do_not_fit_their_size_are_a_bundle_error(
    folder: Path, changes: dict[str, Any]
) -> None:
    write_manifest(folder, golden=dataclasses.replace(manifest().golden, **changes))
    with pytest.raises(BundleError):
        golden_image(read_bundle(folder).manifest.golden, (32, 32))
