"""What the app's tests share with others."""

from __future__ import annotations

from tests.tools.conftest import vectors as vectors
