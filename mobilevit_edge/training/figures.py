"""``log.csv``, ``curves.png`` and ``confusion.png``."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobilevit_edge.errors import MissingPackageError
from mobilevit_edge.files import write_atomically
from mobilevit_edge.training.evaluate import SCORES

try:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise MissingPackageError("matplotlib", extra="train") from error

LOG: Final = "log.csv"
CURVES: Final = "curves.png"
CONFUSION: Final = "confusion.png"
IOUS: Final = "iou.csv"
_MAX_NAMED_CLASSES: Final = 40
_MAX_NUMBERED_CLASSES: Final = 20

Row = Mapping[str, Any]


def write_log(folder: Path, rows: Sequence[Row]) -> None:
    """Write one line per epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / LOG, lambda path: path.write_text(text.getvalue(), "utf-8"))


def write_curves(folder: Path, rows: Sequence[Row]) -> None:
    """Draw loss, accuracy and learning rate by epoch."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    losses, accuracy, rate = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in rows]
    for axes, names, title in (
        (losses, ("train_loss", "validation_loss"), "loss (nats)"),
        (accuracy, SCORES, "held-out scores"),
        (rate, ("learning_rate",), "learning rate"),
    ):
        for name in names:
            if rows[-1].get(name) is not None:
                axes.plot(epochs, [row[name] for row in rows], marker=".", label=name)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.legend()
    _write_png(folder / CURVES, figure)


# Class names are of any origin.
@rc_context({"text.parse_math": False})
def write_confusion(folder: Path, confusion: npt.NDArray[np.int64], classes: Sequence[str]) -> None:
    """Draw shares of each actual class by predicted class. ``confusion``: counts ``[C, C]``."""
    count = len(classes)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = min(max(4.0, 0.45 * count + 2), 18.0)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    if count <= _MAX_NAMED_CLASSES:
        axes.set_xticks(range(count), labels=classes, rotation=90)
        axes.set_yticks(range(count), labels=classes)
    if count <= _MAX_NUMBERED_CLASSES:
        for (row, column), share in np.ndenumerate(shares):
            color = "white" if share > 0.5 else "black"
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    _write_png(folder / CONFUSION, figure)


def write_ious(folder: Path, ious: npt.NDArray[np.float64], classes: Sequence[str]) -> None:
    """Write intersection over union of each class; nothing where a class is nowhere."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("class", "iou"))
    for name, iou in zip(classes, ious, strict=True):
        writer.writerow((name, "" if np.isnan(iou) else round(float(iou), 4)))
    write_atomically(folder / IOUS, lambda path: path.write_text(text.getvalue(), "utf-8"))


def _write_png(path: Path, figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A class name in a script that the font lacks is drawn as boxes, which is fine.
        warnings.simplefilter("ignore", UserWarning)
        canvas.print_png(buffer)  # type: ignore[no-untyped-call]
    write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getvalue()))
