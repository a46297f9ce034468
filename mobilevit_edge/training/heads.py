"""What a run trains: a classifier, or a backbone under a head for masks; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mobilevit_edge.errors import UsageError
from mobilevit_edge.head_specs import MaskSpec, OutputStride, SSDLiteSpec, default_head
from mobilevit_edge.specs import SPECS, ModelSpec, split_name, with_head

_WIDTHS = range(8, 2049)


@dataclass(frozen=True)
class HeadOptions:
    """What is set of a head for masks; ``None`` for what the authors have."""

    output_stride: OutputStride | None = None
    width: int | None = None


def mask_head(model: str, options: HeadOptions) -> MaskSpec | None:
    """The head that a model's name begins with; ``None`` for a classifier.

    Raises:
        UsageError: no such model, one that finds boxes, or options that it does not have.
    """
    name, backbone = split_name(model)
    if backbone not in SPECS:
        raise UsageError(
            f"unknown model {model!r}; choose one of: {', '.join(SPECS)}, for masks with "
            f"deeplabv3_ or pspnet_ before it"
        )
    if name is None:
        if options != HeadOptions():
            raise UsageError(
                "--output-stride and --head-width belong to models for masks, such as "
                f"deeplabv3_{backbone}"
            )
        return None
    on_tokens = SPECS[backbone].layout == "tokens"
    try:
        head = default_head(name, on_tokens=on_tokens, output_stride=options.output_stride)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if isinstance(head, SSDLiteSpec):
        raise UsageError(
            "heads for boxes are not trained here; train one with CVNets, and export its checkpoint"
        )
    if options.width is None:
        return head
    if options.width not in _WIDTHS:
        raise UsageError(
            f"--head-width {options.width} is out of range: {_WIDTHS[0]} to {_WIDTHS[-1]}"
        )
    return replace(head, width=options.width)


def trained_spec(model: str, head: MaskSpec | None) -> ModelSpec:
    """The architecture of a run."""
    backbone = SPECS[split_name(model)[1]]
    return backbone if head is None else with_head(backbone, head)
