"""What the tables of bad inputs share: a good bundle, and what refusing an input must look like."""

from __future__ import annotations

import contextlib
import importlib
import io
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import pytest
from PIL import Image

from mobilevit_edge.printable import printable
from tests.support.bundles import write_bundle

_MAX_SECONDS: Final = 2.0
"""Of a processor; what is refused late takes minutes."""
_IMPORTED: Final = ("converters.bundling.pipeline", "mobilevit_edge.training.session")
"""What commands import when they need it, which a good input costs as well."""
_MAX_GROWTH: Final = 500 * 1024**2
_MAX_MESSAGE: Final = 2000


class Refuses(Protocol):
    """Runs a command on a bad input, which it must refuse."""

    def __call__(self, main: Callable[[list[str]], int], *arguments: object, code: int = 4) -> str:
        """The message: short, without effect on a terminal; nothing else, and nothing left."""


@pytest.fixture(scope="session", autouse=True)
def imports() -> None:
    """No bad input pays for :data:`_IMPORTED`."""
    for name in _IMPORTED:
        importlib.import_module(name)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good bundle; not to be changed."""
    return write_bundle(tmp_path_factory.mktemp("good"))


@pytest.fixture
def bundle(good: Path, tmp_path: Path) -> Path:
    """A copy of the good bundle, to be spoiled."""
    return shutil.copytree(good, tmp_path / "bundle")


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small photo."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    pixels = np.random.default_rng(3).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def _peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _listing(folder: Path) -> dict[Path, tuple[int, int]]:
    return {
        path: (path.lstat().st_mode, 0 if path.is_dir() else path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
    }


@pytest.fixture
def refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refuses:
    """See :class:`Refuses`; whatever the command could leave would be below ``tmp_path``."""
    monkeypatch.chdir(tmp_path)

    def run(main: Callable[[list[str]], int], *arguments: object, code: int = 4) -> str:
        before, memory, start = _listing(tmp_path), _peak_memory(), time.process_time()
        out, err = io.StringIO(), io.StringIO()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                found = main([str(argument) for argument in arguments])
        finally:
            signal.signal(signal.SIGTERM, handler)
        message = err.getvalue()
        assert found == code, message[:_MAX_MESSAGE]
        assert out.getvalue() == ""
        assert 0 < len(message) < _MAX_MESSAGE
        assert "Traceback" not in message
        assert "defect of this program" not in message
        assert printable(message) == message
        assert time.process_time() - start < _MAX_SECONDS
        assert _peak_memory() - memory < _MAX_GROWTH
        assert _listing(tmp_path) == before, "something was left behind, or changed"
        return message

    return run
