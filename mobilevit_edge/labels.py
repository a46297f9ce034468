"""Class labels: one per line, as many as the model has outputs."""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any, Final

from mobilevit_edge.errors import LabelsError
from mobilevit_edge.reading import read_regular, read_text

IMAGENET: Final = "imagenet"
DATA_SETS: Final = (IMAGENET, "voc", "ade20k", "coco")
"""Data sets whose class names are part of this package; those of voc and coco begin with the
background."""
_MAX_LABELS_BYTES: Final = 4 * 1024**2
_MAX_LABELS: Final = 100_000
_MAX_LABEL: Final = 1000
"""Characters of one label."""
LABEL_KEYS: Final = (
    *("class_to_idx", "idx_to_class", "id2label", "label2id"),
    *("label_names", "class_names", "classes", "CLASSES"),
)
"""Under which training codes keep the names of classes."""
_MAYBE_GBK: Final = re.compile(rb"(?:[\x00-\x7f]|[\x81-\xfe][\x80-\xfe])*")
"""GBK without its rarest characters, whose second byte is ASCII: Latin-1 text looks like those."""
_ODD_CATEGORIES: Final = ("Cc", "Cs", "Zl", "Zp")
"""Control characters, halves of surrogate pairs, and separators of lines and paragraphs."""


def known_labels(data_set: str) -> tuple[str, ...]:
    """The classes of one of :data:`DATA_SETS` by index.

    Those of ImageNet-1k are the first WordNet lemma of each, made unique.
    """
    file = resources.files("mobilevit_edge") / "data" / f"{data_set}_labels.txt"
    return tuple(file.read_text("utf-8").rstrip("\n").split("\n"))


def parse_labels(text: str, origin: str) -> tuple[str, ...]:
    """Labels from text with one per line; blank lines at the end are dropped.

    A line ends with a line feed, and with nothing else: every program that reads it agrees on that.

    Raises:
        LabelsError: there are no labels, an empty line between others, duplicates, or characters
            that other programs may take for the end of a line.
    """
    labels = _lines(text, origin)
    _refuse_controls(labels, origin)
    _refuse_duplicates(labels, origin)
    return tuple(labels)


def read_labels(path: Path) -> tuple[str, ...]:
    """Labels from a UTF-8 text file as this package writes it; see :func:`parse_labels`."""
    return parse_labels(read_text(path, _MAX_LABELS_BYTES, LabelsError), str(path))


def import_labels(path: Path) -> tuple[str, ...]:
    """Labels from a file of any origin.

    That is text with one label per line in UTF-8, UTF-16 or GBK, or JSON: a list of names, names by
    index (``{"0": "daisy"}``), indices by name (``{"daisy": 0}``), or an object that holds one of
    these under the name that :func:`find_labels` looks for. Labels that occur more than once get
    their index.

    Raises:
        LabelsError: unreadable, no labels, or indices that are not 0, 1, 2, ...
    """
    text = _decoded(read_regular(path, _MAX_LABELS_BYTES, LabelsError), path)
    if path.suffix.lower() != ".json":
        return made_unique(_lines(text, str(path)), str(path))
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LabelsError(f"{path} is not JSON: {str(error)[:200]}") from error
    found = _names_of(content)
    if found is None and isinstance(content, Mapping):
        found = find_labels(content)
    if not found:
        raise LabelsError(
            f"{path} holds no labels: expected a list of names, names by index "
            f'({{"0": "daisy"}}) or indices by name ({{"daisy": 0}}), counted from 0 without gaps'
        )
    return made_unique(found, str(path))


def find_labels(content: Mapping[Any, Any]) -> tuple[str, ...] | None:
    """Class names among the entries of ``content``, under a name that training codes use.

    Those are ``class_to_idx``, ``idx_to_class``, ``id2label``, ``classes`` and the like; entries
    of these names that hold something else are passed over.
    """
    for key in LABEL_KEYS:
        found = _names_of(content.get(key))
        if found:
            return found
    return None


def _names_of(value: object) -> tuple[str, ...] | None:
    """Names by index from a list, or from a mapping in either direction."""
    if isinstance(value, list | tuple):
        usable = len(value) <= _MAX_LABELS and all(isinstance(name, str) for name in value)
        return tuple(value) if usable else None
    if not isinstance(value, Mapping) or len(value) > _MAX_LABELS:
        return None
    for pairs in (value.items(), ((name, index) for index, name in value.items())):
        by_index = {_index(index): name for index, name in pairs if isinstance(name, str)}
        if by_index.keys() == set(range(len(value))):
            return tuple(by_index[index] for index in range(len(value)))
    return None


def _index(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 8:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _decoded(content: bytes, path: Path) -> str:
    """Text in UTF-8, UTF-16 with a byte order mark, or GBK."""
    encoding = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-8-sig" and _MAYBE_GBK.fullmatch(content):
            with suppress(UnicodeDecodeError):
                return content.decode("gbk")
        raise LabelsError(
            f"{path} is not UTF-8 text, nor UTF-16 or GBK: save it as UTF-8"
        ) from error


def _lines(text: str, origin: str) -> list[str]:
    labels = [line.strip() for line in text.removeprefix("\ufeff").rstrip().split("\n")]
    if labels == [""]:
        raise LabelsError(f"{origin} holds no labels: expected one per line")
    if "" in labels:
        raise LabelsError(
            f"{origin}: line {labels.index('') + 1} is empty; every class needs a name"
        )
    return labels


def _refuse_controls(labels: Sequence[str], origin: str) -> None:
    for index, label in enumerate(labels):
        if len(label) > _MAX_LABEL:
            raise LabelsError(f"{origin}: label {index} has more than {_MAX_LABEL} characters")
        odd = next((c for c in label if unicodedata.category(c) in _ODD_CATEGORIES), None)
        if odd is not None:
            raise LabelsError(
                f"{origin}: label {index} holds the control character U+{ord(odd):04X}; "
                f"remove it from {label[:50]!r}"
            )


def _refuse_duplicates(labels: Sequence[str], origin: str) -> None:
    duplicates = [label for label, count in Counter(labels).items() if count > 1]
    if duplicates:
        shown = ", ".join(repr(label[:50]) for label in duplicates[:5])
        raise LabelsError(f"{origin}: duplicate labels {shown}; every class needs its own name")


def made_unique(names: Sequence[str], origin: str) -> tuple[str, ...]:
    """Names, with their index where two classes share one, as ImageNet's two cranes do.

    Raises:
        LabelsError: a name holds a control character, or is one that another got with its index.
    """
    cleaned = [" ".join(name.split()) for name in names]
    _refuse_controls(cleaned, origin)
    counts = Counter(cleaned)
    unique = tuple(
        name if name and counts[name] == 1 else f"{name or 'class'} ({index})"
        for index, name in enumerate(cleaned)
    )
    _refuse_duplicates(unique, origin)
    return unique


def resolve_labels(
    requested: str | None,
    from_checkpoint: Sequence[str] | None,
    num_outputs: int,
    likely: Sequence[str] = (IMAGENET,),
) -> tuple[tuple[str, ...], str]:
    """Labels for ``num_outputs`` outputs, and where they come from.

    ``requested`` (a file, or one of :data:`DATA_SETS`) comes first, then the checkpoint's labels;
    without either, as many outputs as a data set of ``likely`` has are taken as that one's (1000 as
    ImageNet's), and other counts are numbered.

    Raises:
        LabelsError: the labels cannot be read, or there are not ``num_outputs`` of them.
    """
    if requested is not None:
        named = requested in DATA_SETS
        labels = known_labels(requested) if named else import_labels(Path(requested))
        source = requested if named else Path(requested).name
    elif from_checkpoint is not None:
        labels, source = made_unique(from_checkpoint, "the checkpoint"), "checkpoint"
    elif found := [name for name in likely if len(known_labels(name)) == num_outputs]:
        labels, source = known_labels(found[0]), f"assumed {found[0]} ({num_outputs} outputs)"
    else:
        labels, source = tuple(f"class_{index}" for index in range(num_outputs)), "numbered"
    if len(labels) != num_outputs:
        raise LabelsError(
            f"{len(labels)} labels ({source}) for a model with {num_outputs} outputs: "
            f"pass the labels file that belongs to this checkpoint with --labels"
        )
    return labels, source
