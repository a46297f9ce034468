"""What a checkpoint's name means: paths, repositories, addresses."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError, MissingPackageError
from mobilevit_edge.installation import install_command
from mobilevit_edge.weights.saving import named_weights
from mobilevit_edge.weights.sources import HubSource, find_source
from tests.conftest import filled_model

huggingface_hub = pytest.importorskip("huggingface_hub", reason="hub: needs the extra of that name")

COMMIT = "0123456789abcdef"
HUB_SOURCES = {
    "apple/mobilevit-small": HubSource("apple/mobilevit-small"),
    "timm/mobilevit_s.cvnets_in1k": HubSource("timm/mobilevit_s.cvnets_in1k"),
    "timm/mobilevit_s.cvnets_in1k@main": HubSource("timm/mobilevit_s.cvnets_in1k", "main"),
    "hub:org/repo": HubSource("org/repo"),
    f"hub:org/repo@{COMMIT}": HubSource("org/repo", COMMIT),
    "hub:org/repo@refs/pr/3": HubSource("org/repo", "refs/pr/3"),
    "hf-hub:org/repo": HubSource("org/repo"),
    "hf-hub:org/repo@v1.0": HubSource("org/repo", "v1.0"),
    "hf_hub:org/repo": HubSource("org/repo"),
    "hf://org/repo": HubSource("org/repo"),
    "https://huggingface.co/org/repo": HubSource("org/repo"),
    "https://huggingface.co/org/repo/": HubSource("org/repo"),
    "https://huggingface.co/org/repo?library=timm": HubSource("org/repo"),
    "https://hf.co/org/repo": HubSource("org/repo"),
    "https://huggingface.co/org/repo/tree/main": HubSource("org/repo", "main"),
    f"https://huggingface.co/org/repo/tree/{COMMIT}": HubSource("org/repo", COMMIT),
    "https://huggingface.co/org/repo/blob/main/a/w.bin": HubSource("org/repo", "main", "a/w.bin"),
    "https://huggingface.co/org/repo/resolve/v1/w.pt?download=true": HubSource(
        "org/repo", "v1", "w.pt"
    ),
}


@pytest.mark.parametrize("text", HUB_SOURCES)
def test_a_repository_is_understood_in_every_form(text: str) -> None:
    assert find_source(text) == HUB_SOURCES[text]


@pytest.mark.parametrize("text", ["org/repo", "org/repo.pt"])
def test_a_path_that_exists_comes_before_a_repository(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / text).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert find_source(text) == Path(text)


@pytest.mark.parametrize(
    "text", ["models/best.pt", "a/b.safetensors", "/x/y.ckpt", "best.pth", "a/b.pth.tar"]
)
def test_a_missing_file_is_not_looked_for_on_the_hub(text: str) -> None:
    assert find_source(text) == Path(text)
    with pytest.raises(CheckpointError, match="No such file"):
        me.read_checkpoint(text)


@pytest.mark.parametrize(
    "text", ["missing", "a/b/c", "./org/repo", "/org/repo", "~/repo", "org/re po", "a\nb/c"]
)
def test_what_is_neither_a_path_nor_a_repository_is_refused_as_both(text: str) -> None:
    with pytest.raises(CheckpointError, match=r"No such file.*not the name of a repository"):
        find_source(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://example.com/weights.pt", "not a model's page on huggingface.co"),
        ("https://huggingface.co.example.com/org/repo", "not a model's page"),
        ("https://huggingface.co/apple", "not a model's page"),
        ("https://[x/y/z", r"https://\[x/y/z is not an address"),
        ("https://huggingface.co/datasets/org/repo", "not a model's page"),
        ("https://huggingface.co/org/repo/blob/main/../../x", "not a model's page"),
        ("https://huggingface.co/org/repo/discussions/3", "pass hub:org/repo"),
        ("https://huggingface.co/org/repo/blob/main", "pass hub:org/repo"),
    ],
)
def test_other_addresses_are_refused_with_the_way_out(text: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        find_source(text)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the hub's client is asked for; it answers with a folder of weights."""
    folder = tmp_path / "snapshot"
    folder.mkdir()
    weights = named_weights(filled_model("mobilevit_xxs", num_classes=2), "timm")
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text('{"label_names": ["cat", "dog"]}')
    calls: list[dict[str, Any]] = []

    def answer(repository: str, **options: Any) -> str:
        calls.append({"repository": repository, **options})
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", answer)
    return calls


@pytest.mark.parametrize(
    ("text", "origin", "revision"),
    [
        ("org/repo", "hub:org/repo", None),
        ("hf-hub:org/repo", "hub:org/repo", None),
        (f"hub:org/repo@{COMMIT}", f"hub:org/repo@{COMMIT}", COMMIT),
        ("https://huggingface.co/org/repo/tree/v1", "hub:org/repo@v1", "v1"),
    ],
)
def test_the_repository_and_revision_reach_the_hub(
    asked: list[dict[str, Any]], text: str, origin: str, revision: str | None
) -> None:
    checkpoint = me.read_checkpoint(text)
    assert checkpoint.origin == origin
    assert checkpoint.config == {"label_names": ["cat", "dog"]}
    assert [(call["repository"], call["revision"]) for call in asked] == [("org/repo", revision)]


def test_an_address_of_one_file_reads_that_file(asked: list[dict[str, Any]]) -> None:
    address = "https://huggingface.co/org/repo/resolve/main/model.safetensors"
    checkpoint = me.read_checkpoint(address)
    assert checkpoint.origin == "hub:org/repo@main/model.safetensors"
    assert asked[0]["allow_patterns"][0] == "model.safetensors"


def test_a_name_that_the_hub_does_not_know_is_called_no_path_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise OSError("404 Client Error")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    message = r"no file or folder runs/best.*cannot download hub:runs/best"
    with pytest.raises(CheckpointError, match=message):
        me.read_checkpoint("runs/best")
    with pytest.raises(CheckpointError, match=r"^cannot download hub:runs/best"):
        me.read_checkpoint("hub:runs/best")


def test_a_mistyped_path_does_not_ask_for_the_hubs_package_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    message = f"no file or folder runs/best.*{re.escape(install_command('hub'))}"
    with pytest.raises(CheckpointError, match=message):
        me.read_checkpoint("runs/best")
    with pytest.raises(MissingPackageError):
        me.read_checkpoint("hub:runs/best")
