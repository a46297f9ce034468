"""The classifier as a 1x1 convolution."""

from __future__ import annotations

from torch import nn

from converters.rewrites.head_as_convolution import ConvHead
from tests.support.rewrites import assert_refused, count, macs, noise, rewritten, small_model

NAME = "head_as_convolution"


def test_the_pooled_features_stay_a_map_and_the_cost_stays() -> None:
    model = small_model("v2")
    changed, outcome = rewritten(model, NAME)
    assert outcome.sites == 1
    assert isinstance(changed.head, ConvHead)
    assert count(changed, nn.Linear) == 0
    x = noise(2, 3, 64, 64)
    assert changed.pool(changed.forward_features(x)).shape == (2, 10, 1, 1)
    assert changed(x).shape == (2, 5)
    assert macs(changed, x) == macs(model, x)


def test_a_model_without_classifier_is_refused() -> None:
    assert_refused(small_model("v1", num_classes=0), NAME, "no classifier")
