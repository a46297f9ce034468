"""coremltools, imported without scikit-learn: a quarter of the time that its import takes.

It converts scikit-learn's models too and imports all of it at once, where it is installed; for this
package scikit-learn clusters weights alone, and is imported then.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from converters.quiet import quiet

_NOT_NEEDED: Final = "sklearn"


def import_coremltools() -> Any:
    """The package, which prints while it is imported.

    Raises:
        ImportError: it is not installed.
    """
    hidden = _NOT_NEEDED not in sys.modules
    if hidden:
        # What stands there as None cannot be imported.
        sys.modules[_NOT_NEEDED] = None  # type: ignore[assignment]
    try:
        with quiet():
            import coremltools
    finally:
        if hidden:
            del sys.modules[_NOT_NEEDED]
    return coremltools
