"""The file that was written is verified, and a failed run leaves everything as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from converters.targets.loaded import Array
from tests.support.exports import RECIPES, Bundles, Checkpoints, Command, ConvertsTo, state_of

pytestmark = pytest.mark.backend


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def perturbed(change: Callable[[Array], Array], *, dims: int) -> Callable[[Any], None]:
    def apply(proto: Any) -> None:
        tensor = next(i for i in proto.graph.initializer if len(i.dims) == dims)
        array = change(numpy_helper.to_array(tensor).copy())
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))

    return apply


def second_row_wrong(proto: Any) -> None:
    output = proto.graph.output[0].name
    for node in proto.graph.node:
        node.output[:] = ["before" if name == output else name for name in node.output]
    shift = np.zeros((3, 1), np.float32)
    shift[1] = 0.5
    proto.graph.initializer.append(numpy_helper.from_array(shift, "shift"))
    proto.graph.node.append(onnx.helper.make_node("Add", ["before", "shift"], [output]))


def nan_weight(array: Array) -> Array:
    array.flat[0] = np.nan
    return array


FAULTS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "the stem's weights are 1 percent too large": ("v1", perturbed(lambda w: w * 1.01, dims=4)),
    "the stem sees RGB for BGR": ("v1", perturbed(lambda w: w[:, ::-1].copy(), dims=4)),
    "a weight is NaN": ("v1", perturbed(nan_weight, dims=4)),
    "a matrix is transposed in place": (
        "v1",
        perturbed(lambda w: np.ascontiguousarray(w.T).reshape(w.shape), dims=2),
    ),
    "the second image of a batch is wrong": ("v2_softmax", second_row_wrong),
}


@pytest.fixture
def arguments(checkpoint: Checkpoints, place: Path) -> Callable[[str], list[object]]:
    """An export's arguments for a recipe; its output is ``place/bundle``."""

    def make(name: str) -> list[object]:
        source, extra = RECIPES["onnx"][name]
        weights = ["--target", "onnx", "--weights", checkpoint(source)]
        return [*weights, *extra, "--output", place / "bundle"]

    return make


@pytest.mark.parametrize("older", [False, True], ids=["fresh", "over an older bundle"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_fails_verification_and_leaves_the_disk_as_it_was(
    bundle: Bundles,
    export: Command,
    converts_to: ConvertsTo,
    arguments: Callable[[str], list[object]],
    place: Path,
    fault: str,
    older: bool,
) -> None:
    name, apply = FAULTS[fault]
    proto = onnx.load(bundle(name) / "model.onnx")
    apply(proto)
    if older:
        shutil.copytree(bundle("v2_softmax"), place / "bundle")
    converts_to(lambda path: path.write_bytes(proto.SerializeToString()))
    before = contents(place)
    finished = export(*arguments(name))
    assert finished.code == 6, finished.err
    assert finished.out == ""
    assert "Traceback" not in finished.err
    assert contents(place) == before
    assert [p.name for p in place.iterdir()] == (["bundle"] if older else [])


def test_a_faultless_file_replaces_an_older_bundle(
    bundle: Bundles,
    export: Command,
    converts_to: ConvertsTo,
    arguments: Callable[[str], list[object]],
    place: Path,
) -> None:
    good = bundle("v1") / "model.onnx"
    shutil.copytree(bundle("v2_softmax"), place / "bundle")
    converts_to(lambda path: shutil.copy(good, path))
    finished = export(*arguments("v1"))
    assert finished.code == 0, finished.err
    assert contents(place / "bundle") == contents(bundle("v1"))


def test_a_file_that_does_not_load_is_a_failed_conversion(
    bundle: Bundles,
    export: Command,
    converts_to: ConvertsTo,
    arguments: Callable[[str], list[object]],
    place: Path,
) -> None:
    half = (bundle("v1") / "model.onnx").read_bytes()
    half = half[: len(half) // 2]
    converts_to(lambda path: path.write_bytes(half))
    finished = export(*arguments("v1"))
    assert finished.code == 5, finished.err
    assert list(place.iterdir()) == []


def test_outputs_too_large_for_fp16_fail_the_conversion_and_name_fp32(
    export: Command, tmp_path: Path, place: Path
) -> None:
    state = state_of("v2")
    state["classifier.1.bias"] += 1e6
    torch.save(state, tmp_path / "large.pt")
    finished = export(
        *("--target", "onnx", "--weights", tmp_path / "large.pt", "--precision", "fp16"),
        *("--image-size", "32", "--output", place / "bundle"),
    )
    assert finished.code == 5, finished.err
    assert "fp32" in finished.err
    assert list(place.iterdir()) == []
