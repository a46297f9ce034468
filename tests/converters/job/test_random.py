"""Networks with random weights, which are exported to be measured."""

from __future__ import annotations

import torch

from converters.job.source import calibrate_batch_norm_statistics
from mobilevit_edge.models.network import create_model


def test_a_head_for_boxes_stays_in_range_at_its_own_size() -> None:
    """Statistics of maps of one pixel would make its boxes infinite in images that have more."""
    torch.manual_seed(0)
    model = create_model("ssdlite_mobilevit_xxs")
    calibrate_batch_norm_statistics(model)
    with torch.inference_mode():
        assert model(torch.rand(1, 3, 320, 320)).abs().max() < 10
