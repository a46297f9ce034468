"""How a release is tried; the builds themselves take minutes: make release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mobilevit_edge import __version__
from mobilevit_edge.errors import ToolchainError, VerificationError
from tests.support.tools import run_tool
from tools import release


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What would be run, each answered as it should be."""
    ran: list[str] = []

    def run(words: list[str | Path], *rest: object) -> str:
        ran.append(" ".join(Path(word).name if "/" in str(word) else str(word) for word in words))
        if "build" in words:
            for name in (f"{__version__}-py3-none-any.whl", f"{__version__}.tar.gz"):
                (tmp_path / f"mobilevit_edge-{name}").touch()
        return f"{Path(words[0]).name} {__version__}\n"

    monkeypatch.setattr(release, "_run", run)
    monkeypatch.setattr(release, "_ROOT", tmp_path.parent)
    monkeypatch.setattr(release, "_DIST", tmp_path)
    return ran


def test_what_was_built_is_tried_on_every_python(commands: list[str], tmp_path: Path) -> None:
    (tmp_path / "mobilevit_edge-0.0.1.tar.gz").touch()
    finished = run_tool(release, "3.11", "3.12")
    assert finished.code == 0, finished.err
    assert f"mobilevit_edge-{__version__}.tar.gz" in finished.out
    assert "0.0.1" not in finished.out
    for version in ("3.11", "3.12"):
        assert f"Python {version}: installed, exported, classified" in finished.out
    assert sum("mobilevit-export --target onnx --weights demo" in line for line in commands) == 2
    assert sum(line.endswith("whl[onnx]") for line in commands) == 2


def test_another_version_than_the_built_one_is_seen(
    commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: Callable[..., str] = release._run
    monkeypatch.setattr(release, "_run", lambda *given: told(*given).replace(__version__, "9"))
    finished = run_tool(release, "3.11")
    assert finished.code == VerificationError.exit_code
    assert "--version says" in finished.err


def test_what_fails_says_what_and_why() -> None:
    with pytest.raises(ToolchainError, match=r"false"):
        release._run(["false"])
