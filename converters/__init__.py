"""From PyTorch to what runs on a phone: one converter per target.

The names below are the public interface; they are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mobilevit_edge.lazy import lazy_names

if TYPE_CHECKING:
    from converters import targets
    from converters.api import explain, export, predict
    from converters.classifier import Prediction
    from converters.explanation import Explanation
    from converters.job.options import ExportOptions

__all__ = [
    "Explanation",
    "ExportOptions",
    "Prediction",
    "explain",
    "export",
    "predict",
    "targets",
]

_LAZY_MODULES: Final = {
    "Explanation": "converters.explanation",
    "ExportOptions": "converters.job.options",
    "Prediction": "converters.classifier",
    "explain": "converters.api",
    "export": "converters.api",
    "predict": "converters.api",
    "targets": "converters.targets",
}


__getattr__, __dir__ = lazy_names(__name__, _LAZY_MODULES)
