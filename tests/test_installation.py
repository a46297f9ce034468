"""What adds an extra to the installation at hand."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from mobilevit_edge import installation
from mobilevit_edge.installation import install_command


class Installed:
    """A distribution with what pip writes of where it comes from."""

    def __init__(self, origin: object) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return json.dumps(self.origin) if self.origin else None


@pytest.mark.parametrize("editable", [False, True])
def test_an_installation_from_a_folder_grows_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, editable: bool
) -> None:
    folder = tmp_path / "my checkout"
    folder.mkdir()
    origin = {"url": folder.as_uri(), "dir_info": {"editable": True} if editable else {}}
    monkeypatch.setattr(installation, "distribution", lambda name: Installed(origin))
    assert install_command("onnx") == "pip install 'mobilevit-edge[onnx]'"
    (folder / "pyproject.toml").touch()
    option = "--editable " if editable else ""
    assert install_command("onnx") == f"pip install {option}'{folder}[onnx]'"


@pytest.mark.parametrize("origin", [None, {"url": "https://example.org/a.whl", "archive_info": {}}])
def test_any_other_grows_from_the_index(monkeypatch: pytest.MonkeyPatch, origin: object) -> None:
    monkeypatch.setattr(installation, "distribution", lambda name: Installed(origin))
    assert install_command("hub") == "pip install 'mobilevit-edge[hub]'"


def test_a_checkout_that_is_not_installed_is_told_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> Installed:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, "distribution", nowhere)
    assert install_command("hub") == "pip install 'mobilevit-edge[hub]'"
