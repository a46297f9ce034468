"""What the converters' tests share: the commands run in-process, checkpoints, exported bundles."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import conformance_keys, deterministic_state

ROOT = Path(__file__).parents[2]
CLASSES = 10
SOURCES = {
    "v1": ("cvnets", "mobilevit_xxs"),
    "v2": ("cvnets", "mobilevitv2_050"),
    "v3_tokens": ("micron", "mobilevitv3_xxs"),
    "v3_maps": ("micron", "mobilevitv3_050"),
}
"""Checkpoints by short name: source of the key names and model. CVNets' V1 is BGR, V2 RGB."""
RECIPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "v1": ("v1", ("--image-size", "64")),
    "v1_raw": ("v1", ("--image-size", "64", "--raw-input")),
    "v2": ("v2", ("--image-size", "64", "--batch", "dynamic")),
    "v2_raw": ("v2", ("--image-size", "64", "--batch", "dynamic", "--raw-input")),
    "v2_fp16": ("v2", ("--image-size", "64", "--precision", "fp16")),
    "v2_softmax": ("v2", ("--image-size", "64", "--batch", "3", "--softmax")),
    "v3_tokens": ("v3_tokens", ("--image-size", "72")),
    "v3_maps": ("v3_maps", ("--image-size", "64x96")),
}
"""Bundles by name: checkpoint and options. 72 halves to an odd map; 64x96 is not square."""


# Networks this small gain nothing from threads, and lose much where cores are shared.
torch.set_num_threads(1)


@dataclass(frozen=True)
class Finished:
    """What a command left: exit code and both streams."""

    code: int
    out: str
    err: str


Command = Callable[..., Finished]


def _run(main: Callable[[list[str]], int], arguments: tuple[object, ...]) -> Finished:
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    except SystemExit as error:  # argparse ends so
        code = error.code if isinstance(error.code, int) else 1
    finally:
        signal.signal(signal.SIGTERM, handler)
    return Finished(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def export() -> Command:
    """``mobilevit-export`` in this process."""
    from converters.cli import export_main

    return lambda *arguments: _run(export_main, arguments)


@pytest.fixture(scope="session")
def predict() -> Command:
    """``mobilevit-predict`` in this process."""
    from converters.cli import predict_main

    return lambda *arguments: _run(predict_main, arguments)


@pytest.fixture(scope="session")
def states() -> Callable[[str], dict[str, torch.Tensor]]:
    """The deterministic state dict of a name in SOURCES, with a classifier of CLASSES rows."""

    def make(name: str) -> dict[str, torch.Tensor]:
        state = deterministic_state(conformance_keys(*SOURCES[name]))
        for key in state:
            if key.startswith(("classifier.", "head.fc.")):
                state[key] = state[key][:CLASSES].clone()
        return state

    return make


@pytest.fixture(scope="session")
def checkpoint(
    tmp_path_factory: pytest.TempPathFactory, states: Callable[[str], dict[str, torch.Tensor]]
) -> Callable[[str], Path]:
    """The .pt file of a name in SOURCES."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def make(name: str) -> Path:
        path = folder / f"{name}.pt"
        if not path.exists():
            torch.save(states(name), path)
        return path

    return make


@pytest.fixture(scope="session")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
    checkpoint: Callable[[str], Path],
    export: Command,
) -> Callable[[str], tuple[Path, Finished]]:
    """The bundle of a name in RECIPES, exported once with --json, and what the command printed."""
    folder = tmp_path_factory.mktemp("bundles")
    done: dict[str, tuple[Path, Finished]] = {}

    def make(name: str) -> tuple[Path, Finished]:
        if name not in done:
            source, options = RECIPES[name]
            path = folder / name
            weights = ("--weights", checkpoint(source))
            finished = export("--target", "onnx", *weights, *options, "--output", path, "--json")
            assert finished.code == 0, finished.err
            done[name] = (path, finished)
        return done[name]

    return make


@pytest.fixture(scope="session")
def bundle(exported: Callable[[str], tuple[Path, Finished]]) -> Callable[[str], Path]:
    """The shared bundle of a name in RECIPES; copy it before changing it."""
    return lambda name: exported(name)[0]


@pytest.fixture(scope="session")
def reference(checkpoint: Callable[[str], Path]) -> Callable[[str, Any], np.ndarray]:
    """Logits of the reference model of SOURCES for a tensor ``[B, 3, H, W]`` as it was trained."""
    import mobilevit_edge as me

    models: dict[str, torch.nn.Module] = {}

    def run(name: str, x: np.ndarray) -> np.ndarray:
        if name not in models:
            models[name] = me.load_model(checkpoint(name))
        with torch.inference_mode():
            return models[name](torch.from_numpy(np.ascontiguousarray(x))).numpy()

    return run


@pytest.fixture
def converts_to(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], object]], None]:
    """Replace the conversion to ONNX, which takes seconds, by a function that writes the file."""
    # Not by attribute: tests of a missing package import the backend anew for a while.
    backend = importlib.import_module("converters.targets.onnx.conversion")

    def install(write: Callable[[Path], object]) -> None:
        def convert(*arguments: object, **named: object) -> None:
            paths = [a for a in (*arguments, *named.values()) if isinstance(a, Path)]
            write(paths[-1])

        monkeypatch.setattr(backend, "convert", convert)

    return install


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
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


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """Random pixels ``[B, H, W, 3]``, different in every image."""

    def make(batch: int, height: int = 64, width: int = 64, seed: int = 7) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return rng.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)

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
