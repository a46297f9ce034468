"""ONNX files for the NPU: what they hold, what they answer, what they refuse."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from converters.targets.onnx import runtime
from converters.targets.onnx.npu.unit import OPERATORS, REWRITES
from mobilevit_edge.formats.bundle import read_bundle
from tests.support.exports import Bundles, Checkpoints, Command, Reference
from tests.support.images import as_float, noise, relative_error
from tests.support.npu import assert_what_the_unit_takes

FP32 = 2e-5
BUNDLES = ("v1_npu", "v2_npu", "v3_tokens_npu", "v3_maps_npu")


@pytest.mark.parametrize(
    ("name", "source", "batch", "size"),
    [
        ("v2_npu", "v2", 2, (64, 64)),
        ("v3_tokens_npu", "v3_tokens", 1, (72, 72)),
    ],
)
def test_they_give_what_the_reference_gives(
    bundle: Bundles,
    reference: Reference,
    name: str,
    source: str,
    batch: int,
    size: tuple[int, int],
) -> None:
    x = as_float(noise(batch, *size), "BGR" if source == "v2" else "RGB")
    found = runtime.load(bundle(name) / "model.onnx").run(x)
    assert relative_error(found, reference(source, x)) < FP32


@pytest.mark.parametrize(
    ("name", "source", "size", "mean"),
    [
        ("v1_npu", "v1", (64, 64), 0.5),
        ("v3_maps_npu", "v3_maps", (64, 96), 0.0),
    ],
)
def test_bytes_are_what_the_unit_reads_as_quantized_pixels(
    bundle: Bundles,
    reference: Reference,
    name: str,
    source: str,
    size: tuple[int, int],
    mean: float,
) -> None:
    pixels = noise(1, *size)
    found = runtime.load(bundle(name) / "model.onnx").run(pixels)
    order = "BGR" if source == "v1" else "RGB"
    expected = reference(source, as_float(pixels, order) - np.float32(mean))
    assert relative_error(found, expected) < FP32
    graph = onnx.load(bundle(name) / "model.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert kinds[0] == "DequantizeLinear"
    assert "Cast" not in kinds
    # They move as the bytes that they are, where nothing is subtracted before.
    between = ["Sub", "SpaceToDepth"] if mean else ["SpaceToDepth", kinds[3], kinds[0]]
    assert kinds[1 : kinds.index("Conv")] == ["Transpose", *between]
    assert mean or kinds[3] == "QuantizeLinear"


@pytest.mark.parametrize("name", BUNDLES)
def test_they_hold_fixed_shapes_of_four_axes_and_only_what_the_unit_takes(
    bundle: Bundles, name: str
) -> None:
    assert_what_the_unit_takes(bundle, name, REWRITES)


def test_a_norm_of_maps_is_followed_by_the_product_and_sum_that_the_compiler_knows_it_by(
    bundle: Bundles,
) -> None:
    graph = onnx.load(bundle("v2_npu") / "model.onnx").graph
    readers = {name: node for node in graph.node for name in node.input}
    norms = [node for node in graph.node if node.op_type == "InstanceNormalization"]
    assert norms
    for norm in norms:
        kinds = []
        node = norm
        for _ in range(3):
            node = readers[node.output[0]]
            kinds.append(node.op_type)
        assert kinds == ["Reshape", "Mul", "Add"]


def test_a_norm_of_tokens_ends_with_a_weight_of_ones(bundle: Bundles) -> None:
    graph = onnx.load(bundle("v1_npu") / "model.onnx").graph
    constants = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}
    readers = {name: node for node in graph.node for name in node.input}
    roots = [node for node in graph.node if node.op_type == "Sqrt"]
    assert len(roots) == 2 * 2 + 2
    for root in roots:
        scaled = readers[readers[root.output[0]].output[0]]
        weighted = readers[scaled.output[0]]
        assert (scaled.op_type, weighted.op_type) == ("Mul", "Mul")
        (weight,) = (constants[name] for name in weighted.input if name in constants)
        assert weight.shape == (16,)
        assert (weight == 1).all()


def test_the_export_says_that_the_unit_has_not_seen_it(
    export: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    given = ("--target", "onnx", "--unit", "npu", "--image-size", "32")
    finished = export("--weights", checkpoint("v1_lean"), *given, "--output", tmp_path / "bundle")
    assert finished.code == 0, finished.err
    assert "the NPU, which has not seen it" in finished.out
    assert "mobilevit-bench npu" in finished.out


@pytest.mark.parametrize("name", ["v1_lean", "v2_lean"])
def test_a_file_in_fp16_is_the_same_program_in_half_of_the_bytes(
    export: Command, checkpoint: Checkpoints, tmp_path: Path, name: str
) -> None:
    given = ("--target", "onnx", "--unit", "npu", "--image-size", "32", "--raw-input")
    place = tmp_path / "half"
    finished = export(
        "--weights", checkpoint(name), *given, "--precision", "fp16", "--output", place
    )
    assert finished.code == 0, finished.err
    model = onnx.load(place / "model.onnx")
    types = {constant.data_type for constant in model.graph.initializer}
    assert types <= {onnx.TensorProto.FLOAT16, onnx.TensorProto.UINT8, onnx.TensorProto.INT64}
    kinds = Counter(node.op_type for node in model.graph.node)
    assert set(kinds) <= OPERATORS
    # One for the output: what apps read is fp32.
    assert kinds["Cast"] == 1
    assert not kinds["Sqrt"]
    assert bool(kinds["RMSNormalization"]) == (name == "v1_lean")
    verification = read_bundle(place).manifest.verification
    assert verification is not None
    # 11 bits in a dozen layers, and not those of fp32.
    assert 1e-5 < max(case.relative_error for case in verification.cases) < 5e-3


def test_the_cpus_files_are_what_they_were(bundle: Bundles) -> None:
    assert bundle.manifest("v1").unit == "cpu"
    kinds = Counter(n.op_type for n in onnx.load(bundle("v1") / "model.onnx").graph.node)
    assert not {"DequantizeLinear", "SpaceToDepth", "DepthToSpace"} & set(kinds)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--batch", "dynamic"), "needs a fixed batch"),
        (("--image-size", "dynamic"), "needs one image size"),
        (("--precision", "int8-dynamic"), "has no int8-dynamic; it supports fp32, fp16"),
        (("--precision", "fp16", "--opset", "21"), "fp16 needs operators of --opset 23"),
        (("--target", "executorch"), "--target onnx"),
        (("--unit", "gpu"), "gpu"),
    ],
)
def test_what_the_unit_cannot_have_is_refused_at_once(
    export: Command, checkpoint: Checkpoints, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    given = ("--target", "onnx", "--unit", "npu", *options, "--output", tmp_path / "bundle")
    finished = export("--weights", checkpoint("v1"), *given)
    assert finished.code == 2
    assert reason in finished.err
    assert not (tmp_path / "bundle").exists()


def test_an_operator_that_the_unit_does_not_take_breaks_the_contract(
    export: Command,
    checkpoint: Checkpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = OPERATORS - {"Sigmoid"}
    monkeypatch.setattr("converters.targets.onnx.target.OPERATORS", taken)
    given = ("--target", "onnx", "--unit", "npu", "--image-size", "32")
    finished = export("--weights", checkpoint("v1_lean"), *given, "--output", tmp_path / "bundle")
    assert finished.code == 5
    assert "Sigmoid in stem.act: not among the operators that the unit takes" in finished.err
