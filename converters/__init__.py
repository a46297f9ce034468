"""From PyTorch to what runs on a phone: one converter per target.

The names below are the public interface; they are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

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
    "Explanation": "explanation",
    "ExportOptions": "job.options",
    "Prediction": "classifier",
    "explain": "api",
    "export": "api",
    "predict": "api",
}


def __getattr__(name: str) -> Any:
    if name == "targets":
        return importlib.import_module(f"{__name__}.targets")
    if name not in _LAZY_MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_LAZY_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
