"""Networks with random weights and files of them, for whatever is measured beside our bundles."""

from __future__ import annotations

import torch

from converters.job.options import ExportOptions
from converters.job.precisions import Precision
from converters.job.source import calibrate_batch_norm_statistics
from converters.rewrites import select_rewrites
from converters.rewrites.base import Context, apply_rewrites
from converters.targets.base import get_target
from mobilevit_edge.formats.bundle import TargetName
from mobilevit_edge.models.network import MobileViT, create_model


def random_network(name: str) -> MobileViT:
    """A reference model with random weights, the same ones every time."""
    torch.manual_seed(0)
    network = create_model(name)
    # Activations that fade from layer to layer become denormal numbers, which are slow.
    calibrate_batch_norm_statistics(network)
    return network.requires_grad_(False)


def rewrite(
    network: MobileViT,
    target: TargetName,
    image_size: tuple[int, int],
    precision: Precision = "fp32",
) -> None:
    """Apply the rewrites of an export, in place."""
    options = ExportOptions(weights="random", target=target, precision=precision)
    names = get_target(target).rewrites(network.spec, options)
    apply_rewrites(network, select_rewrites(names, ()), Context(image_size))
