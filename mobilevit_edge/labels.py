"""Class labels: one per line, as many as the model has outputs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import LabelsError
from mobilevit_edge.reading import read_text

IMAGENET: Final = "imagenet"
_IMAGENET_CLASSES: Final = 1000
_MAX_LABELS_BYTES: Final = 4 * 1024**2
_MAX_LABEL: Final = 1000
"""Characters of one label."""
_BREAKS: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""Controls and separators of lines: some readers would see two labels. A tab is none."""


def imagenet_labels() -> tuple[str, ...]:
    """The 1000 ImageNet-1k classes by index: the first WordNet lemma of each, made unique."""
    text = (resources.files("mobilevit_edge") / "data" / "imagenet_labels.txt").read_text("utf-8")
    return tuple(text.splitlines())


def parse_labels(text: str, origin: str) -> tuple[str, ...]:
    r"""Labels from text with one per line; blank lines at the end are dropped.

    Lines end with ``\n`` or ``\r\n`` and with nothing else, as in the apps.

    Raises:
        LabelsError: there are no labels, an empty line between others, duplicates, or a label with
            control characters or beyond all measure.
    """
    labels = [line.strip(" \t\r") for line in text.removeprefix("\ufeff").rstrip().split("\n")]
    if labels == [""]:
        labels = []
    if not labels:
        raise LabelsError(f"{origin} holds no labels: expected one per line")
    if "" in labels:
        raise LabelsError(
            f"{origin}: line {labels.index('') + 1} is empty; every class needs a name"
        )
    for number, label in enumerate(labels, 1):
        if len(label) > _MAX_LABEL:
            raise LabelsError(f"{origin}: line {number} has more than {_MAX_LABEL} characters")
        if _BREAKS.search(label):
            raise LabelsError(
                f"{origin}: line {number} holds a control character ({label!r:.100}); save the "
                f"list as plain text with one label on each line"
            )
    duplicates = [label for label, count in Counter(labels).items() if count > 1]
    if duplicates:
        shown = ", ".join(f"{label!r:.100}" for label in duplicates[:5])
        raise LabelsError(f"{origin}: duplicate labels {shown}; every class needs its own name")
    return tuple(labels)


def read_labels(path: Path) -> tuple[str, ...]:
    """Labels from a UTF-8 text file; see :func:`parse_labels`."""
    text = read_text(path, _MAX_LABELS_BYTES, LabelsError)
    return parse_labels(text, str(path))


def _made_unique(names: Sequence[str]) -> tuple[str, ...]:
    """Names, with their index where two classes share one, as ImageNet's two cranes do."""
    cleaned = [" ".join(_BREAKS.sub(" ", name).split())[:_MAX_LABEL] for name in names]
    counts = Counter(cleaned)
    return tuple(
        name if name and counts[name] == 1 else f"{name or 'class'} ({index})"
        for index, name in enumerate(cleaned)
    )


def resolve_labels(
    requested: str | None, from_checkpoint: Sequence[str] | None, num_outputs: int
) -> tuple[tuple[str, ...], str]:
    """Labels for ``num_outputs`` outputs, and where they come from.

    ``requested`` (a file, or ``"imagenet"``) comes first, then the checkpoint's labels; without
    either, 1000 outputs are taken as ImageNet's, and other counts are numbered.

    Raises:
        LabelsError: the labels cannot be read, or there are not ``num_outputs`` of them.
    """
    if requested is not None:
        labels = imagenet_labels() if requested == IMAGENET else read_labels(Path(requested))
        source = requested if requested == IMAGENET else Path(requested).name
    elif from_checkpoint is not None:
        labels, source = _made_unique(from_checkpoint), "checkpoint"
    elif num_outputs == _IMAGENET_CLASSES:
        labels, source = imagenet_labels(), "assumed imagenet (1000 outputs)"
    else:
        labels, source = tuple(f"class_{index}" for index in range(num_outputs)), "numbered"
    if len(labels) != num_outputs:
        raise LabelsError(
            f"{len(labels)} labels ({source}) for a model with {num_outputs} outputs: "
            f"pass the labels file that belongs to this checkpoint with --labels"
        )
    return labels, source
