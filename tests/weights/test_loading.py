"""Strict loading: what fits is loaded bit for bit, what does not is explained."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.preprocess import Preprocessing, load_image, preprocess_image
from mobilevit_edge.specs import SPECS, with_in_channels
from mobilevit_edge.weights import loading
from mobilevit_edge.weights.loading import spec_for
from mobilevit_edge.weights.naming import NAMINGS, Naming
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import filled_model, random_images

State = dict[str, Tensor]
HEAD = "head.fc.weight"
STEM = "stem.conv.weight"
STEM_BIAS = "stem.bn.bias"


def head_of(model: me.MobileViT) -> Tensor:
    """A copy of the classifier's weight."""
    weight: Tensor = model.state_dict()["head.weight"]
    return weight.clone()


@lru_cache(maxsize=1)
def original() -> State:
    return named_weights(filled_model("mobilevit_xxs", num_classes=4), "timm")


@pytest.fixture
def state() -> State:
    """A timm state dict of mobilevit_xxs with 4 classes, free to damage."""
    return dict(original())


def test_loading_reports_what_was_loaded_and_from_where(state: State) -> None:
    model = me.create_model("mobilevit_xxs", num_classes=4)
    report = me.load_weights(model, state)
    assert (report.model, report.num_classes, report.naming) == ("mobilevit_xxs", 4, "timm")
    assert (report.loaded, report.ignored, report.wrapper) == (len(state), (), "")
    assert torch.equal(head_of(model), state[HEAD])


def test_the_loaded_model_does_not_share_memory_with_its_source(state: State) -> None:
    for model in (me.load_model(state), me.create_model("mobilevit_xxs", num_classes=4)):
        me.load_weights(model, state)
        before = head_of(model)
        state[HEAD].add_(1)
        assert torch.equal(head_of(model), before)
        state[HEAD].sub_(1)


def test_a_loaded_model_is_in_eval_mode_on_real_memory_and_trainable(state: State) -> None:
    model = me.load_model(state)
    assert not model.training
    assert all(p.requires_grad and p.device.type == "cpu" for p in model.parameters())
    assert all(buffer.device.type == "cpu" for buffer in model.buffers())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_widths_become_fp32(state: State, dtype: torch.dtype) -> None:
    converted = {k: t.to(dtype) if t.is_floating_point() else t for k, t in state.items()}
    model = me.load_model(converted)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(head_of(model), converted[HEAD].float())


def test_missing_batch_counters_do_not_matter(state: State) -> None:
    without = {k: t for k, t in state.items() if not k.endswith("num_batches_tracked")}
    assert len(without) < len(state)
    model = me.load_model(without)
    assert torch.equal(
        model(random_images(1, 64, 64)), me.load_model(state)(random_images(1, 64, 64))
    )


@pytest.mark.parametrize(
    "counter",
    [torch.tensor(7.0).half(), torch.tensor(float("nan")), torch.tensor([7]), torch.tensor(7.5)],
    ids=["half", "nan", "one_dimension", "float"],
)
def test_a_batch_counter_of_another_kind_does_not_matter(state: State, counter: Tensor) -> None:
    changed = {k: counter if k.endswith("num_batches_tracked") else t for k, t in state.items()}
    loaded = me.load_model(changed).state_dict()
    expected = me.load_model(state).state_dict()
    assert all(torch.equal(loaded[key], expected[key]) for key in expected if "num_b" not in key)
    assert all(loaded[key].dtype == torch.int64 for key in expected if "num_b" in key)


def test_a_checkpoint_halved_entry_by_entry_loads(state: State) -> None:
    model = me.load_model({key: tensor.half() for key, tensor in state.items()})
    assert torch.equal(head_of(model), state[HEAD].half().float())


def test_strided_views_and_parameters_load_like_plain_tensors(state: State) -> None:
    expected = state[HEAD].clone()
    wide = torch.zeros(4, 2 * expected.shape[1])
    wide[:, ::2] = expected
    state[HEAD] = wide[:, ::2]
    state[STEM] = torch.nn.Parameter(state[STEM])
    model = me.load_model(state)
    found = model.state_dict()["head.weight"]
    assert torch.equal(found, expected)
    assert found.is_contiguous()


@pytest.mark.parametrize("classes", [0, 1, 21])
def test_the_class_count_comes_from_the_checkpoint(classes: int) -> None:
    state = named_weights(filled_model("mobilevitv2_050", num_classes=classes), "cvnets")
    assert me.load_model(state).num_classes == classes


@pytest.mark.parametrize(
    ("name", "compared"),
    [("mobilevit_xxs", 1), ("mobilevitv2_050", 4), ("mobilevitv2_200", 1), ("mobilevitv3_075", 2)],
)
def test_models_with_such_a_stem_are_compared_first(
    monkeypatch: pytest.MonkeyPatch, name: str, compared: int
) -> None:
    state = named_weights(filled_model(name, num_classes=2), "cvnets")
    shapes = mock.Mock(wraps=loading._expected_shapes)
    monkeypatch.setattr(loading, "_expected_shapes", shapes)
    assert spec_for(me.read_checkpoint(state)) is SPECS[name]
    # And once more what was found.
    assert shapes.call_count == compared + 1


def test_an_ablation_row_is_loaded_by_its_name() -> None:
    source = filled_model("mobilevit_s+fusion_1x1", num_classes=2)
    state = named_weights(source, "cvnets")
    model = me.load_model(state, model="mobilevit_s+fusion_1x1")
    assert torch.equal(head_of(model), head_of(source))
    with pytest.raises(CheckpointError, match="fits none of the 19 models; nearest is mobilevit_s"):
        me.load_model(state)


def refusal(state: State, model: str = "auto") -> str:
    with pytest.raises(CheckpointError) as caught:
        me.load_model(state, model=model)
    return str(caught.value)


def test_a_wrong_shape_is_reported_with_both_shapes(state: State) -> None:
    state[STEM] = torch.zeros(16, 3, 5, 5)
    for model in ("auto", "mobilevit_xxs"):
        message = refusal(state, model)
        assert f"wrong shape: {STEM} is [16, 3, 5, 5], expected [16, 3, 3, 3]" in message
        assert "mobilevit_xxs" in message


def test_a_stem_without_channels_is_a_wrong_shape(state: State) -> None:
    state[STEM] = torch.zeros(())
    assert f"wrong shape: {STEM} is [], expected [16, 3, 3, 3]" in refusal(state)


def with_stem_of(state: State, channels: int) -> State:
    return state | {STEM: torch.rand(16, channels, 3, 3)}


@pytest.mark.parametrize("name", ["auto", "mobilevit_xxs"])
@pytest.mark.parametrize("channels", [1, 4])
@torch.inference_mode()
def test_a_stem_of_another_channel_count_loads_and_runs(
    state: State, channels: int, name: str
) -> None:
    state = with_stem_of(state, channels)
    model = me.load_model(state, model=name)
    assert (model.spec.name, model.spec.in_channels) == ("mobilevit_xxs", channels)
    assert torch.equal(model.state_dict()["stem.conv.weight"], state[STEM])
    assert model(torch.rand(1, channels, 64, 64)).shape == (1, 4)
    assert me.complexity(model, 64).macs != me.complexity(me.load_model(original()), 64).macs


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_050"])
@pytest.mark.parametrize("channels", [1, 4])
def test_the_channel_count_is_recognized_under_all_names(
    naming: Naming, name: str, channels: int
) -> None:
    source = me.create_model(with_in_channels(SPECS[name], channels), num_classes=2)
    model = me.load_model(named_weights(source, naming))
    assert model.spec == with_in_channels(SPECS[name], channels)


@pytest.mark.parametrize("channels", [2, 5, 6, 12])
@pytest.mark.parametrize("model", ["auto", "mobilevit_xxs"])
def test_a_channel_count_that_no_image_has_is_refused(
    state: State, channels: int, model: str
) -> None:
    message = refusal(with_stem_of(state, channels), model)
    assert f"{STEM} [16, {channels}, 3, 3] takes images of {channels} channels" in message
    assert "1, 3, 4" in message


def test_weights_of_another_channel_count_do_not_fit_a_model(state: State) -> None:
    model = me.create_model("mobilevit_xxs", num_classes=4)
    with pytest.raises(CheckpointError, match=r"\[16, 1, 3, 3\], expected \[16, 3, 3, 3\]"):
        me.load_weights(model, with_stem_of(state, 1))


def test_a_missing_tensor_is_reported_with_the_nearest_name(state: State) -> None:
    name = "stages.2.1.conv_kxk.conv.weight"
    state["stages.2.1.conv_3x3.conv.weight"] = state.pop(name)
    message = refusal(state, "mobilevit_xxs")
    expected = (
        f"missing: {name} [48, 48, 3, 3]; nearest is stages.2.1.conv_3x3.conv.weight [48, 48, 3, 3]"
    )
    assert expected in message
    assert "unexpected: stages.2.1.conv_3x3.conv.weight" in message


def test_a_recognized_model_is_not_called_the_wrong_one(state: State) -> None:
    extra = state | {"stages.9.weight": torch.zeros(5)}
    assert "choose another model" in refusal(extra, "mobilevit_xxs")
    message = refusal(extra)
    assert "choose another model" not in message
    assert "unexpected: stages.9.weight [5]" in message
    assert "remove from the state dict" in message


def test_a_truncated_head_is_refused(state: State) -> None:
    del state["head.fc.bias"]
    assert "missing: head.fc.bias [4]" in refusal(state)


@pytest.mark.parametrize("shape", [(), (320,), (0, 320), (4, 320, 1)])
def test_a_head_of_another_form_is_refused(state: State, shape: tuple[int, ...]) -> None:
    state[HEAD] = torch.zeros(shape)
    assert HEAD in refusal(state)


def test_another_size_of_the_same_family_is_refused_with_a_short_list(state: State) -> None:
    message = refusal(state, "mobilevit_s")
    assert "does not fit mobilevit_s" in message
    assert re.search(r"\.\.\. and \d+ more", message)
    assert len(message.splitlines()) < 40


def test_a_head_of_another_class_count_is_refused_and_the_model_keeps_its_weights(
    state: State,
) -> None:
    model = me.create_model("mobilevit_xxs", num_classes=5)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(
        CheckpointError, match=r"head\.fc\.weight is \[4, 320\], expected \[5, 320\]"
    ):
        me.load_weights(model, state)
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("key", [STEM, "stem.bn.running_var", "head.fc.bias"])
def test_weights_that_are_not_finite_are_refused(state: State, key: str, value: float) -> None:
    state[key] = state[key].clone()
    state[key].view(-1)[-1] = value
    message = refusal(state)
    assert key in message
    assert "NaN or Inf" in message


def test_a_double_that_fp32_has_no_room_for_is_refused(state: State) -> None:
    state[HEAD] = state[HEAD].double()
    state[HEAD][0, 0] = 1e300
    assert f"{HEAD} holds NaN or Inf, or what torch.float32 has no room for" in refusal(state)


def quantized(tensor: Tensor) -> Tensor:
    return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)


ODD_TENSORS: dict[str, Callable[[Tensor], Tensor]] = {
    "quantized": quantized,
    "sparse": Tensor.to_sparse,
    "int8": lambda tensor: tensor.to(torch.int8),
    "bool": lambda tensor: tensor > 0,
    "complex": lambda tensor: tensor.to(torch.complex64),
    "float8": lambda tensor: tensor.to(torch.float8_e4m3fn),
    "meta": lambda tensor: tensor.to("meta"),
}


@pytest.mark.filterwarnings("ignore:.*quantiz.*")
@pytest.mark.parametrize("kind", ODD_TENSORS)
def test_tensors_that_are_no_plain_floats_are_refused_by_name(state: State, kind: str) -> None:
    state[HEAD] = ODD_TENSORS[kind](state[HEAD])
    assert HEAD in refusal(state)


GIANT = """
import resource, sys, torch
import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError
state = torch.load(sys.argv[1], weights_only=True)
resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
try:
    me.load_model(state)
except CheckpointError as error:
    print(f"CheckpointError: {error}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on address space")
def test_a_tiny_file_that_claims_a_giant_tensor_is_refused(tmp_path: Path, state: State) -> None:
    # One number seen through stride 0: 4 bytes on disk, 1.3 TB when copied.
    classes = 10**9
    state[HEAD] = torch.zeros(1).expand(classes, 320)
    state["head.fc.bias"] = torch.zeros(1).expand(classes)
    path = tmp_path / "giant.pt"
    torch.save(state, path)
    assert path.stat().st_size < 10 * 2**20
    done = subprocess.run(
        [sys.executable, "-c", GIANT, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("CheckpointError: "), done.stderr
    assert "head.fc" in done.stdout


def test_keys_of_another_architecture_are_refused_with_a_sample() -> None:
    resnet = {
        "conv1.weight": torch.zeros(64, 3, 7, 7),
        "bn1.weight": torch.zeros(64),
        "layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3),
        "fc.weight": torch.zeros(1000, 512),
    }
    message = refusal(resnet)
    assert "not a checkpoint of a MobileViT" in message
    assert "conv1.weight, bn1.weight, layer1.0.conv1.weight" in message


def test_another_network_with_a_stem_of_the_same_name_is_refused() -> None:
    # RegNet in timm begins with stem.conv.weight too.
    regnet = {
        "stem.conv.weight": torch.zeros(32, 3, 3, 3),
        "stem.bn.weight": torch.zeros(32),
        "s1.b1.conv1.conv.weight": torch.zeros(24, 32, 1, 1),
        "head.fc.weight": torch.zeros(1000, 368),
    }
    assert "fits none of the 19 models" in refusal(regnet)


def test_an_empty_state_dict_is_refused() -> None:
    assert "holds no tensors" in refusal({})


def test_an_unknown_model_name_is_refused_with_the_choices(state: State) -> None:
    with pytest.raises(ValueError, match=r"'resnet50'.*mobilevit_xxs"):
        me.load_model(state, model="resnet50")


def test_the_real_file_gives_the_same_weights_in_both_formats(realdata: Path) -> None:
    first, second = (
        me.load_model(realdata / "corn" / f"mobilevit_corn1{suffix}").state_dict()
        for suffix in (".pth", ".safetensors")
    )
    assert first["head.weight"].shape == (5, 320)
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


@pytest.mark.parametrize("size", [224, 256])
@torch.inference_mode()
def test_a_real_model_gives_timms_logits_on_real_photos(realdata: Path, size: int) -> None:
    folder = realdata / "corn"
    model = me.load_model(folder / "mobilevit_corn1.safetensors")
    recipe = Preprocessing("RGB", "stretch", "bilinear", 1.0, (size, size), "the data's README")
    with (folder / "corn_xxs_timm_logits.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["size"] == str(size)][::12]
    assert len(rows) >= 8
    for row in rows:
        image = load_image(folder / "images" / row["file"])
        logits = model(torch.from_numpy(preprocess_image(image, recipe, (size, size)))[None])[0]
        columns = [value for key, value in row.items() if key.startswith("logit")]
        expected = np.array([float(value) for value in columns])
        assert np.abs(logits.numpy() - expected).max() / np.abs(expected).max() < 1e-4


@torch.inference_mode()
def test_a_real_embedding_model_loads_with_its_512_outputs(realdata: Path) -> None:
    folder = realdata / "v2embed"
    model = me.load_model(folder / "mobilevitv2_050_clip512_timm.safetensors")
    assert (model.spec.name, model.num_classes) == ("mobilevitv2_050", 512)
    recipe = Preprocessing("RGB", "stretch", "bilinear", 1.0, (256, 256), "the data's README")
    with np.load(folder / "expected_ort_fp16.npz") as recorded:
        files, expected = recorded["files"][:3], recorded["embeddings"][:3]
    for name, embedding in zip(files, expected, strict=True):
        image = load_image(realdata / "corn" / "images" / str(name))
        pixels = torch.from_numpy(preprocess_image(image, recipe, (256, 256)))
        found = model(pixels[None])[0].numpy()
        # The recorded embeddings were computed in fp16.
        assert np.abs(found - embedding).max() / np.abs(embedding).max() < 1e-2
