"""The architectures as data: names, counts, the V3 ablation and attention swaps."""

from __future__ import annotations

import json

import pytest

import mobilevit_edge as me
from mobilevit_edge.models.network import create_meta_model
from mobilevit_edge.specs import (
    ATTENTIONS,
    COUNTS,
    HEADS,
    SPECS,
    Attention,
    BlockSpec,
    Fusion,
    ModelSpec,
    v3_ablation,
    with_attention,
)
from tests.conftest import CONFORMANCE, counted

VARIANTS = [
    pytest.param(row["variant"], row["param_count"], id=f"{row['source']}-{row['variant']}")
    for row in json.loads((CONFORMANCE / "variants.json").read_text())["variants"]
    if row["task"] == "classification"
]


def blocks_of(spec: ModelSpec) -> list[BlockSpec]:
    return [stage.block for stage in spec.stages if stage.block is not None]


def test_the_family_has_the_19_promised_names() -> None:
    v1 = [f"mobilevit_{size}" for size in ("xxs", "xs", "s")]
    v2 = [f"mobilevitv2_{width}" for width in ("050", "075", "100", "125", "150", "175", "200")]
    v3_tokens = [f"mobilevitv3_{size}{l2}" for l2 in ("", "_l2") for size in ("xxs", "xs", "s")]
    v3_maps = [f"mobilevitv3_{width}" for width in ("050", "075", "100")]
    assert me.list_models() == v1 + v2 + v3_tokens + v3_maps


@pytest.mark.parametrize(("name", "parameters"), VARIANTS)
def test_parameter_counts_equal_those_of_the_original_codes(name: str, parameters: int) -> None:
    assert COUNTS[name].parameters == parameters


@pytest.mark.parametrize("name", list(SPECS))
def test_recorded_counts_are_what_the_model_has(name: str) -> None:
    found = counted(name)
    assert (found.parameters, found.macs) == (COUNTS[name].parameters, COUNTS[name].macs)


@pytest.mark.parametrize("name", list(SPECS))
def test_published_figures_are_within_their_notes_of_the_counts(name: str) -> None:
    published = SPECS[name].published
    assert published is not None
    tolerance = 0.18 if "profiler counts N*C*C" in published.macs_note else 0.08
    assert COUNTS[name].macs / 1e6 == pytest.approx(published.macs_m, rel=tolerance)
    assert 60 < published.top1 < 90


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_every_architecture_is_consistent(spec: ModelSpec) -> None:
    without = [stage.block is None for stage in spec.stages]
    assert without == [True, True, False, False, False]
    assert [stage.stride for stage in spec.stages] == [1, 2, 2, 2, 2]
    assert all(stage.channels % 8 == 0 for stage in spec.stages)
    for block in blocks_of(spec):
        assert block.attention == {"tokens": "multi_head", "maps": "separable"}[block.layout]
        assert block.dim % HEADS == 0
        assert block.ffn_dim == 2 * block.dim
        assert block.add_input == (spec.generation == 3)
        assert block.depthwise_local == (block.layout == "maps" or spec.generation == 3)


@pytest.mark.parametrize("size", ["xxs", "xs", "s"])
def test_low_latency_models_differ_only_in_the_depth_of_stage_4(size: str) -> None:
    full, short = SPECS[f"mobilevitv3_{size}"], SPECS[f"mobilevitv3_{size}_l2"]
    assert [block.depth for block in blocks_of(full)] == [2, 4, 3]
    assert [block.depth for block in blocks_of(short)] == [2, 2, 3]
    assert [stage.channels for stage in full.stages] == [stage.channels for stage in short.stages]


def test_each_ablation_row_changes_one_thing_of_the_row_before() -> None:
    rows = list(v3_ablation().values())
    assert rows[0] is SPECS["mobilevit_s"]
    settings = [
        (block.fusion, block.add_input, block.depthwise_local)
        for block in (blocks_of(row)[1] for row in rows)
    ]
    assert settings == [
        (Fusion(3, "input"), False, False),
        (Fusion(1, "input"), False, False),
        (Fusion(1, "local"), False, False),
        (Fusion(1, "local"), True, False),
        (Fusion(1, "local"), True, True),
    ]
    final, v3 = rows[-1].stages[3].block, SPECS["mobilevitv3_s"].stages[3].block
    assert final == v3, "the last row and V3-S differ in widths of stages alone"
    assert all(row.published is None for row in rows[1:])


@pytest.mark.parametrize("name", list(v3_ablation()))
def test_ablation_rows_are_found_by_name(name: str) -> None:
    assert create_meta_model(v3_ablation()[name], 3).spec.name == name
    assert me.create_model(name, num_classes=1).spec == v3_ablation()[name]


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_an_attention_swap_reaches_every_block(attention: Attention) -> None:
    spec = with_attention(SPECS["mobilevit_xs"], attention)
    assert {block.attention for block in blocks_of(spec)} == {attention}
    if attention != "multi_head":
        assert spec.published is None, "figures of the original do not describe the swapped model"
        assert spec.name == f"mobilevit_xs[{attention}]"


def test_swapping_to_the_attention_a_model_has_keeps_the_spec() -> None:
    spec = SPECS["mobilevitv2_050"]
    assert with_attention(spec, "separable") is spec


@pytest.mark.parametrize("attention", ["multi_head", "linformer"])
@pytest.mark.parametrize("name", ["mobilevitv2_100", "mobilevitv3_075"])
def test_blocks_on_maps_refuse_attention_on_tokens(name: str, attention: Attention) -> None:
    with pytest.raises(ValueError, match=f"{name}.*only separable attention"):
        with_attention(SPECS[name], attention)


def test_an_unknown_attention_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'flash'.*multi_head, linformer, separable"):
        with_attention(SPECS["mobilevit_s"], "flash")  # type: ignore[arg-type]
