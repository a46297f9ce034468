"""coremltools is imported and used with less work, and is as before afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import Any, Final

import pytest

from converters.targets.coreml.library import import_coremltools, quick_conversion

pytestmark = pytest.mark.backend

IMPORTING: Final = """
import sys
from converters.targets.coreml.library import import_coremltools
import_coremltools()
libraries = "executorch", "sklearn", "transformers"
print([name for name in libraries if name in sys.modules])
import sklearn
print(sklearn.__name__)
"""


def test_libraries_that_are_not_needed_are_imported_later() -> None:
    command = [sys.executable, "-c", IMPORTING]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["[]", "sklearn"]


def test_a_program_is_checked_when_it_is_final() -> None:
    import_coremltools()
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.mil import Program

    @Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 2))])  # type: ignore[untyped-decorator]
    def program(x: Any) -> Any:
        return Builder.relu(x=x)

    # An operator that reads what no longer comes before it.
    operations = program.functions["main"].operations
    operations[-1]._input_vars["x"] = operations[-1].outputs[0]
    validate, frozen = Program.validate, gc.get_freeze_count()
    with quick_conversion():
        assert gc.get_freeze_count() > frozen
        program.validate()
        with pytest.raises(ValueError, match="not visible in the block"):
            program.validate(check_essential_scope=True)
    assert Program.validate is validate
    assert gc.get_freeze_count() == 0
