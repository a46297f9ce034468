"""Translation of names: against the recorded key lists of the original codes, and back."""

from __future__ import annotations

import json

import pytest

from mobilevit_edge.models.network import create_meta_model
from mobilevit_edge.specs import SPECS, Attention, with_attention
from mobilevit_edge.weights.naming import (
    NAMINGS,
    FoundNaming,
    Naming,
    detect_naming,
    source_keys,
    with_base_prefix,
)
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import CONFORMANCE, conformance_keys

NAMING_OF: dict[str, Naming] = {
    "cvnets": "cvnets",
    "micron": "cvnets",
    "timm": "timm",
    "hf": "transformers",
}
KEY_FILES = [path.stem.split("__") for path in sorted((CONFORMANCE / "keys").glob("*.json"))]


@pytest.mark.parametrize(("source", "variant"), KEY_FILES)
def test_written_names_and_shapes_are_exactly_those_of_the_original_code(
    source: str, variant: str
) -> None:
    weights = named_weights(create_meta_model(SPECS[variant], 1000), NAMING_OF[source])
    shapes = {key: list(tensor.shape) for key, tensor in weights.items()}
    assert shapes == conformance_keys(source, variant)


ROWS = json.loads((CONFORMANCE / "variants.json").read_text())["variants"]


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row["task"] == "classification"],
    ids=lambda row: f"{row['source']}-{row['variant']}",
)
def test_every_variant_has_as_many_names_as_in_the_original_code(row: dict[str, object]) -> None:
    model = create_meta_model(SPECS[str(row["variant"])], 1000)
    assert len(named_weights(model, NAMING_OF[str(row["source"])])) == row["n_keys"]


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("name", list(SPECS))
def test_no_two_parameters_share_a_name(name: str, naming: Naming) -> None:
    spec = SPECS[name]
    keys = [
        source
        for key in create_meta_model(spec, 3).state_dict()
        for source in source_keys(key, spec, naming)
    ]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("attention", ["linformer", "separable"])
def test_swapped_attention_units_have_names_too(attention: Attention, naming: Naming) -> None:
    spec = with_attention(SPECS["mobilevit_xxs"], attention)
    weights = named_weights(create_meta_model(spec, 3), naming)
    total = sum(tensor.numel() for tensor in create_meta_model(spec, 3).state_dict().values())
    assert sum(tensor.numel() for tensor in weights.values()) == total


@pytest.mark.parametrize("key", ["layer3.1.attention.bias_table", "neck.weight", "stem", ""])
def test_a_parameter_without_a_rule_is_an_error(key: str) -> None:
    with pytest.raises(ValueError, match="no naming rule"):
        source_keys(key, SPECS["mobilevit_xxs"], "timm")


def test_only_transformers_slices_the_joint_projection_and_only_of_tokens() -> None:
    tokens, maps = SPECS["mobilevit_xxs"], SPECS["mobilevitv2_050"]
    key = "layer3.1.layers.0.attention.qkv.weight"
    sliced = source_keys(key, tokens, "transformers")
    assert [name.split(".")[-2] for name in sliced] == ["query", "key", "value"]
    assert len(source_keys(key, maps, "transformers")) == 1
    assert len(source_keys(key, tokens, "timm")) == len(source_keys(key, tokens, "cvnets")) == 1


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("conv_1.block.conv.weight", FoundNaming("cvnets", "")),
        ("module.encoder.conv_1.block.conv.weight", FoundNaming("cvnets", "module.encoder.")),
        ("stem.conv.weight", FoundNaming("timm", "")),
        ("model.stem.conv.weight", FoundNaming("timm", "model.")),
        ("conv_stem.convolution.weight", FoundNaming("transformers", "")),
        ("mobilevit.conv_stem.convolution.weight", FoundNaming("transformers", "")),
        ("mobilevitv2.conv_stem.convolution.weight", FoundNaming("transformers", "")),
        ("net.mobilevit.conv_stem.convolution.weight", FoundNaming("transformers", "net.")),
    ],
)
def test_a_scheme_is_recognized_by_its_stem_with_the_prefix_before_it(
    key: str, found: FoundNaming
) -> None:
    assert detect_naming(["other.weight", key]) == (found,)


@pytest.mark.parametrize(
    ("before", "prefix"),
    [
        ("", ""),
        ("backbone.", ""),
        ("module.backbone.", "module."),
        ("my_backbone.", "my_backbone."),
    ],
)
def test_openmmlabs_stem_is_told_from_timms_by_the_layers_beside_it(
    before: str, prefix: str
) -> None:
    stem, layer = f"{before}stem.conv.weight", f"{before}layers.0.0.conv.0.conv.weight"
    assert detect_naming([stem, layer]) == (FoundNaming("openmmlab", prefix),)
    assert detect_naming([stem]) == (FoundNaming("timm", before),)


# As mmpretrain 1.x builds its ImageClassifier with MobileViT(arch="xx_small").
OPENMMLAB_NAMES = {
    "backbone.stem.conv.weight": (16, 3, 3, 3),
    "backbone.stem.bn.running_mean": (16,),
    "backbone.layers.0.0.conv.0.conv.weight": (32, 16, 1, 1),
    "backbone.layers.1.2.conv.1.conv.weight": (48, 1, 3, 3),
    "backbone.layers.2.0.conv.2.bn.weight": (48,),
    "backbone.layers.2.1.local_rep.0.conv.weight": (48, 48, 3, 3),
    "backbone.layers.2.1.local_rep.0.bn.bias": (48,),
    "backbone.layers.2.1.local_rep.1.conv.weight": (64, 48, 1, 1),
    "backbone.layers.2.1.global_rep.0.ln1.weight": (64,),
    "backbone.layers.2.1.global_rep.1.attn.qkv.weight": (192, 64),
    "backbone.layers.2.1.global_rep.1.attn.proj.bias": (64,),
    "backbone.layers.2.1.global_rep.1.ln2.bias": (64,),
    "backbone.layers.2.1.global_rep.1.ffn.layers.0.0.weight": (128, 64),
    "backbone.layers.2.1.global_rep.1.ffn.layers.1.weight": (64, 128),
    "backbone.layers.2.1.global_rep.2.weight": (64,),
    "backbone.layers.3.1.global_rep.4.bias": (80,),
    "backbone.layers.4.1.conv_proj.conv.weight": (80, 96, 1, 1),
    "backbone.layers.4.1.conv_fusion.conv.weight": (80, 160, 3, 3),
    "backbone.conv_1x1_exp.bn.running_var": (320,),
    "head.fc.weight": (1000, 320),
    "head.fc.bias": (1000,),
}


def test_openmmlabs_names_are_those_of_its_modules() -> None:
    weights = named_weights(create_meta_model(SPECS["mobilevit_xxs"], 1000), "openmmlab")
    written = {name: tuple(weights[name].shape) for name in OPENMMLAB_NAMES}
    assert written == OPENMMLAB_NAMES
    roots = {".".join(name.split(".")[:2]) for name in weights}
    assert roots == {"backbone.stem", "backbone.layers", "backbone.conv_1x1_exp", "head.fc"}


@pytest.mark.parametrize("key", ["xstem.conv.weight", "stem.conv.weight.0", "stem.0.weight"])
def test_similar_names_are_not_taken_for_a_stem(key: str) -> None:
    assert detect_naming([key]) == ()


def test_stripping_keeps_what_is_inside_the_model_and_drops_the_rest() -> None:
    found = FoundNaming("transformers", "net.")
    inside = [found.strip(key) for key in ("net.mobilevit.encoder.x", "net.classifier.weight", "x")]
    assert inside == ["encoder.x", "classifier.weight", None]


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        ("mobilevit_xxs", "conv_stem.x", "mobilevit.conv_stem.x"),
        ("mobilevitv2_050", "conv_stem.x", "mobilevitv2.conv_stem.x"),
        ("mobilevit_xxs", "classifier.weight", "classifier.weight"),
    ],
)
def test_transformers_nests_all_but_the_classifier(model: str, name: str, expected: str) -> None:
    assert with_base_prefix(name, SPECS[model], "transformers") == expected
    assert with_base_prefix(name, SPECS[model], "timm") == name
