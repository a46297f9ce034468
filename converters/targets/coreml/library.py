"""coremltools, without the work in it that serves nobody here."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from converters.quiet import quiet

_NOT_NEEDED: Final = ("executorch", "sklearn", "transformers")


def import_coremltools() -> Any:
    """The package, which prints while it is imported, in half the time.

    It imports all of other libraries that it can convert models of, where they are installed. For
    this package scikit-learn clusters weights alone, and is imported then.

    Raises:
        ImportError: it is not installed.
    """
    hidden = [name for name in _NOT_NEEDED if name not in sys.modules]
    # What stands there as None cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        with quiet():
            import coremltools
    finally:
        for name in hidden:
            del sys.modules[name]
    return coremltools


@contextmanager
def quick_conversion() -> Iterator[None]:
    """Convert in three quarters of the time; the program is the same.

    coremltools checks the program after each of some hundred passes, and again where it is made,
    where operators without a use are dropped, and before it is written: the latter remain. At its
    end it looks for garbage among all of the process's objects: those from before are left out.
    """
    from coremltools.converters.mil.mil import Program

    checked: Any = Program
    validate = checked.validate

    def validate_when_final(self: Any, check_essential_scope: bool = False) -> None:
        if check_essential_scope:
            validate(self, check_essential_scope=True)

    checked.validate = validate_when_final
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        checked.validate = validate
