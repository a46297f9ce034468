"""Checkpoints with heads for masks and boxes: recognized, settled, and written back."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.head_specs import RATES, DeepLabV3Spec, HeadName, SSDLiteSpec, default_head
from mobilevit_edge.models.network import MobileViT, create_meta_model, find_spec
from mobilevit_edge.specs import split_name, with_head_called
from mobilevit_edge.weights.checkpoint import read_checkpoint
from mobilevit_edge.weights.head_settings import HeadSettings, find_head
from mobilevit_edge.weights.loading import spec_for
from mobilevit_edge.weights.names import Naming
from mobilevit_edge.weights.provenance import preprocessing_of
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import deterministic_state

LAYOUTS = json.loads(
    (Path(__file__).parents[1] / "data" / "conformance_heads" / "head_keys.json").read_text()
)
CLASSES = {"voc": 21, "voc_os8": 21, "ade20k": 150, "coco": 81}
XXS = "mobilevit_xxs"


def published(layout: str) -> tuple[MobileViT, Naming]:
    """The model of a published checkpoint, without memory, and the scheme of its names."""
    source, name, config = layout.split("__")
    head, backbone = split_name(name)
    assert head is not None
    stride: Any = None if head == "ssdlite" else 8 if config in ("ade20k", "voc_os8") else 16
    spec = with_head_called(find_spec(backbone), head, stride)
    return create_meta_model(spec, CLASSES[config]), "transformers" if source == "hf" else "cvnets"


def state(
    name: str, head: HeadName, naming: Naming = "cvnets", classes: int = 5
) -> dict[str, Tensor]:
    """A checkpoint's state dict, no weight at its default."""
    model = create_meta_model(with_head_called(find_spec(name), head), classes)
    names = named_weights(model, naming)
    return deterministic_state({key: list(tensor.shape) for key, tensor in names.items()})


@pytest.mark.parametrize(
    "layout", [name for name in LAYOUTS if not re.search("1[257]5|1[05]0|200", name)]
)
def test_names_and_shapes_are_those_of_every_published_checkpoint(layout: str) -> None:
    model, naming = published(layout)
    found = {
        key: list(tensor.shape)
        for key, tensor in named_weights(model, naming).items()
        if key in LAYOUTS[layout]
    }
    expected = {k: v for k, v in LAYOUTS[layout].items() if ".aux_head." not in k}
    assert found == expected


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "050" in name or "_s__" in name])
def test_published_checkpoints_are_recognized_without_a_config(layout: str) -> None:
    model, naming = published(layout)
    weights = {key: torch.empty_like(t) for key, t in named_weights(model, naming).items()}
    spec = spec_for(read_checkpoint(weights))
    # transformers resizes masks in its own way, whichever code trained the weights.
    if naming == "transformers":
        assert isinstance(model.spec.head, DeepLabV3Spec)
        head = replace(model.spec.head, resize="half-pixel")
        assert spec == replace(model.spec, head=head)
    else:
        assert spec == model.spec


@pytest.mark.parametrize(
    ("name", "head", "naming"),
    [
        ("mobilevit_xxs", "deeplabv3", "cvnets"),
        ("mobilevitv2_050", "deeplabv3", "transformers"),
        ("mobilevitv2_050", "pspnet", "cvnets"),
        ("mobilevitv3_xxs", "ssdlite", "cvnets"),
    ],
)
def test_a_checkpoint_is_written_back_bit_for_bit(
    tmp_path: Path, name: str, head: HeadName, naming: Naming
) -> None:
    weights = state(name, head, naming)
    model = me.load_model(weights)
    path = tmp_path / "weights.safetensors"
    me.save_weights(model, path, naming=naming)
    written = dict(me.read_checkpoint(path).tensors)
    from safetensors.torch import load_file

    file = load_file(path)
    assert file.keys() == weights.keys()
    assert all(torch.equal(file[key], tensor) for key, tensor in weights.items())
    assert len(written) == len(weights)


def test_other_schemes_have_no_names_for_heads(tmp_path: Path) -> None:
    model = me.create_model(XXS, head="deeplabv3")
    with pytest.raises(ValueError, match="timm has no names for a deeplabv3 head; cvnets has"):
        me.save_weights(model, tmp_path / "weights.pt", naming="timm")
    assert not (tmp_path / "weights.pt").exists()


def test_an_auxiliary_head_is_left_out_and_said_so() -> None:
    weights = state("mobilevitv2_050", "pspnet") | {
        "seg_head.aux_head.0.block.conv.weight": torch.ones(128, 192, 3, 3),
        "seg_head.aux_head.2.block.conv.weight": torch.ones(5, 128, 1, 1),
    }
    checkpoint = read_checkpoint(weights)
    assert checkpoint.ignored == (
        "seg_head.aux_head.0.block.conv.weight",
        "seg_head.aux_head.2.block.conv.weight",
    )
    assert me.load_model(checkpoint).num_classes == 5


def test_wrappers_and_prefixes_are_removed_from_a_head_too() -> None:
    weights = {f"module.{key}": tensor for key, tensor in state(XXS, "ssdlite").items()}
    model = me.load_model({"epoch": 3, "ema": weights})
    assert isinstance(model.spec.head, SSDLiteSpec)
    assert model.num_classes == 5


def found(source: Any, **given: Any) -> Any:
    checkpoint = read_checkpoint(source)
    head = find_head(checkpoint, find_spec(XXS), HeadSettings(**given))
    assert head is not None
    return head


def saved(folder: Path, name: str = "weights.pt", naming: Naming = "cvnets") -> Path:
    path = folder / name
    torch.save(state(XXS, "deeplabv3", naming), path)
    return path


def test_without_a_config_the_released_checkpoints_decide_and_the_provenance_says_so(
    tmp_path: Path,
) -> None:
    head = found(str(saved(tmp_path)))
    assert head.spec == default_head("deeplabv3", on_tokens=True)
    assert head.provenance == (
        "output stride 16 (inferred: as most released checkpoints); mask resize "
        "half-pixel-nearest (inferred: how its code resizes masks); rates 6/12/18 (inferred: as "
        "released at output stride 16)"
    )


@pytest.mark.parametrize("name", ["weights.yaml", "config.yml"])
def test_a_yaml_beside_the_file_is_read(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path)
    (tmp_path / name).write_text(
        "model: {segmentation: {output_stride: 8, deeplabv3: {aspp_rates: [1, 2, 3]}}}"
    )
    head = found(str(path))
    assert (head.spec.output_stride, head.spec.rates) == (8, (1, 2, 3))
    assert f"output stride 8 ({name})" in head.provenance


def test_a_yaml_with_dotted_names_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.with_suffix(".yaml").write_text("model.segmentation.output_stride: 8\n")
    assert found(str(path)).spec.rates == RATES[8]


def test_transformers_config_is_read_with_what_it_leaves_out(tmp_path: Path) -> None:
    """Transformers does not write what is its default: output stride 32."""
    saved(tmp_path, "pytorch_model.bin", "transformers")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mobilevit"}))
    assert found(str(tmp_path)).spec.output_stride == 32
    (tmp_path / "config.json").write_text(json.dumps({"output_stride": 8}))
    head = found(str(tmp_path))
    # Its rates do not follow the output stride.
    assert (head.spec.output_stride, head.spec.rates) == (8, (6, 12, 18))


def test_the_user_has_the_last_word(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.with_suffix(".yaml").write_text("model.segmentation.output_stride: 16\n")
    head = found(str(path), output_stride=8, mask_resize="aligned")
    assert (head.spec.output_stride, head.spec.resize) == (8, "aligned")
    assert "output stride 8 (set by the user)" in head.provenance
    assert me.load_model(str(path), settings=HeadSettings(output_stride=8)).spec.output_stride == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {segmentation: {output_stride: 12}}", "output_stride 12 is none of 8, 16, 32"),
        ("model: {segmentation: {deeplabv3: {aspp_rates: [6]}}}", "not three whole numbers"),
        ("model: {segmentation: {output_stride: true}}", "output_stride True is none of"),
        ("model: {segmentation: {output_stride: 16.0}}", r"output_stride 16\.0 is none of"),
        ("[1, 2]", "does not hold settings by name"),
        ("a: *b", "cannot read"),
        ("!!python/object/apply:os.system ['true']", "cannot read"),
        ("a: !!int ''", r"cannot read .*correct or remove it"),
        ("a: !!bool x", r"cannot read .*correct or remove it"),
        ("a: !!timestamp x", r"cannot read .*correct or remove it"),
        ("a: " + ":".join(["1"] * 501), "more than 1000 characters"),
        ("a: &a {b: 1}\nc: {<<: *a}", "merge keys"),
        ("a: &a {b: 1}\nc: {!!merge x: *a}", "merge keys"),
        (" " * (128 * 1024 + 1), "larger than 131072 bytes"),
        ("a: &a {b: &b {c: &c {d: &d {e: &e {f: &f {g: &g {h: {i: {j: 1}}}}}}}}}", "more settings"),
    ],
)
def test_a_config_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = saved(tmp_path)
    path.with_suffix(".yaml").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        found(str(path))


def test_references_that_multiply_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    lines = ["l0: &l0 {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8}"]
    for index in range(1, 8):
        inner = ", ".join(f"k{i}: *l{index - 1}" for i in range(8))
        lines.append(f"l{index}: &l{index} {{{inner}}}")
    path.with_suffix(".yaml").write_text("\n".join(lines))
    with pytest.raises(CheckpointError, match="more settings than any config"):
        found(str(path))


def test_settings_of_masks_are_refused_for_boxes_and_classes() -> None:
    settings = HeadSettings(output_stride=8)
    with pytest.raises(ValueError, match="has a head for boxes: leave out --output-stride"):
        me.load_model(state(XXS, "ssdlite"), settings=settings)
    model = create_meta_model(find_spec(XXS), 5)
    weights = {
        k: torch.zeros_like(v, device="cpu") for k, v in named_weights(model, "cvnets").items()
    }
    with pytest.raises(ValueError, match="has no head for masks: leave out --output-stride"):
        me.load_model(weights, settings=settings)


def test_settings_beside_a_spec_are_refused() -> None:
    spec = find_spec("deeplabv3_" + XXS)
    with pytest.raises(ValueError, match="a spec has its head's settings: pass the model's name"):
        me.load_model(state(XXS, "deeplabv3"), model=spec, settings=HeadSettings(output_stride=8))


def test_a_head_that_claims_any_width_is_refused() -> None:
    weights = state(XXS, "deeplabv3")
    name = "seg_head.aspp.aspp_layer.project.block.conv.weight"
    weights[name] = torch.zeros(1, 1, 1, 1).expand(10**9, 1280, 1, 1)
    with pytest.raises(CheckpointError, match="claims 1000000000 channels"):
        me.load_model(weights)


def test_an_incomplete_head_is_refused() -> None:
    weights = state(XXS, "deeplabv3")
    del weights["seg_head.aspp.aspp_layer.project.block.conv.weight"]
    with pytest.raises(CheckpointError, match=r"has no .*project\.block\.conv\.weight"):
        me.load_model(weights)


def test_another_head_than_named_is_refused() -> None:
    with pytest.raises(CheckpointError, match="has a deeplabv3 head; choose another model"):
        me.load_model(state(XXS, "deeplabv3"), model="pspnet_mobilevit_xxs")
    assert me.load_model(state(XXS, "deeplabv3"), model="deeplabv3_mobilevit_xxs").num_classes == 5


@pytest.mark.parametrize(
    ("name", "head", "naming", "order", "rule", "size"),
    [
        ("mobilevit_xxs", "deeplabv3", "cvnets", "BGR", "stretch", 512),
        ("mobilevit_xxs", "pspnet", "cvnets", "RGB", "stretch", 512),
        ("mobilevitv2_050", "deeplabv3", "cvnets", "RGB", "stretch", 512),
        ("mobilevit_xxs", "ssdlite", "cvnets", "BGR", "stretch", 320),
        ("mobilevitv3_050", "ssdlite", "cvnets", "RGB", "stretch", 320),
        ("mobilevit_xxs", "deeplabv3", "transformers", "BGR", "crop", 512),
        ("mobilevitv2_050", "deeplabv3", "transformers", "RGB", "crop", 512),
    ],
)
def test_preprocessing_is_that_of_the_code_that_trained_the_head(
    name: str, head: HeadName, naming: Naming, order: str, rule: str, size: int
) -> None:
    checkpoint = read_checkpoint(state(name, head, naming))
    made = preprocessing_of(checkpoint, spec_for(checkpoint))
    assert (made.channel_order, made.resize, made.image_size) == (order, rule, (size, size))


def test_a_classifier_of_another_code_gives_its_backbone_to_a_new_head() -> None:
    classifier = me.create_model("mobilevitv2_050", num_classes=7)
    model = me.create_model("mobilevitv2_050", head="deeplabv3", num_classes=3)
    before = model.head.state_dict()["classifier.weight"].clone()
    report = me.load_backbone(model, named_weights(classifier, "timm"))
    assert report.naming == "timm"
    assert report.ignored == ("head.fc.weight", "head.fc.bias")
    own = classifier.state_dict()
    for key, tensor in model.state_dict().items():
        if not key.startswith("head."):
            assert torch.equal(tensor, own[key])
    assert torch.equal(model.head.state_dict()["classifier.weight"], before)


def test_a_backbone_that_does_not_fit_is_refused() -> None:
    model = me.create_model(XXS, head="deeplabv3")
    other = named_weights(me.create_model("mobilevit_xs"), "timm")
    with pytest.raises(CheckpointError, match="does not fit deeplabv3_mobilevit_xxs"):
        me.load_backbone(model, other)
