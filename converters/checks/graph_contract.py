"""The graph contract: what a converted graph must hold and must not, judged on the file as written.

Each target reads its file back into a :class:`~converters.targets.graph.Graph`; the rules are the
same for all and are judged here. A broken rule names the operator, the module it came from and the
reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from converters.job.job import ExportJob
from converters.targets.graph import BATCH, SIDES, SUPPRESSION, UNKNOWN, Graph, Operator
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.manifest import Audit, OperatorCount
from mobilevit_edge.specs import PATCH, ModelSpec

MIN_DELEGATED_SHARE: Final = 0.99
_MAX_SHOWN: Final = 10
_RESIZES_A_BLOCK: Final = 2
_RESIZES_A_MASK: Final = 2
"""For images whose sides are no multiples of the output stride; one for all others."""
_AS_THEY_ARE: Final = (None, "logits", "raw")
_NOT_RESIZED: Final = (None, "logits", "raw", "decoded", "nms")
_FUNCTIONS: Final = frozenset({"Mod", "Min", "Max"})
"""That may stand in the expression of a dynamic dimension."""


@dataclass(frozen=True)
class GraphContract:
    """What the graph of one export must keep to.

    Attributes:
        spec: the architecture.
        image_sizes: (height, width) of the images that the artifact takes.
        max_rank: axes that a tensor may have.
        dynamic_batch: whether the batch may stay open.
        dynamic_size: whether the image size may.
        macs: multiply-adds of one call.
        max_delegates: delegates that may share the work, where there are any.
        no_rewrite: rewrites that the user has switched off.
        operators: the only ones that may appear, where a unit does not take every one; such a unit
            multiplies matrices fast, so products of activations are allowed if named.
        answer_resizes: resizes that make a mask of the image's size.
    """

    spec: ModelSpec
    image_sizes: tuple[tuple[int, int], ...]
    max_rank: int
    dynamic_batch: bool
    macs: int
    max_delegates: int
    no_rewrite: tuple[str, ...] = ()
    dynamic_size: bool = False
    operators: frozenset[str] | None = None
    answer_resizes: int = 0

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the maps that MobileViT blocks see."""
        stages = zip(self.spec.stages, self.spec.strides, strict=True)
        return tuple(stride for stage, stride in stages if stage.block is not None)


def contract_for(
    job: ExportJob,
    *,
    max_rank: int,
    macs: int,
    fp32_parts: Collection[str],
    operators: frozenset[str] | None = None,
) -> GraphContract:
    """The contract of an export.

    Args:
        job: the export.
        max_rank: what its target allows in this layout.
        macs: multiply-adds of one image.
        fp32_parts: parts that stay in fp32.
        operators: the only ones that may appear; ``None`` for any.
    """
    options = job.options
    max_delegates = 1
    if options.precision == "fp16":
        # Conversions between fp16 and fp32 are not delegated: before what is made of the logits,
        # and around each part that stays in fp32.
        made_of = job.activation != "none" or job.answer not in _AS_THEY_ARE
        max_delegates += made_of + 2 * len(fp32_parts)
    return GraphContract(
        spec=job.source.spec,
        image_sizes=(job.source.image_size, *job.other_sizes),
        max_rank=max_rank,
        dynamic_batch=options.batch is None,
        macs=macs * (options.batch or 1),
        max_delegates=max_delegates,
        no_rewrite=tuple(options.no_rewrite),
        dynamic_size=options.dynamic_size,
        operators=operators,
        answer_resizes=0 if job.answer in _NOT_RESIZED else _RESIZES_A_MASK,
    )


def check_contract(graph: Graph, contract: GraphContract) -> Audit:
    """Judge a graph.

    Raises:
        ConversionError: a rule is broken; the message lists every violation.
    """
    violations = [
        *_operators_are_allowed(graph, contract.operators),
        *_attention_is_elementwise(graph, contract),
        *_nothing_gathers(graph),
        *_rank_is_bounded(graph, contract.max_rank),
        *_no_needless_resize(graph, contract),
        *_shapes_are_fixed(graph, contract),
        *_work_is_delegated(graph, contract),
    ]
    if violations:
        listed = "\n".join(f"  {violation}" for violation in violations[:_MAX_SHOWN])
        rest = len(violations) - _MAX_SHOWN
        more = f"\n  ... and {rest} more" if rest > 0 else ""
        missing = ", ".join(sorted(contract.no_rewrite))
        cause = f" without the rewrites {missing}; leave out --no-rewrite" if missing else ""
        raise ConversionError(f"the converted graph breaks its contract{cause}:\n{listed}{more}")
    counts = Counter(operator.kind for operator in graph.operators)
    outside = Counter(o.kind for o in graph.operators if not o.delegated)
    return Audit(
        operators=tuple(OperatorCount(kind, n) for kind, n in counts.most_common()),
        max_rank=max((1, *(operator.rank for operator in graph.operators))),
        delegates=graph.delegates,
        delegated_macs=None if graph.delegates is None else _delegated_share(graph, contract.macs),
        not_delegated=tuple(OperatorCount(kind, n) for kind, n in outside.most_common()),
    )


def _describe(operator: Operator) -> str:
    return f"{operator.kind} in {operator.module}" if operator.module else operator.kind


def _operators_are_allowed(graph: Graph, allowed: frozenset[str] | None) -> Iterator[str]:
    for operator in graph.operators:
        if allowed is not None and operator.kind not in allowed:
            yield f"{_describe(operator)}: not among the operators that the unit takes"


def _attention_is_elementwise(graph: Graph, contract: GraphContract) -> Iterator[str]:
    """Separable attention: convolutions, softmax, reductions and element-wise operators only."""
    blocks = [stage.block for stage in contract.spec.stages if stage.block is not None]
    if contract.operators is not None or any(
        block.attention != "separable" or block.layout != "maps" for block in blocks
    ):
        return
    for operator in graph.operators:
        # A head multiplies by constants alone.
        if operator.kind in graph.products and not _is_in_head(operator):
            yield (
                f"{_describe(operator)}: separable attention must stay element-wise, "
                f"a matrix product of activations is what it avoids"
            )


def _is_in_head(operator: Operator) -> bool:
    return operator.module == "head" or operator.module.startswith("head.")


def _nothing_gathers(graph: Graph) -> Iterator[str]:
    for operator in graph.operators:
        if operator.kind in graph.gathers and operator.module != SUPPRESSION:
            yield f"{_describe(operator)}: moves single elements, which no mobile runtime does fast"


def _rank_is_bounded(graph: Graph, limit: int) -> Iterator[str]:
    for operator in graph.operators:
        if operator.rank > limit:
            yield f"{_describe(operator)}: rank {operator.rank}, at most {limit} is allowed"


def _no_needless_resize(graph: Graph, contract: GraphContract) -> Iterator[str]:
    """Maps that the patch divides need no resizing.

    Where any size may come, each block resizes on its way in and on its way out, and nothing else
    does.
    """
    resizes = [operator for operator in graph.operators if operator.kind in graph.resizes]
    if contract.dynamic_size:
        counts = Counter(_block_of(operator) for operator in resizes)
        for block, count in counts.items():
            if block is None or count > _RESIZES_A_BLOCK:
                where = "outside of every block" if block is None else f"in {block}"
                yield f"{count} resizes {where}: a block needs {_RESIZES_A_BLOCK} for any size"
        return
    # A convolution of stride 2 rounds up, so the map at stride s has ceil(size / s) pixels.
    sides = {side for size in contract.image_sizes for side in size}
    if any(-(-side // stride) % PATCH for side in sides for stride in contract.strides):
        return
    for operator in resizes[contract.answer_resizes :]:
        shown = ", ".join(f"{height}x{width}" for height, width in contract.image_sizes)
        yield f"{_describe(operator)}: the patch divides every map at {shown}"


def _block_of(operator: Operator) -> str | None:
    """The block, or inverted residual, that an operator is in: ``layer3.1``."""
    found = re.match(r"layer[0-9]+\.[0-9]+", operator.module)
    return found.group() if found else None


def _shapes_are_fixed(graph: Graph, contract: GraphContract) -> Iterator[str]:
    allowed = {BATCH} if contract.dynamic_batch else set()
    if contract.dynamic_size:
        allowed |= set(SIDES)
    for symbol in sorted(graph.symbols):
        # What is resized for any size has a size that inference cannot follow.
        if symbol == UNKNOWN:
            if not contract.dynamic_size:
                yield "a dimension that does not follow from the input's: nobody asked for it"
            continue
        # A symbol may be an expression, such as 2*batch.
        if set(re.findall("[A-Za-z_][A-Za-z_0-9]*", symbol)) - allowed - _FUNCTIONS:
            yield f"dynamic dimension {symbol!r}: nobody asked for it"


def _delegated_share(graph: Graph, macs: int) -> float:
    outside = sum(operator.macs for operator in graph.operators if not operator.delegated)
    return max(0.0, 1 - outside / macs)


def _work_is_delegated(graph: Graph, contract: GraphContract) -> Iterator[str]:
    if graph.delegates is None:
        return
    # What is resized outside has parts of the delegate on both of its sides.
    apart = [o for o in graph.operators if not o.delegated and o.kind in graph.resizes]
    allowed = contract.max_delegates + len(apart)
    if not 1 <= graph.delegates <= allowed:
        yield f"{graph.delegates} delegates: every border costs a copy, {allowed} would do"
    for operator in graph.operators:
        if not operator.delegated and operator.kind not in graph.allowed_outside:
            yield f"{_describe(operator)}: runs outside the delegate"
    share = _delegated_share(graph, contract.macs)
    if share < MIN_DELEGATED_SHARE:
        yield f"{share:.1%} of the multiply-adds are delegated, at least 99 % must be"
