"""transformers' models with our weights give our logits."""

from __future__ import annotations

import pytest
import torch

from benchmarks.workloads.artifacts import random_network
from mobilevit_edge.models.network import create_model
from tools.studies.reference_implementations import transformers_implementation


@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevit_s", "mobilevitv2_050"])
@torch.inference_mode()
def test_transformers_computes_the_same_logits(name: str) -> None:
    model = random_network(name)
    theirs = transformers_implementation(model)
    assert theirs is not None
    image = torch.rand(1, 3, 64, 64)
    expected = model(image)
    assert expected.std() > 0.01
    torch.testing.assert_close(theirs(image), expected, rtol=1e-3, atol=1e-4)


def test_transformers_has_no_third_generation() -> None:
    assert transformers_implementation(create_model("mobilevitv3_050")) is None
