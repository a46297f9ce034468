"""What the training tests share: folders of generated images, and quick runs in this process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from mobilevit_edge.training import cli
from tests.support.networks import tiny_instead

# Networks this small gain nothing from threads, and lose much where cores are shared.
torch.set_num_threads(1)

COLORS = {"blue": (30, 60, 200), "green": (40, 180, 50), "red": (210, 40, 30)}
"""Classes that even a few steps can tell apart."""
QUICK = (
    *("--model", "mobilevit_xxs"),
    *("--image-size", 32),
    *("--scales", "32,48"),
    *("--batch-size", 4),
    *("--epochs", 2),
    *("--mixup", 0.2),
    *("--cutmix", 1.0),
    *("--threads", 1),
)
"""Two epochs that take a second or two."""


def write_images(root: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Noisy pictures of each class's color: ``root``/CLASS/NN.png."""
    rng = np.random.default_rng(seed)
    for position, (name, count) in enumerate(counts.items()):
        color = tuple(COLORS.values())[position % len(COLORS)]
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            side = 20 + 4 * (number % 3)
            noise = rng.normal(0, 25, (side, side + 8, 3))
            pixels = np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02d}.png")
    return root


@pytest.fixture(scope="module", autouse=True)
def quick_network() -> Iterator[None]:
    """What these tests train is tiny: nothing here depends on how many layers a network has."""
    with pytest.MonkeyPatch.context() as patch:
        tiny_instead(patch.setattr)
        yield


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of ten images each: some five steps an epoch; not to be changed."""
    root = tmp_path_factory.mktemp("images")
    return write_images(root, dict.fromkeys(COLORS, 10))


@pytest.fixture(scope="session")
def few_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of three images each: a step or two an epoch; not to be changed."""
    root = tmp_path_factory.mktemp("few images")
    return write_images(root, dict.fromkeys(COLORS, 3))


class Train(Protocol):
    """Runs ``mobilevit-train`` with options in this process; returns its exit code."""

    def __call__(self, *options: object) -> int: ...


@contextmanager
def training_command(*, figures: bool = False) -> Iterator[Train]:
    """The command, and this process afterwards as it was before.

    Without ``figures``, whose drawing would take longer than the rest, their files are stand-ins.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch:
        if not figures:
            patch.setattr(FigureCanvasAgg, "print_png", lambda _, file: file.write(b"a figure"))
        yield lambda *options: cli.main([str(option) for option in options])
    for number, handler in before.items():
        signal.signal(number, handler)
    torch.set_flush_denormal(False)


@pytest.fixture
def train() -> Iterator[Train]:
    with training_command() as command:
        yield command


def state_of(folder: Path) -> dict[str, Any]:
    """The content of a run's state file."""
    content: dict[str, Any] = torch.load(folder / "state.pt", weights_only=True)
    return content


def differences(a: Any, b: Any, path: str = "") -> list[str]:
    """Where two nested states differ, bit for bit; times aside."""
    if path.endswith(".seconds"):
        return []
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [d for key in a for d in differences(a[key], b[key], f"{path}.{key}")]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        return [
            d
            for index, (x, y) in enumerate(zip(a, b, strict=True))
            for d in differences(x, y, f"{path}.{index}")
        ]
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return [] if torch.equal(a, b) else [path]
    return [] if a == b else [path]
