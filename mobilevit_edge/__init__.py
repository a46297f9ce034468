"""mobilevit-edge: MobileViT V1, V2 and V3 on a phone, exact, fast and verified.

The names below are the public interface; they are imported on first use, so that
``import mobilevit_edge`` itself loads neither torch nor any backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mobilevit_edge.lazy import lazy_names

if TYPE_CHECKING:
    from converters.api import explain, export, predict
    from converters.classifier import Prediction
    from converters.explanation import Explanation
    from converters.job.options import ExportOptions
    from mobilevit_edge.counting import Complexity, complexity, count_macs
    from mobilevit_edge.errors import MobileViTEdgeError
    from mobilevit_edge.formats.bundle import Bundle, read_bundle
    from mobilevit_edge.input_contract import InputContract
    from mobilevit_edge.models.network import MobileViT, create_model, list_models
    from mobilevit_edge.preprocess import Preprocessing, load_image, preprocess_image
    from mobilevit_edge.weights.checkpoint import Checkpoint, read_checkpoint
    from mobilevit_edge.weights.loading import (
        WeightsReport,
        load_backbone,
        load_model,
        load_weights,
    )
    from mobilevit_edge.weights.saving import save_weights

__version__ = "0.2.0"

_LAZY_MODULES: Final = {
    "Bundle": "mobilevit_edge.formats.bundle",
    "Checkpoint": "mobilevit_edge.weights.checkpoint",
    "Complexity": "mobilevit_edge.counting",
    "Explanation": "converters",
    "ExportOptions": "converters",
    "InputContract": "mobilevit_edge.input_contract",
    "MobileViT": "mobilevit_edge.models.network",
    "MobileViTEdgeError": "mobilevit_edge.errors",
    "Prediction": "converters",
    "Preprocessing": "mobilevit_edge.preprocess",
    "WeightsReport": "mobilevit_edge.weights.loading",
    "complexity": "mobilevit_edge.counting",
    "count_macs": "mobilevit_edge.counting",
    "create_model": "mobilevit_edge.models.network",
    "explain": "converters",
    "export": "converters",
    "list_models": "mobilevit_edge.models.network",
    "load_backbone": "mobilevit_edge.weights.loading",
    "load_image": "mobilevit_edge.preprocess",
    "load_model": "mobilevit_edge.weights.loading",
    "load_weights": "mobilevit_edge.weights.loading",
    "predict": "converters",
    "preprocess_image": "mobilevit_edge.preprocess",
    "read_bundle": "mobilevit_edge.formats.bundle",
    "read_checkpoint": "mobilevit_edge.weights.checkpoint",
    "save_weights": "mobilevit_edge.weights.saving",
}
"""Where each public name is defined. The converters stand above the core, which names them only
here, so that the package has one address."""

__all__ = [
    "Bundle",
    "Checkpoint",
    "Complexity",
    "Explanation",
    "ExportOptions",
    "InputContract",
    "MobileViT",
    "MobileViTEdgeError",
    "Prediction",
    "Preprocessing",
    "WeightsReport",
    "complexity",
    "count_macs",
    "create_model",
    "explain",
    "export",
    "list_models",
    "load_backbone",
    "load_image",
    "load_model",
    "load_weights",
    "predict",
    "preprocess_image",
    "read_bundle",
    "read_checkpoint",
    "save_weights",
]


__getattr__, __dir__ = lazy_names(__name__, _LAZY_MODULES)
