"""The model of a bundle, opened by its target."""

from __future__ import annotations

from converters.targets.base import get_target, target_to_run
from converters.targets.loaded import LoadedModel
from mobilevit_edge.errors import BundleError, ConversionError, UsageError
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.temporary import require_temporary_folder


def load_bundle_model(bundle: Bundle) -> LoadedModel:
    """The model of a bundle, ready to run.

    Raises:
        UsageError: it was lowered for a delegate that runs only on devices.
        MissingPackageError: its runtime is not installed.
        BundleError: the runtime cannot load it, or it takes something else than its manifest says.
        OutputError: the runtime needs a folder for temporary files, and there is none.
    """
    manifest = bundle.manifest
    if manifest.verification is None:
        raise UsageError(
            f"{bundle.path} was lowered for {manifest.backend}, which runs only on devices; "
            f"export it with --backend xnnpack to run it here"
        )
    expected = get_target(manifest.target).info.model_file
    if bundle.model_path.name != expected:
        raise BundleError(f"{bundle.path}: a model for {manifest.target} is called {expected}")
    target = target_to_run(manifest.target)
    if target.info.needs_temporary_folder:
        require_temporary_folder()
    try:
        loaded = target.load(bundle.model_path)
    except ConversionError as error:
        raise BundleError(f"{bundle.path}: its model cannot be loaded: {error}") from error
    if not loaded.fits(manifest.input.shape):
        raise BundleError(
            f"{bundle.path}: its manifest does not fit its model, which takes {loaded.takes}; "
            f"export it again"
        )
    return loaded
