"""Files of unknown origin: regular files alone, up to a size, with a typed error at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mobilevit_edge.errors import BundleError, ImageError, LabelsError, ReportError
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.formats.report import read_report
from mobilevit_edge.labels import read_labels
from mobilevit_edge.preprocess import load_image
from mobilevit_edge.reading import open_regular, read_regular, read_text
from tests.test_places import SPECIAL


def test_a_regular_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    assert read_regular(path, 7, LabelsError) == b"content"
    assert read_text(str(path), 7, LabelsError) == "content"
    with pytest.raises(LabelsError, match="file is larger than 6 bytes"):
        read_regular(path, 6, LabelsError)


def test_a_file_whose_size_says_nothing_is_read_up_to_its_limit() -> None:
    with pytest.raises(LabelsError, match="larger than 10 bytes"):
        read_regular("/proc/self/status", 10, LabelsError)


@pytest.mark.parametrize("kind", ["a device", "a named pipe", "a socket"])
def test_a_device_pipe_or_socket_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "input"
    SPECIAL[kind](path)
    link = tmp_path / "link"
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(LabelsError, match=f"is {kind}, not a file"):
            read_regular(name, 10, LabelsError)


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/random", "/dev/null"])
def test_a_link_to_a_device_is_refused_by_every_reader(tmp_path: Path, target: str) -> None:
    (tmp_path / "manifest.json").symlink_to(target)
    path = tmp_path / "manifest.json"
    with pytest.raises(BundleError, match="leads out of the bundle"):
        read_bundle(tmp_path)
    with pytest.raises(LabelsError, match="is a device"):
        read_labels(path)
    with pytest.raises(ReportError, match="is a device"):
        read_report(path)
    with pytest.raises(ImageError, match="is a device"):
        load_image(path)


def test_a_pipe_is_refused_by_every_reader(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    os.mkfifo(path)
    with pytest.raises(BundleError, match="a named pipe"):
        read_bundle(tmp_path)
    with pytest.raises(LabelsError, match="a named pipe"):
        read_labels(path)
    with pytest.raises(ReportError, match="a named pipe"):
        read_report(path)
    with pytest.raises(ImageError, match="a named pipe"):
        load_image(path)


def test_links_are_followed_unless_they_must_not_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    link = tmp_path / "link"
    link.symlink_to("file")
    with open_regular(link, 1, LabelsError) as file:
        assert file.read() == b"x"
    with pytest.raises(LabelsError, match="is a symbolic link"):
        open_regular(link, 1, LabelsError, follow=False)


@pytest.mark.parametrize("name", ["missing", "nul\0l", "x" * 300])
def test_what_is_not_there_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(LabelsError, match="cannot read"):
        read_regular(tmp_path / name, 10, LabelsError)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff")
    with pytest.raises(LabelsError, match="not UTF-8"):
        read_text(tmp_path / "file", 10, LabelsError)
