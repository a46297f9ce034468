"""The graph contract: every rule on graphs made by hand, then on files as written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from converters.checks.graph_contract import GraphContract, check_contract
from converters.precision.apply import PrecisionPlan
from converters.progress import no_progress
from converters.targets.base import MAX_RANK, get_target
from converters.targets.graph import Graph, Operator
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.manifest import Audit, OperatorCount
from mobilevit_edge.models.network import find_spec
from mobilevit_edge.specs import SPECS, ModelSpec, with_attention
from tests.support.exports import Bundles, Checkpoints
from tests.support.jobs import job_of, module_of

CONV = Operator("Conv", "stem.conv", rank=4)
GRAPH = Graph(
    operators=(CONV, Operator("Softmax", "layer3.1.layers.0.attention", rank=4)),
    products=frozenset({"MatMul"}),
    gathers=frozenset({"Gather"}),
    resizes=frozenset({"Resize"}),
)
DELEGATED = replace(GRAPH, delegates=1, allowed_outside=frozenset({"_to_copy"}))
V2 = SPECS["mobilevitv2_050"]
V1 = SPECS["mobilevit_xxs"]


def check(
    graph: Graph,
    *,
    spec: ModelSpec = V2,
    sizes: tuple[tuple[int, int], ...] = ((64, 64),),
    batch: int | None = 1,
    max_rank: int = MAX_RANK,
    no_rewrite: tuple[str, ...] = (),
    macs: int = 1000,
) -> Audit:
    contract = GraphContract(
        spec=spec,
        image_sizes=sizes,
        max_rank=max_rank,
        dynamic_batch=batch is None,
        macs=macs,
        max_delegates=1,
        no_rewrite=no_rewrite,
    )
    return check_contract(graph, contract)


def plus(graph: Graph, *operators: Operator) -> Graph:
    return replace(graph, operators=graph.operators + operators)


def violations(graph: Graph, **named: Any) -> list[str]:
    with pytest.raises(ConversionError, match="breaks its contract") as raised:
        check(graph, **named)
    return [line.strip() for line in str(raised.value).splitlines()[1:]]


def test_a_graph_that_keeps_every_rule_is_summed_up() -> None:
    graph = plus(GRAPH, CONV, Operator("Conv", "head", rank=2), Operator("Shape", "", rank=0))
    assert check(graph) == Audit(
        operators=(
            OperatorCount("Conv", 3),
            OperatorCount("Softmax", 1),
            OperatorCount("Shape", 1),
        ),
        max_rank=4,
        delegates=None,
        delegated_macs=None,
        not_delegated=(),
    )


# One rule after the other.


def test_a_product_of_activations_breaks_separable_attention() -> None:
    graph = plus(GRAPH, Operator("MatMul", "layer3.1.layers.0.attention", rank=3))
    (violation,) = violations(graph)
    assert violation.startswith("MatMul in layer3.1.layers.0.attention: separable attention")


@pytest.mark.parametrize(
    "spec", [V1, SPECS["mobilevitv3_s"], with_attention(V1, "separable")], ids=lambda s: s.name
)
def test_models_on_tokens_may_hold_products(spec: ModelSpec) -> None:
    assert check(plus(GRAPH, Operator("MatMul", "layer3.1", rank=3)), spec=spec).max_rank == 4


@pytest.mark.parametrize("spec", [V1, V2], ids=lambda s: s.name)
def test_a_gather_breaks_the_contract_of_every_model(spec: ModelSpec) -> None:
    (violation,) = violations(plus(GRAPH, Operator("Gather", "layer4.1.unfold")), spec=spec)
    assert violation.startswith("Gather in layer4.1.unfold: ")


@pytest.mark.parametrize(
    ("rank", "rewrites", "limit"),
    [(6, (), 5), (6, ("row_phases",), 5), (5, ("batch_norm_fold", "phase_layout"), 4)],
)
def test_a_rank_above_the_limit_breaks_the_contract(
    rank: int, rewrites: tuple[str, ...], limit: int
) -> None:
    fits, breaks = (Operator("Reshape", "layer3.1", rank=r) for r in (limit, rank))
    max_rank = get_target("executorch").max_rank(rewrites)
    assert check(plus(GRAPH, fits), max_rank=max_rank).max_rank == limit
    assert violations(plus(GRAPH, fits, breaks), max_rank=max_rank) == [
        f"Reshape in layer3.1: rank {rank}, at most {limit} is allowed"
    ]


@pytest.mark.parametrize("size", [(64, 64), (256, 192), (60, 64), (50, 50)], ids=str)
def test_resizing_breaks_the_contract_where_the_patch_divides_every_map(
    size: tuple[int, int],
) -> None:
    # 60: maps of 8, 4, 2. 50: 7, 4, 2.
    graph = plus(GRAPH, Operator("Resize", "layer5.1", rank=4))
    if size == (50, 50):
        check(graph, sizes=(size,))
    else:
        (violation,) = violations(graph, sizes=(size,))
        assert violation.startswith("Resize in layer5.1: ")
        assert f"{size[0]}x{size[1]}" in violation


def test_one_odd_size_among_several_allows_resizing() -> None:
    graph = plus(GRAPH, Operator("upsample_bilinear", "layer5.1", rank=4))
    graph = replace(graph, resizes=frozenset({"upsample_bilinear"}))
    check(graph, sizes=((64, 64), (72, 64)))
    with pytest.raises(ConversionError, match="at 64x64, 128x64"):
        check(graph, sizes=((64, 64), (128, 64)))


def test_core_ml_allows_four_axes_whatever_the_layout() -> None:
    graph = plus(GRAPH, Operator("reshape", "layer3.1", rank=5))
    check(graph)
    with pytest.raises(ConversionError, match="rank 5, at most 4 is allowed"):
        check(graph, max_rank=get_target("coreml").max_rank(()))


@pytest.mark.parametrize("size", [(72, 72), (64, 72), (72, 64), (96, 96), (32, 32)], ids=str)
def test_resizing_is_allowed_where_one_map_is_odd(size: tuple[int, int]) -> None:
    check(plus(GRAPH, Operator("Resize", "layer5.1", rank=4)), sizes=(size,))


@pytest.mark.parametrize("symbol", ["batch", "4*batch", "batch*(2 + 2)"])
def test_the_batch_may_be_dynamic_where_it_was_asked_for_and_only_there(symbol: str) -> None:
    graph = replace(GRAPH, symbols=frozenset({symbol}))
    check(graph, batch=None)
    assert violations(graph, batch=1) == [f"dynamic dimension {symbol!r}: nobody asked for it"]


@pytest.mark.parametrize("symbol", ["height", "s0", "batch*width", "batch_1"])
def test_no_other_dimension_may_be_dynamic(symbol: str) -> None:
    graph = replace(GRAPH, symbols=frozenset({"batch", symbol}))
    (violation,) = violations(graph, batch=None)
    assert symbol in violation


@pytest.mark.parametrize("delegates", [0, 2, 49])
def test_any_number_of_delegates_but_one_breaks_the_contract(delegates: int) -> None:
    assert check(DELEGATED).delegates == 1
    (violation,) = violations(replace(DELEGATED, delegates=delegates))
    assert violation.startswith(f"{delegates} delegates: ")


def test_only_what_a_target_allows_runs_outside_its_delegate() -> None:
    allowed, other = (Operator(kind, "", 4, delegated=False) for kind in ("_to_copy", "bmm"))
    audit = check(plus(DELEGATED, allowed, allowed))
    assert audit.not_delegated == (OperatorCount("_to_copy", 2),)
    assert violations(plus(DELEGATED, allowed, other)) == ["bmm: runs outside the delegate"]


def test_a_rewrite_that_was_left_out_is_named_as_the_cause() -> None:
    graph = plus(GRAPH, Operator("Reshape", "", rank=6))
    with pytest.raises(
        ConversionError, match="without the rewrites phase_layout, token_layout; leave out --no-rew"
    ):
        check(graph, no_rewrite=("token_layout", "phase_layout"))


def test_what_is_resized_outside_has_the_delegate_on_both_sides() -> None:
    resize = Operator("Resize", "", 4, delegated=False)
    allowed = replace(DELEGATED, delegates=2, allowed_outside=frozenset({"Resize"}))
    found = check(plus(allowed, resize), sizes=((72, 72),))
    assert (found.delegates, found.not_delegated) == (2, (OperatorCount("Resize", 1),))


def test_targets_without_delegates_run_everything_outside() -> None:
    assert check(plus(GRAPH, Operator("Add", "", 4, delegated=False))).delegates is None


@pytest.mark.parametrize(("outside", "share"), [(0, 1.0), (10, 0.99)])
def test_the_share_of_delegated_work_is_recorded(outside: int, share: float) -> None:
    operator = Operator("_to_copy", "", 4, delegated=False, macs=outside)
    assert check(plus(DELEGATED, operator), macs=1000).delegated_macs == pytest.approx(share)


@pytest.mark.parametrize("outside", [11, 500, 5000])
def test_less_than_99_percent_of_delegated_work_breaks_the_contract(outside: int) -> None:
    operator = Operator("_to_copy", "", 4, delegated=False, macs=outside)
    (violation,) = violations(plus(DELEGATED, operator), macs=1000)
    assert f"{max(0, 1 - outside / 1000):.1%} of the multiply-adds" in violation


def test_every_violation_is_listed_up_to_ten_and_the_rest_counted() -> None:
    two = [Operator("Gather", "a", rank=6)]
    assert len(violations(plus(GRAPH, *two))) == 2
    many = [Operator("Gather", f"layer{i}") for i in range(12)]
    *listed, last = violations(plus(GRAPH, *many))
    assert [line.split(":")[0] for line in listed] == [f"Gather in layer{i}" for i in range(10)]
    assert last == "... and 2 more"


# Files as written.


@pytest.fixture(scope="module")
def plain(
    tmp_path_factory: pytest.TempPathFactory,
    checkpoint: Checkpoints,
) -> tuple[ModelSpec, Graph]:
    """The usual export, of the reference model as it is."""
    job = job_of(weights=str(checkpoint("v2")))
    path = tmp_path_factory.mktemp("plain") / "model.onnx"
    onnx = get_target("onnx")
    onnx.convert(module_of(job, ()), job, PrecisionPlan(), path, no_progress)
    return job.source.spec, onnx.inspect(path)


@pytest.mark.backend
def test_the_usual_export_breaks_the_contract_by_its_rank(plain: tuple[ModelSpec, Graph]) -> None:
    spec, graph = plain
    found = violations(graph, spec=spec)
    assert all("rank 6, at most 5" in line or line.startswith("...") for line in found)
    modules = {operator.module for operator in graph.operators if operator.rank > 5}
    blocks = ("layer2.2", "layer3.1")
    assert modules == {f"{block}.{part}" for block in blocks for part in ("unfold", "fold")}


@pytest.mark.parametrize(
    ("name", "size", "batch"),
    [
        ("v1", (64, 64), 1),
        ("v2", (64, 64), None),
        ("real_v2", (32, 32), 1),
        ("v3_tokens", (72, 72), 1),
        ("v3_maps", (64, 96), 1),
    ],
)
def test_the_exporters_files_keep_the_contract_and_the_manifest_says_so(
    bundle: Bundles, name: str, size: tuple[int, int], batch: int | None
) -> None:
    manifest = bundle.manifest(name)
    graph = get_target("onnx").inspect(bundle(name) / "model.onnx")
    spec = find_spec(manifest.model.name)
    audit = check(graph, spec=spec, sizes=(size,), batch=batch, macs=manifest.model.macs)
    assert audit == manifest.audit
    assert audit.max_rank <= 4
    modules = {operator.module.split(".")[0] for operator in graph.operators}
    assert modules >= {"stem", "layer3", "head"}
    assert graph.symbols == (frozenset() if batch else graph.symbols)
