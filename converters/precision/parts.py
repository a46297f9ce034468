"""The parts of a network by name, as users say which stay in float.

A name is the path of a stage or of a part in the model: ``stem``, ``layer2``, ``layer3.1`` (a
block), ``layer3.1.layers.0`` (a transformer layer of it), ``layer3.1.layers.0.attention``,
``pre_head``, ``head``. A name covers all below it. Rewrites keep these paths, so that they mean the
same for every target.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence

from converters.module_paths import NETWORK
from mobilevit_edge.errors import UsageError
from mobilevit_edge.models.blocks import MapTransformerLayer, TokenTransformerLayer
from mobilevit_edge.models.network import MobileViT

_SHOWN = 3


def part_names(model: MobileViT) -> tuple[str, ...]:
    """Every name that can be kept in float, in the order of the network.

    ``model`` may be the reference or a rewritten copy of it.
    """
    names = []
    for stage_name, stage in model.stages():
        names.append(stage_name)
        if stage_name == "stem":
            continue
        for index, part in stage.named_children():
            path = f"{stage_name}.{index}"
            names.append(path)
            for name, layer in part.named_modules():
                if isinstance(layer, MapTransformerLayer | TokenTransformerLayer):
                    names += [f"{path}.{name}", f"{path}.{name}.attention"]
    if model.spec.pre_head_channels is not None:
        names.append("pre_head")
    if next(model.head.parameters(), None) is not None:
        names.append("head")
    return tuple(names)


def block_parts(model: MobileViT) -> tuple[str, ...]:
    """The parts that together are the whole network: stem, blocks, pre-head, head."""
    return tuple(
        name
        for name in part_names(model)
        if name.count(".") == 1 or (name.count(".") == 0 and not name.startswith("layer"))
    )


def check_part_names(names: Sequence[str], model: MobileViT) -> None:
    """Refuse names that the model does not have.

    Raises:
        UsageError: it names the nearest ones that exist.
    """
    known = part_names(model)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=_SHOWN, cutoff=0.0)
            raise UsageError(f"the model has no part {name!r} to keep; near: {', '.join(near)}")


def part_filter(names: Collection[str]) -> Callable[[str], bool]:
    """Whether a module's path lies in one of these parts; a leading ``model.`` does not count."""

    def is_inside(path: str) -> bool:
        path = path.removeprefix(NETWORK)
        return any(path == name or path.startswith(f"{name}.") for name in names)

    return is_inside
