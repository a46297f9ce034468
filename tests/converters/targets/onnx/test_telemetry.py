"""ONNX Runtime's official builds report what they run unless they are told not to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_NAME = "ORT_DISABLE_TELEMETRY"


@pytest.mark.parametrize(("given", "seen"), [(None, "1"), ("0", "0")])
def test_the_runtime_reports_nothing_unless_it_is_asked_for(given: str | None, seen: str) -> None:
    """From Python as from the commands, and before the runtime is imported."""
    code = (
        "import os, sys; import converters.targets.onnx; assert 'onnxruntime' not in sys.modules; "
        f"print(os.environ[{_NAME!r}])"
    )
    environment = {name: value for name, value in os.environ.items() if name != _NAME}
    if given is not None:
        environment[_NAME] = given
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [seen]
