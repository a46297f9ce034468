"""The wheel holds all that a run needs and nothing else; its requirements are tested versions."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomllib
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
SUFFIXES = {
    *(".py", ".json", ".txt", ".typed", ".safetensors", ".md", ".jinja", ".c", ".cpp", ".hpp"),
    # The page that runs bundles in a browser.
    *(".html", ".css", ".js", ".svg", ".mjs", ".gz"),
}
PACKAGES = ("mobilevit_edge", "converters", "benchmarks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy of the tracked files, so that no stray build folder gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    # The working tree may be ahead of the last commit.
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_every_source_file_of_its_packages(wheel: zipfile.ZipFile) -> None:
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in SUFFIXES
    }
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == expected


def test_the_wheel_declares_its_commands_and_its_license(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    (entry_points,) = [n for n in names if n.endswith("entry_points.txt")]
    text = wheel.read(entry_points).decode()
    assert "mobilevit-export = mobilevit_edge.entry:export" in text
    assert "mobilevit-predict = mobilevit_edge.entry:predict" in text
    assert "mobilevit-train = mobilevit_edge.entry:train" in text
    assert "mobilevit-bench = mobilevit_edge.entry:bench" in text
    assert any(name.endswith("licenses/LICENSE") for name in names)


def metadata() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def requirements(*, development: bool) -> Iterator[Requirement]:
    """What the package, its extras and, if asked for, its build and development require."""
    project = metadata()["project"]
    groups: dict[str, list[str]] = {"": project["dependencies"]}
    groups |= project["optional-dependencies"]
    dev = [*groups.pop("dev"), *groups.pop("docs")]
    texts = [text for group in groups.values() for text in group]
    if development:
        texts += [*dev, *metadata()["build-system"]["requires"]]
    for requirement in map(Requirement, texts):
        if requirement.name != project["name"]:  # an extra that stands for others
            yield requirement


def pins() -> dict[str, list[SpecifierSet]]:
    """Of each package in constraints.txt, its versions: one, or one for each range of Pythons."""
    found: dict[str, list[SpecifierSet]] = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            found.setdefault(canonicalize_name(pin.name), []).append(pin.specifier)
    return found


def test_no_requirement_is_an_exact_version() -> None:
    for requirement in requirements(development=True):
        operators = {clause.operator for clause in requirement.specifier}
        assert operators.isdisjoint({"==", "===", "~="}), requirement


def test_every_requirement_of_the_package_has_a_lowest_version_and_an_upper_bound() -> None:
    for requirement in requirements(development=False):
        operators = sorted(clause.operator for clause in requirement.specifier)
        assert operators == ["<", ">="], requirement


def test_constraints_are_exact_versions() -> None:
    for name, specifiers in pins().items():
        for specifier in specifiers:
            assert re.fullmatch(r"==[0-9][^*+,]*", str(specifier)), name


def test_every_requirement_admits_the_version_that_is_pinned_for_development() -> None:
    pinned = pins()
    for requirement in requirements(development=True):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not in constraints.txt: remake it"
        for specifier in pinned[name]:
            version = str(specifier).removeprefix("==")
            assert requirement.specifier.contains(version), f"{requirement}, pinned at {version}"


def test_the_documented_versions_are_those_of_the_metadata() -> None:
    text = (ROOT / "docs" / "reference" / "dependencies.md").read_text("utf-8")
    row = r"^\| ([\w-]+)[^|]* \| `(.+?)` \| ([\d.]+) \| ([\d.]+) \|"
    documented = set()
    for name, text_of_range, lowest, highest in re.findall(row, text, re.MULTILINE):
        range_ = SpecifierSet(text_of_range)
        documented.add((canonicalize_name(name), range_))
        assert Version(lowest) in {Version(c.version) for c in range_ if c.operator == ">="}, name
        assert range_.contains(highest), name
    assert documented == {
        (canonicalize_name(requirement.name), requirement.specifier)
        for requirement in requirements(development=False)
    }
