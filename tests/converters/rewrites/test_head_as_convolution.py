"""The classifier as a 1x1 convolution."""

from __future__ import annotations

from hypothesis import given
from torch import Tensor, nn

from converters.rewrites.head_as_convolution import ConvHead
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    LINES,
    assert_exact,
    assert_refused,
    batches_of_images,
    chain,
    count,
    few,
    macs,
    noise,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "head_as_convolution"


@few
@given(small_specs(*LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


def test_the_pooled_features_stay_a_map_and_the_cost_stays() -> None:
    model = small_model(small_spec("mobilevitv2_050"))
    changed, outcome = rewritten(model, chain(NAME))
    assert outcome.sites == 1
    assert isinstance(changed.head, ConvHead)
    assert count(changed, nn.Linear) == 0
    x = noise(2, 3, 64, 64)
    assert changed.pool(changed.forward_features(x)).shape == (2, 10, 1, 1)
    assert changed(x).shape == (2, 5)
    assert macs(changed, x) == macs(model, x)


def test_a_model_without_classifier_is_refused() -> None:
    model = small_model(small_spec("mobilevit_xxs"), num_classes=0)
    assert_refused(model, NAME, "no classifier")
