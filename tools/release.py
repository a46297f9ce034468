"""Build the package, and try it from fresh environments: what is published is what was tried.

    make release
    make release PYTHONS="3.11"

In each environment: install the wheel with the extra onnx, ask every command for its version,
export the checkpoint in the package, and classify a photo with the bundle.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobilevit_edge import __version__
from mobilevit_edge.console import run_command
from mobilevit_edge.errors import ToolchainError, VerificationError
from tools.command import tool_parser

_ROOT: Final = Path(__file__).parents[1]
_DIST: Final = _ROOT / "dist"
_PYTHONS: Final = ("3.10", "3.13")
_COMMANDS: Final = ("export", "predict", "train", "bench")
_PHOTO: Final = "from PIL import Image; Image.new('RGB', (90, 70), (90, 120, 200)).save('a.png')"


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument(
        "pythons",
        nargs="*",
        default=_PYTHONS,
        metavar="PYTHON",
        help=f"versions to try it on (default: the lowest and the highest, {' '.join(_PYTHONS)})",
    )
    return parser


def command(arguments: Namespace) -> None:
    """Build, then try on every Python.

    Raises:
        ToolchainError: a Python, or a package for it, cannot be had.
        VerificationError: the package does not work as it is installed.
    """
    wheel = build()
    for version in arguments.pythons:
        try_on(version, wheel)
        print(f"Python {version}: installed, exported, classified")
    print("to publish:", *sorted(str(path.relative_to(_ROOT)) for path in _DIST.iterdir()))


def build() -> Path:
    """Write sdist and wheel of this version alone into ``dist/``; returns the wheel."""
    for old in _DIST.glob("*"):
        old.unlink()
    _run([sys.executable, "-m", "build", "--outdir", _DIST, _ROOT], ToolchainError)
    (wheel,) = _DIST.glob(f"mobilevit_edge-{__version__}-*.whl")
    (_,) = _DIST.glob(f"mobilevit_edge-{__version__}.tar.gz")
    return wheel


def try_on(version: str, wheel: Path) -> None:
    """Install the wheel where nothing else is, and use it from an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = folder / "venv" / "bin"
        uv: list[str | Path] = [sys.executable, "-m", "uv"]
        _run([*uv, "venv", "--quiet", "--seed", "--python", version, folder / "venv"])
        # By pip, which finds builds of torch that lie on the machine.
        constraints = ("--constraint", _ROOT / "constraints.txt")
        _run([place / "pip", "install", "--quiet", *constraints, "torch"])
        install: list[str | Path] = [*uv, "pip", "install", "--quiet", "--python", place / "python"]
        _run([*install, *constraints, f"{wheel}[onnx]"])
        used = folder / "used"
        used.mkdir()
        for each in _COMMANDS:
            shown = _run([place / f"mobilevit-{each}", "--version"], VerificationError, used)
            if shown.strip() != f"mobilevit-{each} {__version__}":
                raise VerificationError(f"mobilevit-{each} --version says {shown.strip()!r}")
        _run([place / "python", "-c", _PHOTO], VerificationError, used)
        export = ("--target", "onnx", "--weights", "demo", "--output", "demo")
        _run([place / "mobilevit-export", *export], VerificationError, used)
        _run([place / "mobilevit-predict", "demo", "a.png"], VerificationError, used)


def _run(
    words: Sequence[str | Path],
    error: type[ToolchainError | VerificationError] = ToolchainError,
    folder: Path = _ROOT,
) -> str:
    # This checkout must not be found instead of what was installed.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(  # noqa: S603  ours
        words, cwd=folder, env=clean, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise error(f"{' '.join(map(str, words))}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
