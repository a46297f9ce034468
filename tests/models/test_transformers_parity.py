"""Live parity with transformers' own models, whose random weights load without a file."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import mobilevit_edge as me
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import CONFORMANCE, random_images

transformers = pytest.importorskip("transformers", reason="transformers is a development package")

CLASSES = 10
CLASS_OF = {
    "mobilevit_xxs": "MobileViTForImageClassification",
    "mobilevitv2_050": "MobileViTV2ForImageClassification",
}


def their_model(name: str) -> Any:
    """Transformers' model with random weights and batch statistics."""
    class_ = getattr(transformers, CLASS_OF[name])
    recorded = json.loads((CONFORMANCE / "keys" / f"hf__{name}.json").read_text())["config"]
    settings = {key: value for key, value in recorded.items() if key != "num_labels"}
    model = class_(class_.config_class(**settings, num_labels=CLASSES)).eval()
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if key.endswith("running_var") or (key.endswith("weight") and tensor.ndim == 1):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=random))
            elif tensor.ndim > 1:
                scale = (1.5 / tensor[0].numel()) ** 0.5
                tensor.copy_(scale * torch.randn(tensor.shape, generator=random))
            elif tensor.is_floating_point():
                tensor.copy_(0.1 * torch.randn(tensor.shape, generator=random))
    return model


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("mobilevit_xxs", (64, 64)),
        ("mobilevit_xxs", (96, 96)),
        ("mobilevit_xxs", (160, 96)),
        # V2 only where every map is even: on an odd one transformers' V2 leaves out the last row
        # and column, while CVNets, whose weights these are, resizes the map.
        ("mobilevitv2_050", (64, 64)),
        ("mobilevitv2_050", (64, 128)),
    ],
)
@torch.inference_mode()
def test_a_transformers_model_gives_the_same_logits_here(name: str, size: tuple[int, int]) -> None:
    theirs = their_model(name)
    ours = me.create_model(name, num_classes=CLASSES)
    report = me.load_weights(ours, theirs.state_dict())
    assert (report.naming, report.ignored) == ("transformers", ())
    assert report.loaded == len(theirs.state_dict())
    x = random_images(2, *size)
    expected = theirs(pixel_values=x).logits
    assert (expected[0] - expected[1]).abs().max() > 1e-2, "the images must matter"
    relative = (ours(x) - expected).abs().max() / expected.abs().max()
    assert relative < 1e-5


@pytest.mark.parametrize("name", CLASS_OF)
@torch.inference_mode()
def test_transformers_reads_what_is_saved_for_it(name: str) -> None:
    theirs, source = their_model(name), their_model(name)
    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            tensor.zero_()
    ours = me.create_model(name, num_classes=CLASSES)
    me.load_weights(ours, source.state_dict())
    theirs.load_state_dict(named_weights(ours, "transformers"), strict=True)
    expected = source.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in theirs.state_dict().items())


@pytest.mark.parametrize("name", CLASS_OF)
@torch.inference_mode()
def test_the_bare_backbone_of_transformers_loads_without_a_classifier(name: str) -> None:
    theirs = their_model(name)
    base = theirs.base_model
    ours = me.load_model(base.state_dict())
    assert ours.spec.name == name
    assert ours.num_classes == 0
    x = random_images(1, 128, 128)
    expected = base(pixel_values=x).pooler_output
    torch.testing.assert_close(ours(x), expected, rtol=1e-4, atol=1e-5)
