"""Files and state dicts that are no checkpoints: recognized by content, with the way out."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import filled_model


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name in names:
            target.writestr(name, "x")
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(2))
    return buffer.getvalue()


def exported_program() -> bytes:
    program = torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def paddle() -> bytes:
    content = {"w": np.ones(2), "StructuredToParameterName@@": {"w": "linear_0.w_0"}}
    return pickle.dumps(content, protocol=4)


def gguf() -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, 1, 1)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 22400000\n"
ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.4.0:\xa3\x02"
FILES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "lfs_pointer": (lambda: POINTER, "Git LFS pointer", "git lfs pull"),
    "html": (lambda: b"<!DOCTYPE html>\n<html>", "web page", "download the file itself"),
    "html_after_blanks": (lambda: b"\xef\xbb\xbf\n\n <html lang=en>", "web page", "download"),
    "xml": (lambda: b'<?xml version="1.0"?><Error>AccessDenied</Error>', "web page", "download"),
    "pdparams": (paddle, "PaddlePaddle", "PyTorch weights of the same model"),
    "h5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(600), "HDF5.*Keras", "PyTorch weights"),
    "keras": (
        lambda: archive("metadata.json", "config.json", "model.weights.h5"),
        r"Keras model \(\.keras\)",
        "PyTorch weights",
    ),
    "onnx": (lambda: ONNX, "ONNX model", "checkpoint that it was exported from"),
    "tflite": (lambda: b"\x1c\0\0\0TFL3" + bytes(90), "TensorFlow Lite", "exported from"),
    "executorch": (lambda: b"\x1c\0\0\0ET12" + bytes(90), "ExecuTorch program", "exported from"),
    "pt2": (exported_program, r"exported program \(\.pt2\)", "exported from"),
    "pt2_of_older_torch": (
        lambda: archive("serialized_exported_program.json", "serialized_state_dict.pt", "version"),
        r"exported program \(\.pt2\)",
        "exported from",
    ),
    "gguf": (gguf, "GGUF", "PyTorch weights"),
    "torchscript": (
        lambda: archive("m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"),
        "TorchScript archive",
        "save the state dict",
    ),
    "torchscript_without_code": (
        lambda: archive("m/data.pkl", "m/constants.pkl"),
        "TorchScript archive",
        "save the state dict",
    ),
    "coreml": (
        lambda: archive("m.mlpackage/Data/com.apple.CoreML/model.mlmodel"),
        "Core ML package",
        "exported from",
    ),
    "npy": (lambda: b"\x93NUMPY\x01\0" + bytes(90), "NumPy array", "save_file"),
    "npz": (npz, "archive of NumPy arrays", "save_file"),
    "gzip": (lambda: b"\x1f\x8b\x08" + bytes(90), "archive", "unpack it first"),
    "tar": (lambda: bytes(257) + b"ustar\x0000" + bytes(300), "tar archive", "unpack it first"),
    "plain_pickle": (
        lambda: pickle.dumps({"a.weight": [1.0]}),
        "pickle that torch.save did not write",
        "save_file",
    ),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".bin", ""])
@pytest.mark.parametrize("kind", FILES)
def test_another_kind_of_file_is_named_with_the_way_out(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    write, name, way_out = FILES[kind]
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(write())
    with pytest.raises(CheckpointError, match=rf"(?s){path.name}.*{name}.*{way_out}") as caught:
        me.read_checkpoint(path)
    assert len(str(caught.value)) < 2000


@lru_cache(maxsize=1)
def weights() -> dict[str, Tensor]:
    return named_weights(filled_model("mobilevit_xxs", num_classes=2), "timm")


def with_adapter() -> dict[str, Tensor]:
    layer = "stages.2.1.transformer.0.attn.qkv"
    return weights() | {
        f"{layer}.lora_A.default.weight": torch.zeros(4, 64),
        f"{layer}.lora_B.default.weight": torch.zeros(192, 4),
    }


def quantized() -> dict[str, Tensor]:
    return weights() | {"stem.conv.scale": torch.ones(()), "stem.conv.zero_point": torch.zeros(())}


def peft() -> dict[str, Tensor]:
    prefix = "base_model.model.stages.2.1.transformer.0.attn.qkv"
    return {f"{prefix}.lora_A.weight": torch.zeros(4, 64)}


def packed() -> dict[str, object]:
    linear = {"_packed_params.dtype": torch.qint8, "_packed_params._packed_params": None}
    rest = {f"head.fc.{key}": value for key, value in linear.items()}
    return {"head.fc.scale": torch.ones(()), "head.fc.zero_point": torch.zeros(()), **rest}


def optimizer() -> dict[str, object]:
    parameter = nn.Parameter(torch.ones(2))
    made = torch.optim.AdamW([parameter])
    parameter.grad = torch.ones(2)
    made.step()
    return made.state_dict()


CONTENTS: dict[str, tuple[Callable[[], object], str, str]] = {
    "quantized": (quantized, "quantized model's state dict", "pass the float checkpoint"),
    "quantized_packed": (packed, "quantized model's state dict", "pass the float checkpoint"),
    "adapter_alone": (peft, "LoRA adapter", "merge_and_unload"),
    "adapter_attached": (with_adapter, "LoRA adapter", "merge_and_unload"),
    "optimizer": (optimizer, "an optimizer's state", "the model's own weights"),
    "optimizer_in_a_checkpoint": (
        lambda: {"epoch": 3, "optimizer_state_dict": optimizer()},
        "an optimizer's state",
        "the model's own weights",
    ),
    "numpy_arrays": (
        lambda: {"stem.conv.weight": np.ones((16, 3, 3, 3), np.float32)},
        "NumPy arrays in place of tensors",
        "torch.from_numpy",
    ),
    "own_names": (
        lambda: filled_model("mobilevit_xxs", num_classes=2).state_dict(),
        "this package's own names",
        "save_weights",
    ),
}


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: {"epoch": 1, "state_dict": c}])
@pytest.mark.parametrize("kind", CONTENTS)
def test_a_state_dict_of_another_kind_is_named_with_the_way_out(
    tmp_path: Path, kind: str, wrap: Callable[[object], object]
) -> None:
    write, name, way_out = CONTENTS[kind]
    path = tmp_path / "weights.pt"
    torch.save(wrap(write()), path)
    with pytest.raises(CheckpointError, match=rf"{path.name}.*{name}.*{way_out}"):
        me.read_checkpoint(path)


ODD_WEIGHTS: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "quantized": (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "_rebuild_qtensor"),
    "sparse": (Tensor.to_sparse, "_rebuild_sparse_tensor"),
    "meta": (lambda t: t.to("meta"), "_rebuild_meta_tensor"),
    "numpy": (lambda t: t.numpy(), "numpy.*_reconstruct"),
    "number": (lambda t: 3.0, "float"),
    "list": (lambda t: t.tolist(), "list"),
}


@pytest.mark.filterwarnings("ignore:.*quantiz.*", "ignore:.*QTensor.*")
@pytest.mark.parametrize("key", ["head.fc.weight", "stem.bn.bias"])
@pytest.mark.parametrize("kind", ODD_WEIGHTS)
def test_what_is_no_tensor_in_the_place_of_a_weight_is_not_taken_for_missing(
    tmp_path: Path, kind: str, key: str
) -> None:
    change, name = ODD_WEIGHTS[kind]
    path = tmp_path / "weights.pt"
    torch.save(weights() | {key: change(weights()[key])}, path)
    with pytest.raises(CheckpointError, match=rf"{key} is no plain tensor but .*{name}"):
        me.read_checkpoint(path)


def test_another_network_with_its_optimizer_is_called_no_optimizer(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"optimizer": optimizer(), "model": {"conv1.weight": torch.ones(2)}}, path)
    with pytest.raises(CheckpointError, match=r"its first names are conv1\.weight"):
        me.read_checkpoint(path)
