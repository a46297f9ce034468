"""Class labels: one per line, as many as the model has outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import LabelsError

IMAGENET: Final = "imagenet"
_IMAGENET_CLASSES: Final = 1000
_MAX_LABELS_BYTES: Final = 4 * 1024**2


def imagenet_labels() -> tuple[str, ...]:
    """The 1000 ImageNet-1k classes by index: the first WordNet lemma of each, made unique."""
    text = (resources.files("mobilevit_edge") / "data" / "imagenet_labels.txt").read_text("utf-8")
    return tuple(text.splitlines())


def parse_labels(text: str, origin: str) -> tuple[str, ...]:
    """Labels from text with one per line; blank lines at the end are dropped.

    Raises:
        LabelsError: there are no labels, an empty line between others, or duplicates.
    """
    labels = [line.strip() for line in text.removeprefix("\ufeff").rstrip().splitlines()]
    if not labels:
        raise LabelsError(f"{origin} holds no labels: expected one per line")
    if "" in labels:
        raise LabelsError(
            f"{origin}: line {labels.index('') + 1} is empty; every class needs a name"
        )
    duplicates = [label for label, count in Counter(labels).items() if count > 1]
    if duplicates:
        shown = ", ".join(repr(label) for label in duplicates[:5])
        raise LabelsError(f"{origin}: duplicate labels {shown}; every class needs its own name")
    return tuple(labels)


def read_labels(path: Path) -> tuple[str, ...]:
    """Labels from a UTF-8 text file; see :func:`parse_labels`."""
    try:
        if path.stat().st_size > _MAX_LABELS_BYTES:
            raise LabelsError(f"{path} is larger than {_MAX_LABELS_BYTES} bytes: not a labels file")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LabelsError(f"{path} is not UTF-8 text") from error
    except OSError as error:
        raise LabelsError(f"cannot read labels from {path}: {error.strerror}") from error
    return parse_labels(text, str(path))


def _made_unique(names: Sequence[str]) -> tuple[str, ...]:
    """Names, with their index where two classes share one, as ImageNet's two cranes do."""
    cleaned = [" ".join(name.split()) for name in names]
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
