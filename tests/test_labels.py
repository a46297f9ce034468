"""Class labels from files, checkpoints and the built-in list."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevit_edge.errors import LabelsError
from mobilevit_edge.labels import (
    IMAGENET,
    import_labels,
    known_labels,
    parse_labels,
    read_labels,
    resolve_labels,
)


def test_the_imagenet_labels_are_1000_different_names_in_order() -> None:
    labels = known_labels(IMAGENET)
    assert len(labels) == len(set(labels)) == 1000
    assert [labels[index].lower() for index in (0, 1, 207, 999)] == [
        "tench",
        "goldfish",
        "golden retriever",
        "toilet tissue",
    ]


def test_the_imagenet_labels_read_back_as_a_labels_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(known_labels(IMAGENET)) + "\n", encoding="utf-8")
    assert read_labels(path) == known_labels(IMAGENET)


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
    assert labels == known_labels(IMAGENET)
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


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("cat\u2028dog\n", "U\\+2028"),
        ("cat\n\x1b[31mdog\n", "U\\+001B"),
        ("cat\x00\n", "U\\+0000"),
        ("a\x85b\n", "U\\+0085"),
        ("a\x0bb\n", "U\\+000B"),
        ("a\rb\n", "U\\+000D"),
        ("a\u2029b\n", "U\\+2029"),
    ],
)
def test_what_another_program_takes_for_a_line_end_is_refused(text: str, character: str) -> None:
    with pytest.raises(LabelsError, match=f"here: label.*{character}"):
        parse_labels(text, "here")


@pytest.mark.parametrize(
    "content",
    [
        '["daisy", "rose", "tulip"]',
        '{"0": "daisy", "1": "rose", "2": "tulip"}',
        '{"2": "tulip", "0": "daisy", "1": "rose"}',
        '{"daisy": 0, "rose": 1, "tulip": 2}',
        '{"tulip": 2, "daisy": 0, "rose": 1}',
        '{"daisy": "0", "rose": "1", "tulip": "2"}',
        '{"id2label": {"0": "daisy", "1": "rose", "2": "tulip"}, "model_type": "mobilevit"}',
        '{"class_to_idx": {"daisy": 0, "rose": 1, "tulip": 2}}',
        '{"label_names": ["daisy", "rose", "tulip"]}',
        '{"classes": ["daisy", "rose", "tulip"]}',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_labels_come_from_json_in_every_form(tmp_path: Path, content: str, encoding: str) -> None:
    path = tmp_path / "class_indices.json"
    path.write_bytes(content.encode(encoding))
    assert import_labels(path) == ("daisy", "rose", "tulip")
    labels, source = resolve_labels(str(path), None, 3)
    assert (labels, source) == (("daisy", "rose", "tulip"), "class_indices.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds no labels"),
        ("{}", "holds no labels"),
        ("3", "holds no labels"),
        ("[1, 2]", "holds no labels"),
        ('{"1": "daisy", "2": "rose"}', "counted from 0 without gaps"),
        ('{"0": "daisy", "2": "rose"}', "counted from 0 without gaps"),
        ('{"daisy": 0, "rose": 0}', "counted from 0 without gaps"),
        ('{"daisy": true, "rose": false}', "holds no labels"),
        ('{"0": ["n01", "tench"]}', "holds no labels"),
        ('["a\\u001b"]', "control character"),
        ('["\\ud800"]', "U\\+D800"),
    ],
)
def test_json_without_labels_is_refused_with_what_is_expected(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(LabelsError, match=rf"labels\.json.*{message}"):
        import_labels(path)


CHINESE = ("雏菊", "玫瑰", "郁金香 (红)")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_labels_come_from_text_in_every_encoding(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes((end.join(CHINESE) + end).encode(encoding))
    assert import_labels(path) == CHINESE


@pytest.mark.parametrize("content", [b"caf\xe9\n", b"caf\xe9s\n", b"ni\xf1o\nmu\xf1eca\n"])
def test_latin_text_is_not_taken_for_chinese(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(LabelsError, match="save it as UTF-8"):
        import_labels(path)


def test_imagenets_two_cranes_get_their_index_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "imagenet_classes.txt"
    path.write_text("crane\nlimpkin\ncrane\nmaillot\nmaillot\n")
    expected = ("crane (0)", "limpkin", "crane (2)", "maillot (3)", "maillot (4)")
    assert resolve_labels(str(path), None, 5)[0] == expected
    assert resolve_labels(None, ("crane", "limpkin", "crane", "maillot", "maillot"), 5)[0] == (
        expected
    )


def test_a_name_that_another_class_got_with_its_index_is_refused() -> None:
    with pytest.raises(LabelsError, match=r"duplicate labels 'a \(0\)'"):
        resolve_labels(None, ("a", "a", "a (0)"), 3)


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0b", "\t", "\u3000"])
def test_odd_blanks_inside_a_label_become_a_space_and_never_a_line(
    tmp_path: Path, odd: str
) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(f"great{odd}grey\nowl\n", encoding="utf-8", newline="")
    labels = import_labels(path)
    assert labels == ("great grey", "owl")
    assert parse_labels("\n".join(labels), "written") == labels


@pytest.mark.parametrize("odd", ["\x1b", "\x00", "\x7f"])
@pytest.mark.parametrize("origin", ["file", "checkpoint"])
def test_control_characters_are_refused_wherever_they_come_from(
    tmp_path: Path, odd: str, origin: str
) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(f"a{odd}b\n", encoding="utf-8")
    requested = str(path) if origin == "file" else None
    with pytest.raises(LabelsError, match="control character"):
        resolve_labels(requested, (f"a{odd}b",), 1)
