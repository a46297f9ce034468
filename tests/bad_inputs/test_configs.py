"""Configs beside weights whose numbers no computer's number holds."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.weights.naming import Naming
from tests.support.bad_inputs import BadField, bad_numbers
from tests.weights.test_provenance import APPLE, IMAGENET, OWN, of

Node = dict[str, Any]

PLACES: Final[dict[str, tuple[Naming, Node]]] = {
    "processor": ("transformers", {**APPLE, **IMAGENET}),
    "processor of numbers": (
        "transformers",
        {"size": 288, "crop_size": 256, "do_normalize": True, "image_mean": 0.5, "image_std": 0.5},
    ),
    "timm": ("timm", {"crop_pct": 0.9, "input_size": ["any", 256, 256], "mean": 0.5, "std": 0.5}),
    "our own": ("cvnets", {"preprocessing": OWN}),
}
CASES = [(place, field) for place, (_, good) in PLACES.items() for field in bad_numbers(good)]


def read(place: str, config: Node) -> object:
    """The preprocessing in a config of this kind."""
    naming, _ = PLACES[place]
    if naming == "transformers":
        return of(naming, processor=config)
    return of(naming, config=config)


@pytest.mark.parametrize("place", PLACES)
def test_the_configs_that_are_spoiled_below_are_good(place: str) -> None:
    read(place, PLACES[place][1])


@pytest.mark.parametrize(("place", "field"), CASES, ids=str)
def test_a_number_beyond_all_measure(place: str, field: BadField) -> None:
    config = json.loads(field.text(PLACES[place][1]))
    with pytest.raises(CheckpointError, match="preprocessing config cannot be understood") as found:
        read(place, config)
    assert len(str(found.value)) < 2000
