"""Class labels from files, checkpoints and the built-in list."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevit_edge.errors import LabelsError
from mobilevit_edge.labels import imagenet_labels, parse_labels, read_labels, resolve_labels


def test_the_imagenet_labels_are_1000_different_names_in_order() -> None:
    labels = imagenet_labels()
    assert len(labels) == len(set(labels)) == 1000
    assert [labels[index].lower() for index in (0, 1, 207, 999)] == [
        "tench",
        "goldfish",
        "golden retriever",
        "toilet tissue",
    ]


def test_the_imagenet_labels_read_back_as_a_labels_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(imagenet_labels()) + "\n", encoding="utf-8")
    assert read_labels(path) == imagenet_labels()


@pytest.mark.parametrize(
    "text", ["cat\ndog\n", "cat\r\ndog\r\n\r\n\n", "\ufeffcat\ndog", "  cat\t\ndog "]
)
def test_line_ends_byte_order_marks_and_trailing_blanks_do_not_matter(text: str) -> None:
    assert parse_labels(text, "here") == ("cat", "dog")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no labels"),
        (" \n\n", "no labels"),
        ("cat\n\ndog\n", "line 2 is empty"),
        ("cat\ndog\ncat\n", "duplicate labels 'cat'"),
    ],
)
def test_unusable_labels_are_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(LabelsError, match=f"here.*{message}"):
        parse_labels(text, "here")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"caf\xe9\n", "UTF-8"), (b"x" * (4 * 1024**2 + 1), "larger than"), (None, "cannot read")],
)
def test_unreadable_label_files_are_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabelsError, match=message):
        read_labels(path)


def test_a_folder_is_no_labels_file(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="is a folder"):
        read_labels(tmp_path)


def test_a_requested_file_comes_before_the_checkpoints_labels(tmp_path: Path) -> None:
    path = tmp_path / "pets.txt"
    path.write_text("cat\ndog\n")
    assert resolve_labels(str(path), ("a", "b"), 2) == (("cat", "dog"), "pets.txt")
    assert resolve_labels(None, ("a", "b"), 2) == (("a", "b"), "checkpoint")


def test_a_thousand_outputs_without_labels_are_taken_as_imagenet_and_said_so() -> None:
    labels, source = resolve_labels(None, None, 1000)
    assert labels == imagenet_labels()
    assert "assumed" in source


def test_other_counts_are_numbered() -> None:
    assert resolve_labels(None, None, 2) == (("class_0", "class_1"), "numbered")


@pytest.mark.parametrize(("requested", "given"), [("imagenet", None), (None, ("a", "b", "c"))])
def test_a_count_that_differs_from_the_outputs_names_both(
    requested: str | None, given: tuple[str, ...] | None
) -> None:
    with pytest.raises(LabelsError, match=r"(1000|3) labels .* 5 outputs.*--labels"):
        resolve_labels(requested, given, 5)


def test_a_checkpoint_with_two_classes_of_one_name_still_gets_usable_labels() -> None:
    # ImageNet's own names in Hugging Face configs hold "crane" twice (134 the bird, 517 the
    # machine): refusing that would refuse apple/mobilevit-small.
    labels, _ = resolve_labels(None, ("crane", "limpkin", "crane"), 3)
    assert len(set(labels)) == 3
    assert all(
        label.startswith(name)
        for label, name in zip(labels, ("crane", "limpkin", "crane"), strict=True)
    )
