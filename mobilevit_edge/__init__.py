"""mobilevit-edge: MobileViT V1, V2 and V3 on a phone, exact, fast and verified.

The names below are the public interface; they are imported on first use, so that
``import mobilevit_edge`` itself loads neither torch nor any backend.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mobilevit_edge.counting import Complexity, complexity, count_macs
    from mobilevit_edge.models.network import MobileViT, create_model, list_models
    from mobilevit_edge.preprocess import Preprocessing, load_image, preprocess_image
    from mobilevit_edge.weights.checkpoint import Checkpoint, read_checkpoint
    from mobilevit_edge.weights.loading import WeightsReport, load_model, load_weights
    from mobilevit_edge.weights.saving import save_weights

__version__ = "0.1.0"

_HOMES: Final = {
    "Checkpoint": "weights.checkpoint",
    "Complexity": "counting",
    "MobileViT": "models.network",
    "Preprocessing": "preprocess",
    "WeightsReport": "weights.loading",
    "complexity": "counting",
    "count_macs": "counting",
    "create_model": "models.network",
    "list_models": "models.network",
    "load_image": "preprocess",
    "load_model": "weights.loading",
    "load_weights": "weights.loading",
    "preprocess_image": "preprocess",
    "read_checkpoint": "weights.checkpoint",
    "save_weights": "weights.saving",
}

__all__ = [
    "Checkpoint",
    "Complexity",
    "MobileViT",
    "Preprocessing",
    "WeightsReport",
    "complexity",
    "count_macs",
    "create_model",
    "list_models",
    "load_image",
    "load_model",
    "load_weights",
    "preprocess_image",
    "read_checkpoint",
    "save_weights",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
