"""To be imported in a child process, whose ``mobilevit_xxs`` is then a tiny network."""

from __future__ import annotations

from dataclasses import replace

from mobilevit_edge.models import network
from mobilevit_edge.specs import SPECS
from tests.support.networks import tiny_spec

network.SPECS = dict(SPECS, mobilevit_xxs=replace(tiny_spec("v1"), name="mobilevit_xxs"))  # type: ignore[attr-defined]
