"""The workflows for hosted CI: what their linters say, and which Pythons they try."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomllib
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def linter(name: str) -> str:
    """The program, beside Python or on the path."""
    found = shutil.which(str(Path(sys.executable).parent / name)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*words: str | Path) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_they_are_safe() -> None:
    run(linter("zizmor"), "--offline", "--quiet", *WORKFLOWS)


def test_they_follow_the_schema() -> None:
    run(linter("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)


def test_actionlint_has_nothing_to_say() -> None:
    run(linter("actionlint"), *WORKFLOWS)


def test_every_python_that_the_package_names_is_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    prefix = "Programming Language :: Python :: "
    named = {
        line.removeprefix(prefix) for line in project["classifiers"] if line.startswith(prefix)
    }
    jobs: dict[str, Any] = yaml.safe_load(WORKFLOWS[1].read_text("utf-8"))["jobs"]
    tried = set(jobs["linux"]["strategy"]["matrix"]["python"])
    release = jobs["package"]["steps"][-1]["run"]
    assert {version for version in named if version in release} == named - {"3 :: Only"}
    assert tried < named
