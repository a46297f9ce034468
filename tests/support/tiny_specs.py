"""To be imported in a child process, whose ``mobilevit_xxs`` is then a tiny network."""

from __future__ import annotations

from tests.support.networks import tiny_instead

tiny_instead(setattr)
