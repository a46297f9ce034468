"""A model that its runtime cannot load makes a bad bundle, whatever the runtime."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.bundles import rewrite, write_bundle
from tests.support.exports import Command

# In a process of its own, which a native runtime may take down with it.
pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("own_process")]

MODEL_FILES = {"onnx": "model.onnx", "executorch": "model.pte", "litert": "model.tflite"}
GARBAGE = bytes((37 * i * i + 11 * i) % 256 for i in range(4096))


def write_package(path: Path) -> None:
    entries = {"itemInfoEntries": {"a": {"path": "model.mlmodel"}}, "rootModelIdentifier": "a"}
    (path / "Data").mkdir(parents=True)
    (path / "Data" / "model.mlmodel").write_bytes(GARBAGE)
    (path / "Manifest.json").write_text(json.dumps(entries))


@pytest.mark.parametrize("target", [*MODEL_FILES, "coreml"])
def test_a_corrupt_model_is_a_bad_bundle(tmp_path: Path, predict: Command, target: str) -> None:
    write_bundle(tmp_path)
    content = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "model.onnx").unlink()
    if target == "coreml":
        write_package(tmp_path / "model.mlpackage")
        pixels = {"dtype": "uint8", "layout": "NHWC", "shape": [1, 64, 64, 3], "scale": 1}
        content["input"] |= pixels
    else:
        name = MODEL_FILES[target]
        (tmp_path / name).write_bytes(GARBAGE)
    rewrite(tmp_path, target=target, input=content["input"])
    finished = predict(tmp_path, "photo.png")
    assert finished.code == 4, finished.err
    assert str(tmp_path) in finished.err
    assert "model" in finished.err
