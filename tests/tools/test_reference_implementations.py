"""transformers' models with our weights give our logits."""

from __future__ import annotations

import pytest
import torch

from benchmarks.workloads.artifacts import random_network
from mobilevit_edge.models.network import create_model
from tools.studies.reference_implementations import transformers_implementation


@pytest.mark.parametrize(
    "name", ["mobilevit_xxs", "mobilevit_s", "mobilevitv2_050", "deeplabv3_mobilevit_xxs"]
)
@torch.inference_mode()
def test_transformers_computes_the_same_logits(name: str) -> None:
    model = random_network(name)
    theirs = transformers_implementation(model)
    assert theirs is not None
    image = torch.rand(1, 3, 64, 64)
    expected = model(image)
    assert expected.std() > 0.01
    torch.testing.assert_close(theirs(image), expected, rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_transformers_leaves_out_dilations_of_the_second_generation() -> None:
    """The same weights fit, and say something else."""
    model = random_network("deeplabv3_mobilevitv2_050")
    theirs = transformers_implementation(model)
    assert theirs is not None
    image = torch.rand(1, 3, 64, 64)
    expected = model(image)
    assert theirs(image).shape == expected.shape
    assert (theirs(image) - expected).abs().max() > 0.1 * expected.std()


@pytest.mark.parametrize("name", ["mobilevitv3_050", "ssdlite_mobilevit_xxs"])
def test_transformers_has_neither_the_third_generation_nor_other_heads(name: str) -> None:
    assert transformers_implementation(create_model(name)) is None
