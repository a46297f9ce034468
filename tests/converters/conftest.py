"""What the converters' tests share: the commands run in-process, checkpoints, exported bundles."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mobilevit_edge as me
from converters.targets.child import load_in_child
from converters.targets.executorch import target as executorch_target
from converters.targets.litert import target as litert_target
from converters.targets.loaded import Array
from tests.support.exports import (
    Bundles,
    Checkpoints,
    Command,
    ConvertsTo,
    Edited,
    Reference,
    in_process,
    know_tiny_networks,
)

HERE = Path(__file__).parent
EXPORTS = {"bundle", "program", "package", "flatbuffer", "converts_to"}

# Networks this small gain nothing from threads, and lose much where cores are shared.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def export() -> Command:
    """``mobilevit-export`` in this process."""
    from converters.cli import export_main

    return in_process(export_main)


@pytest.fixture(scope="session")
def predict() -> Command:
    """``mobilevit-predict`` in this process."""
    from converters.cli import predict_main

    return in_process(predict_main)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a backend: by its fixtures; a few are marked where they are."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if HERE in item.path.parents and not EXPORTS.isdisjoint(fixtures):
            item.add_marker("backend")


@pytest.fixture(scope="module", autouse=True)
def tiny_networks() -> Iterator[None]:
    """The tiny networks, known by name and recognized in checkpoints as the real ones are."""
    with pytest.MonkeyPatch.context() as patch:
        know_tiny_networks(patch.setattr)
        yield


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are opened in a process of their own, as outside of tests."""
    for target in (executorch_target, litert_target):
        monkeypatch.setattr(target, "load_in_child", load_in_child)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """The checkpoints of names in TINY and REAL."""
    return Checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="session")
def bundle(run_folder: Path, export: Command, checkpoint: Checkpoints) -> Bundles:
    """Bundles for ONNX Runtime."""
    return Bundles("onnx", export, checkpoint, run_folder / "onnx")


@pytest.fixture(scope="session")
def program(run_folder: Path, export: Command, checkpoint: Checkpoints) -> Bundles:
    """Bundles for ExecuTorch."""
    return Bundles("executorch", export, checkpoint, run_folder / "executorch")


@pytest.fixture(scope="session")
def package(run_folder: Path, export: Command, checkpoint: Checkpoints) -> Bundles:
    """Bundles for Core ML."""
    return Bundles("coreml", export, checkpoint, run_folder / "coreml")


@pytest.fixture(scope="session")
def flatbuffer(run_folder: Path, export: Command, checkpoint: Checkpoints) -> Bundles:
    """Bundles for LiteRT."""
    return Bundles("litert", export, checkpoint, run_folder / "litert")


@pytest.fixture(scope="session")
def reference(checkpoint: Checkpoints) -> Reference:
    """The reference models of checkpoints."""
    models: dict[str, torch.nn.Module] = {}

    def run(name: str, x: Array) -> Array:
        if name not in models:
            models[name] = me.load_model(checkpoint(name))
        with torch.inference_mode():
            answer: torch.Tensor = models[name](torch.from_numpy(np.ascontiguousarray(x)))
        return answer.numpy()

    return run


@pytest.fixture
def converts_to(monkeypatch: pytest.MonkeyPatch) -> ConvertsTo:
    """Replace a target's conversion, which takes seconds, by a function that writes the model."""

    def install(write: Callable[[Path], object], target: str = "onnx") -> None:
        def convert(
            module: object, job: object, plan: object, path: Path, progress: object = None
        ) -> object:
            write(path)
            return plan

        # Not by attribute: tests of a missing package import the backend anew for a while.
        backend = importlib.import_module(f"converters.targets.{target}.conversion")
        monkeypatch.setattr(backend, "convert", convert)

    return install


@pytest.fixture
def edited(tmp_path: Path) -> Edited:
    """A copy of a bundle with another manifest or other labels, whose hashes fit again."""

    def make(
        bundle: Path,
        change: Callable[[dict[str, Any]], object] = lambda manifest: None,
        labels: list[str] | None = None,
    ) -> Path:
        copy = shutil.copytree(bundle, tmp_path / "edited")
        path = copy / "manifest.json"
        manifest = json.loads(path.read_text())
        if labels is not None:
            content = ("\n".join(labels) + "\n").encode()
            (copy / "labels.txt").write_bytes(content)
            for file in manifest["files"]:
                if file["path"] == "labels.txt":
                    file |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        change(manifest)
        path.write_text(json.dumps(manifest))
        return copy

    return make


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small photo-like PNG, 100 wide and 80 high, different in every channel."""
    from PIL import Image

    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (8, 10, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(coarse).resize((100, 80), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty folder for an output; nothing but what the test knows may remain in it."""
    path = tmp_path / "place"
    path.mkdir()
    yield path
    leftovers = [p.name for p in path.iterdir() if p.name.startswith(".")]
    assert not leftovers, "temporary folders were left behind"
