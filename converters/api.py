"""The package's functions for Python: as short as the commands, through the same steps."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from converters.job.options import ExportOptions
from mobilevit_edge.formats.bundle import Bundle, read_bundle

if TYPE_CHECKING:
    from converters.classifier import Prediction
    from converters.explanation import Explanation

P = ParamSpec("P")
T = TypeVar("T")


def _with_options_of(
    options: Callable[P, ExportOptions],
) -> Callable[[Callable[[ExportOptions], T]], Callable[P, T]]:
    """Let a function of options be called with what :class:`ExportOptions` is made of."""

    def decorate(function: Callable[[ExportOptions], T]) -> Callable[P, T]:
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return function(options(*args, **kwargs))

        # help() shows what the options are made of.
        signature = inspect.signature(options)
        result = function.__annotations__["return"]
        functools.update_wrapper(call, function)
        setattr(call, "__signature__", signature.replace(return_annotation=result))  # noqa: B010
        return call

    return decorate


@_with_options_of(ExportOptions)
def export(options: ExportOptions) -> Bundle:
    """Export a checkpoint to a verified bundle, as ``mobilevit-export`` does.

    Takes what :class:`ExportOptions` takes:
    ``export("checkpoint.pt", target="onnx", precision="fp16", output="bundle")``.

    Returns:
        the bundle as it was written: ``path``, ``manifest``, ``labels``.

    Raises:
        MobileViTEdgeError: see the subclasses; nothing is left behind.
    """
    from converters.bundling.pipeline import export_bundle

    return read_bundle(export_bundle(options).path)


@_with_options_of(ExportOptions)
def explain(options: ExportOptions) -> Explanation:
    """What each rewrite of an export changes, as ``mobilevit-export --explain`` shows it.

    Takes what :class:`ExportOptions` takes.

    Raises:
        MobileViTEdgeError: the checkpoint cannot be read, or options contradict each other.
    """
    from converters.explanation import explain as explain_options

    return explain_options(options)


def predict(
    bundle: Bundle | str | PathLike[str],
    images: Sequence[str | PathLike[str]],
    *,
    top_k: int = 5,
) -> list[Prediction]:
    """Classify image files with a bundle, as ``mobilevit-predict`` does.

    Args:
        bundle: of :func:`export`, or its folder.
        images: files.
        top_k: how many classes of each, best first.

    Raises:
        BundleError: not a bundle, or a damaged one.
        ImageError: an image cannot be read.
        VerificationError: the bundle fails its self-test on this machine.
    """
    from converters.classifier import Classifier

    opened = bundle if isinstance(bundle, Bundle) else read_bundle(Path(bundle))
    answers = Classifier(opened).classify([Path(image) for image in images], top_k)
    answers.require_all()
    return list(answers.predictions)
