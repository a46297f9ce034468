"""The graph contract: what a converted graph must hold and must not, judged on the file as written.

Each target reads its file back into a :class:`Graph`; the rules are the same for all and are
judged here. A broken rule names the operator, the module it came from and the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from converters.export.options import ExportOptions
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.bundle import Audit, OperatorCount
from mobilevit_edge.specs import PATCH, ModelSpec

MAX_RANK: Final = 5
FLAT_RANK: Final = 4
FLAT_LAYOUTS: Final = frozenset({"phase_layout"})
"""Rewrites that leave no tensor above rank 4."""
MIN_DELEGATED_SHARE: Final = 0.99

_STRIDES: Final = (8, 16, 32)
"""Of the maps that MobileViT blocks see."""
_ATTENTION: Final = "attention"


@dataclass(frozen=True)
class Operator:
    """One operator of a file, in the target's own words.

    ``module`` is the dotted path of the module it came from, empty where the file does not say.
    ``rank`` is the largest of its outputs, 0 where unknown. ``macs`` counts products, for operators
    outside a delegate.
    """

    kind: str
    module: str
    rank: int = 0
    delegated: bool = True
    macs: int = 0


@dataclass(frozen=True)
class Graph:
    """A file's operators, and the words its target has for what the rules speak of.

    ``symbols`` are the dynamic dimensions. ``delegates`` is ``None`` for targets without any.
    """

    operators: tuple[Operator, ...]
    products: frozenset[str]
    gathers: frozenset[str]
    resizes: frozenset[str]
    symbols: frozenset[str] = frozenset()
    delegates: int | None = None
    allowed_outside: frozenset[str] = frozenset()


def check_contract(
    graph: Graph,
    spec: ModelSpec,
    image_sizes: Collection[tuple[int, int]],
    options: ExportOptions,
    rewrites: Collection[str],
    macs: int,
    kept_in_float: Collection[str] = (),
) -> Audit:
    """Judge a graph.

    Raises:
        ConversionError: a rule is broken; the message lists every violation.
    """
    violations = [
        *_attention_is_elementwise(graph, spec),
        *_nothing_gathers(graph),
        *_rank_is_bounded(graph, _largest_rank(options, rewrites)),
        *_no_needless_resize(graph, image_sizes),
        *_shapes_are_fixed(graph, options),
        *_work_is_delegated(graph, options, macs, len(kept_in_float)),
    ]
    if violations:
        listed = "\n".join(f"  {violation}" for violation in violations[:10])
        more = f"\n  ... and {len(violations) - 10} more" if len(violations) > 10 else ""
        missing = ", ".join(sorted(options.without))
        cause = f" without the rewrites {missing}; leave out --no-rewrite" if missing else ""
        raise ConversionError(f"the converted graph breaks its contract{cause}:\n{listed}{more}")
    counts = Counter(operator.kind for operator in graph.operators)
    outside = Counter(o.kind for o in graph.operators if not o.delegated)
    return Audit(
        operators=tuple(OperatorCount(kind, n) for kind, n in counts.most_common()),
        max_rank=max((1, *(operator.rank for operator in graph.operators))),
        delegates=graph.delegates,
        delegated_macs=None if graph.delegates is None else _delegated_share(graph, macs),
        not_delegated=tuple(OperatorCount(kind, n) for kind, n in outside.most_common()),
    )


def _describe(operator: Operator) -> str:
    return f"{operator.kind} in {operator.module}" if operator.module else operator.kind


def _attention_is_elementwise(graph: Graph, spec: ModelSpec) -> Iterator[str]:
    """Separable attention: convolutions, softmax, reductions and element-wise operators only."""
    blocks = [stage.block for stage in spec.stages if stage.block is not None]
    if any(block.attention != "separable" or block.layout != "maps" for block in blocks):
        return
    for operator in graph.operators:
        if operator.kind in graph.products:
            yield (
                f"{_describe(operator)}: separable attention must stay element-wise, "
                f"a matrix product of activations is what it avoids"
            )


def _nothing_gathers(graph: Graph) -> Iterator[str]:
    for operator in graph.operators:
        if operator.kind in graph.gathers:
            yield f"{_describe(operator)}: moves single elements, which no mobile runtime does fast"


def _largest_rank(options: ExportOptions, rewrites: Collection[str]) -> int:
    """The Neural Engine takes four axes; elsewhere it is a matter of the layout."""
    flat = options.target == "coreml" or FLAT_LAYOUTS & set(rewrites)
    return FLAT_RANK if flat else MAX_RANK


def _rank_is_bounded(graph: Graph, limit: int) -> Iterator[str]:
    for operator in graph.operators:
        if operator.rank > limit:
            yield f"{_describe(operator)}: rank {operator.rank}, at most {limit} is allowed"


def _no_needless_resize(graph: Graph, image_sizes: Collection[tuple[int, int]]) -> Iterator[str]:
    """Maps that the patch divides need no resizing."""
    # A convolution of stride 2 rounds up, so the map at stride s has ceil(size / s) pixels.
    sides = {side for size in image_sizes for side in size}
    if any(-(-side // stride) % PATCH for side in sides for stride in _STRIDES):
        return
    for operator in graph.operators:
        if operator.kind in graph.resizes:
            shown = ", ".join(f"{height}x{width}" for height, width in image_sizes)
            yield f"{_describe(operator)}: the patch divides every map at {shown}"


def _shapes_are_fixed(graph: Graph, options: ExportOptions) -> Iterator[str]:
    allowed = {"batch"} if options.batch is None else set()
    for symbol in sorted(graph.symbols):
        # A symbol may be an expression, such as 2*batch.
        if set(re.findall("[A-Za-z_][A-Za-z_0-9]*", symbol)) - allowed:
            yield f"dynamic dimension {symbol!r}: nobody asked for it"


def _delegated_share(graph: Graph, macs: int) -> float:
    outside = sum(operator.macs for operator in graph.operators if not operator.delegated)
    return max(0.0, 1 - outside / macs)


def _work_is_delegated(graph: Graph, options: ExportOptions, macs: int, kept: int) -> Iterator[str]:
    if graph.delegates is None:
        return
    allowed = 1
    if options.precision == "fp16":
        # Conversions between fp16 and fp32 are not delegated: around the softmax of the logits, and
        # around each part that stays in fp32.
        allowed += options.softmax + 2 * kept
    if not 1 <= graph.delegates <= allowed:
        yield f"{graph.delegates} delegates: every border costs a copy, {allowed} would do"
    for operator in graph.operators:
        if not operator.delegated and operator.kind not in graph.allowed_outside:
            yield f"{_describe(operator)}: runs outside the delegate"
    share = _delegated_share(graph, macs)
    if share < MIN_DELEGATED_SHARE:
        yield f"{share:.1%} of the multiply-adds are delegated, at least 99 % must be"
