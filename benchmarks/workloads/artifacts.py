"""Networks with random weights and files of them, for whatever is measured beside our bundles."""

from __future__ import annotations

import torch

from converters.job.options import ExportOptions
from converters.job.precisions import Precision
from converters.job.source import calibrate_batch_norm_statistics
from converters.rewrites import select_rewrites
from converters.rewrites.base import Context, apply_rewrites
from converters.targets.base import get_target
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.head_specs import OutputStride
from mobilevit_edge.models.network import MobileViT, create_model
from mobilevit_edge.specs import split_name


def random_network(name: str, output_stride: OutputStride | None = None) -> MobileViT:
    """A reference model with random weights, the same ones every time.

    ``output_stride`` is that of a head for masks, ``None`` for its default.
    """
    torch.manual_seed(0)
    if output_stride is None:
        network = create_model(name)
    else:
        head, backbone = split_name(name)
        network = create_model(backbone, head=head, output_stride=output_stride)
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
