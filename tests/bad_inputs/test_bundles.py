"""Bundles whose files are not what their manifest lists, and models that no runtime can load."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import external_data_helper, helper, numpy_helper

from converters.cli import predict_main
from tests.bad_inputs.conftest import Refuses
from tests.support.bundles import rewrite
from tests.test_places import NO_FILES, make_device, make_socket

Damage = Callable[[Path], object]


def replaced_by(make: Damage) -> Damage:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def link_to(target: str) -> Damage:
    return replaced_by(lambda path: path.symlink_to(target))


def moved_outside(path: Path) -> None:
    path.rename(path.parents[1] / "outside")
    path.symlink_to(path.parents[1] / "outside")


def without_access(path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may read everything")
    path.chmod(0)


DAMAGES: dict[str, Damage] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "changed": lambda path: path.write_bytes(b"\xff" + path.read_bytes()[1:]),
    "a folder": replaced_by(Path.mkdir),
    "a named pipe": replaced_by(os.mkfifo),
    "a socket": replaced_by(make_socket),
    "a device": replaced_by(make_device),
    "a link to nothing": link_to("nothing"),
    "a link to itself": replaced_by(lambda path: path.symlink_to(path)),
    "a link to a device without an end": link_to("/dev/zero"),
    "a link to a terminal": link_to("/dev/tty"),
    "a link to its own content outside": moved_outside,
    "not to be read": without_access,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["manifest.json", "labels.txt", "model.onnx"])
def test_a_file_of_the_bundle(bundle: Path, refuses: Refuses, name: str, damage: str) -> None:
    DAMAGES[damage](bundle / name)
    refuses(predict_main, bundle, "photo.png")


@pytest.mark.parametrize("make", [*NO_FILES.values(), Path.touch], ids=[*NO_FILES, "file"])
def test_something_else_than_a_bundle(
    tmp_path: Path, refuses: Refuses, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "bundle")
    refuses(predict_main, tmp_path / "bundle", "photo.png")


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/etc", "/proc/self", "x" * 5000])
def test_a_place_of_the_system(refuses: Refuses, path: str) -> None:
    refuses(predict_main, path, "photo.png")


MODELS: dict[str, bytes] = {
    "nothing": b"",
    "a byte": b"\0",
    "text": b"not a model",
    "noise": bytes((37 * i * i + 11 * i) % 256 for i in range(4096)),
    "a web page": b"<!DOCTYPE html><html></html>",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "another format": b"PK\x03\x04" + b"\0" * 1000,
}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_that_the_runtime_cannot_load(bundle: Path, refuses: Refuses, model: str) -> None:
    (bundle / "model.onnx").write_bytes(MODELS[model])
    rewrite(bundle)
    assert "its model cannot be loaded" in refuses(predict_main, bundle, "photo.png")


def write_with_weights_outside(bundle: Path, location: str) -> bytes:
    """Let the model add weights from another file; returns that file's content."""
    model = onnx.load(bundle / "model.onnx")
    zeros = numpy_helper.from_array(np.zeros(3, np.float32), "zeros")
    content = zeros.raw_data
    external_data_helper.set_external_data(zeros, location, 0, len(content))
    zeros.ClearField("raw_data")
    model.graph.initializer.append(zeros)
    model.graph.node[-1].output[0] = "flat"
    model.graph.node.append(helper.make_node("Add", ["flat", "zeros"], ["logits"]))
    (bundle / "model.onnx").write_bytes(model.SerializeToString())
    return content


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "absolute"])
@pytest.mark.parametrize("place", ["bundle", "current folder"])
def test_weights_that_the_manifest_does_not_list(
    bundle: Path, tmp_path: Path, refuses: Refuses, location: str, place: str
) -> None:
    folder = bundle if place == "bundle" else tmp_path
    if location == "absolute":
        location = str(folder / "weights.bin")
    content = write_with_weights_outside(bundle, location)
    rewrite(bundle)
    (folder / location).resolve().write_bytes(content)
    assert "its model cannot be loaded" in refuses(predict_main, bundle, "photo.png")


def test_a_package_with_a_file_that_the_manifest_does_not_list(
    bundle: Path, refuses: Refuses
) -> None:
    (bundle / "model.onnx").unlink()
    (bundle / "model.mlpackage").mkdir()
    (bundle / "model.mlpackage" / "Manifest.json").write_text("{}")
    rewrite(bundle, target="coreml")
    (bundle / "model.mlpackage" / "weights.bin").write_bytes(b"more")
    message = refuses(predict_main, bundle, "photo.png")
    assert "weights.bin is not among the files that its manifest lists" in message


def test_two_models(bundle: Path, refuses: Refuses) -> None:
    (bundle / "model.pte").write_bytes(b"x")
    rewrite(bundle)
    assert "its model once" in refuses(predict_main, bundle, "photo.png")


def test_no_model(bundle: Path, refuses: Refuses) -> None:
    (bundle / "model.onnx").rename(bundle / "notes.txt")
    rewrite(bundle)
    assert "its model once" in refuses(predict_main, bundle, "photo.png")


LABELS: dict[str, bytes] = {
    "none": b"",
    "blanks": b" \n\t\n",
    "one too few": b"red\ngreen\n",
    "one too many": b"red\ngreen\nblue\nwhite\n",
    "the same twice": b"red\ngreen\nred\n",
    "an empty line": b"red\n\nblue\n",
    "no text": b"\xff\xfe\xfd",
    "Latin-1": "caf\xe9\nb\nc\n".encode("latin-1"),
    "UTF-16": "red\ngreen\nblue\n".encode("utf-16"),
    "a null character": b"red\0\ngreen\nblue\n",
    "an escape": b"red\x1b[2J\ngreen\nblue\n",
    "an eight-bit escape": "red\x9b2J\ngreen\nblue\n".encode(),
    "a line separator": "red\u2028green\nblue\nwhite\n".encode(),
    "a paragraph separator": "red\u2029green\nblue\nwhite\n".encode(),
    "a next line": "red\x85green\nblue\nwhite\n".encode(),
    "a form feed": b"red\x0cgreen\nblue\nwhite\n",
    "a carriage return": b"red\rgreen\nblue\nwhite\n",
    "a label beyond all measure": b"x" * 2000 + b"\ngreen\nblue\n",
    "many labels": b"".join(b"%d\n" % i for i in range(200_000)),
    "the same many times": b"x\n" * 10**6,
    "a long line": b"x" * (4 * 1024**2),
    "too large": b"x\n" * (2 * 1024**2 + 1),
}


@pytest.mark.parametrize("labels", LABELS)
def test_labels(bundle: Path, refuses: Refuses, labels: str) -> None:
    (bundle / "labels.txt").write_bytes(LABELS[labels])
    rewrite(bundle)
    refuses(predict_main, bundle, "photo.png")
