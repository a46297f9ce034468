"""ONNX files for the NPU whose parts compute in 8 bits, 16 bits or float."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from converters.job.wrapping import example_input
from converters.precision.split_gates import apply_split_gates
from converters.progress import no_progress
from converters.targets.loaded import Array
from converters.targets.onnx.conversion import export_graph
from converters.targets.onnx.npu import compiler
from converters.targets.onnx.npu.chips import CHIPS
from converters.targets.onnx.npu.compiler import Compilation, compile_for
from converters.targets.onnx.npu.norms import fuse_norms
from converters.targets.onnx.npu.quantized import mixing
from converters.targets.onnx.npu.quantized.layout import MOVES, Layout, masked_parts
from converters.targets.onnx.npu.quantized.mixing import choose_widths
from converters.targets.onnx.npu.quantized.quantize import Calibrated, possible_widths
from converters.targets.onnx.npu.quantized.widths import Width, Widths, width_at, widths_of
from converters.targets.onnx.npu.unit import OPERATORS, dequantize_pixels
from converters.targets.onnx.runtime import open_session
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.specs import SPECS
from tests.support.exports import Checkpoints, Command
from tests.support.images import noise, relative_error, save_smooth
from tests.support.jobs import job_of, module_of
from tests.support.networks import FAMILIES, Family, tiny_spec

TRANSFORMERS = ("layer2.2.layers", "layer3.1.layers")
IN_8: Widths = {"": 8, **dict.fromkeys(TRANSFORMERS, 0)}
TOKENS_IN_16: Widths = {"": 8, "layer2.2.layers": 16, "layer3.1.layers": 0}


@lru_cache
def calibrated(family: Family, *, bytes_in: bool = True) -> Calibrated:
    """The float graph of a tiny network, its gates split, and eight noisy images."""
    job = job_of(model=tiny_spec(family).name, unit="npu", raw_input=bytes_in)
    module = module_of(job)
    # One draw of noise is like another: contrast differs.
    batches: list[Array] = [
        (noise(1, 64, 64) * (index + 1) / 8).astype(np.uint8) for index in range(8)
    ]
    if not bytes_in:
        batches = [image.transpose(0, 3, 1, 2).astype(np.float32) / 255 for image in batches]
    apply_split_gates(module, [torch.from_numpy(batch) for batch in batches])
    names = {"input_names": ["image"], "output_names": ["logits"]}
    model = export_graph(module, (example_input(job),), **names)  # type: ignore[arg-type]
    dequantize_pixels(model.graph)
    return Calibrated(model, tuple(batches))


def quantized(family: Family, widths: Widths, *, bytes_in: bool = True) -> onnx.ModelProto:
    """The graph of :func:`calibrated` with these integers; read it, never change it."""
    return _quantized(family, tuple(widths.items()), bytes_in)


@lru_cache
def _quantized(
    family: Family, widths: tuple[tuple[str, Width], ...], bytes_in: bool
) -> onnx.ModelProto:
    return calibrated(family, bytes_in=bytes_in).quantized(dict(widths), no_progress)


def answers(model: onnx.ModelProto, batches: tuple[Array, ...]) -> Array:
    session = open_session(model.SerializeToString())
    return np.concatenate([session.run(None, {"image": batch})[0] for batch in batches])


def producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


@pytest.mark.parametrize("family", FAMILIES)
def test_8_bits_answer_nearly_as_float(family: Family) -> None:
    given = calibrated(family)
    model = quantized(family, IN_8)
    onnx.checker.check_model(model, full_check=True)
    expected = answers(given.model, given.batches)
    # The noise of 8 bits in a dozen layers; answers that have nothing to do with it are above 1.
    assert np.linalg.norm(answers(model, given.batches) - expected) < 0.15 * np.linalg.norm(
        expected
    )


def test_16_bits_answer_nearer_than_8() -> None:
    given = calibrated("v1")
    expected = answers(given.model, given.batches)
    errors = [
        np.linalg.norm(answers(quantized("v1", widths), given.batches) - expected)
        for widths in (TOKENS_IN_16, IN_8)
    ]
    wide: Widths = {"": 16, "layer2.2.layers": 16, "layer3.1.layers": 0}
    in_16 = answers(quantized("v1", wide), given.batches)
    # Weights have 8 bits in both.
    assert np.linalg.norm(in_16 - expected) < 0.8 * min(errors)


@pytest.mark.parametrize(
    ("family", "widths", "bytes_in"),
    [
        ("v1", IN_8, True),
        ("v1", TOKENS_IN_16, True),
        ("v2", IN_8, True),
        ("v3_maps", IN_8, True),
        # What goes in is the same for every family.
        ("v1", IN_8, False),
        ("v1", TOKENS_IN_16, False),
    ],
)
def test_integers_meet_float_only_in_pairs(
    family: Family, widths: Widths, *, bytes_in: bool
) -> None:
    given = calibrated(family, bytes_in=bytes_in)
    model = quantized(family, widths, bytes_in=bytes_in)
    made = producers(model)
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    read_by: dict[str, set[str]] = {}
    for node in model.graph.node:
        assert node.op_type in OPERATORS
        for name in node.input:
            read_by.setdefault(name, set()).add(node.op_type)
    layout = Layout(at_opset_of(model, given.model).graph, widths)
    checked = 0
    for before in layout.graph.node:
        width = layout.width(before)
        (node,) = (n for n in model.graph.node if n.name == before.name)
        if not width:
            assert all(made[i].op_type != "QuantizeLinear" for i in node.input if i in made)
            continue
        checked += 1
        assert all(read_by[name] == {"QuantizeLinear"} for name in node.output)
        # What is left of constants says how to move.
        assert all(constants[i].dtype == np.int64 for i in node.input if i in constants)
        sources = [made[name] for name in node.input if name and name not in constants]
        assert {source.op_type for source in sources} == {"DequantizeLinear"}
        data = sources[:1] if node.op_type == "Conv" else sources
        assert {constants[source.input[2]].dtype.itemsize * 8 for source in data} == {width}
    assert checked > 20


def at_opset_of(model: onnx.ModelProto, given: onnx.ModelProto) -> onnx.ModelProto:
    """The float graph that a quantized one was made of."""
    (version,) = (entry.version for entry in model.opset_import)
    if version == given.opset_import[0].version:
        return given
    converted = onnx.version_converter.convert_version(given, version)
    fuse_norms(converted.graph)
    return converted


def test_moves_change_no_scale() -> None:
    model = quantized("v1", TOKENS_IN_16)
    made = producers(model)
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    readers = {name: node for node in model.graph.node for name in node.input}
    moves = 0
    for node in model.graph.node:
        after = readers.get(node.output[0])
        if node.op_type not in MOVES or after is None or after.op_type != "QuantizeLinear":
            continue
        before = made[node.input[0]]
        if node.op_type != "Concat" and before.op_type == "DequantizeLinear":
            moves += 1
            assert constants[before.input[1]] == constants[after.input[1]]
            assert constants[before.input[2]] == constants[after.input[2]]
    assert moves > 5


def test_shares_have_the_units_own_scale_and_bytes_theirs() -> None:
    model = quantized("v1", TOKENS_IN_16)
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    readers = {name: node for node in model.graph.node for name in node.input}
    scales = set()
    for node in model.graph.node:
        after = readers.get(node.output[0])
        if node.op_type not in ("Sigmoid", "Softmax") or after is None:
            continue
        if after.op_type == "QuantizeLinear":
            scales.add((constants[after.input[2]].dtype.name, float(constants[after.input[1]])))
    assert scales == {("uint8", 2.0**-8), ("uint16", 2.0**-16)}
    first, *_ = model.graph.node
    assert first.op_type == "DequantizeLinear"
    # The stem reads the image's bytes as they are.
    assert constants[first.input[1]] == 1


def test_what_group_norms_read_stays_in_float() -> None:
    model = quantized("v2", IN_8)
    made = producers(model)
    norms = [node for node in model.graph.node if node.op_type == "InstanceNormalization"]
    assert norms
    for norm in norms:
        writer = made[norm.input[0]]
        while writer.op_type in MOVES:
            writer = made[writer.input[0]]
        assert writer.op_type in ("Conv", "Add")


def test_parts_with_masks_stay_in_float() -> None:
    graph = calibrated("v1").model.graph
    assert masked_parts(graph, TRANSFORMERS) == ("layer3.1.layers",)
    widths = possible_widths(graph, widths_of("w8a16", tiny_spec("v1")))
    assert widths == {"": 16, "layer2.2.layers": 16, "layer3.1.layers": 0}


@pytest.mark.parametrize("name", SPECS)
def test_every_models_layers_are_parts(name: str) -> None:
    spec = SPECS[name]
    tokens = spec.layout == "tokens"
    parts = [part for part in widths_of("w8a8", spec) if part]
    assert len(parts) == 3
    assert set(widths_of("w8a8", spec).values()) == {0, 8}
    assert set(widths_of("w8a16", spec).values()) == ({16} if tokens else {0, 16})


def test_the_innermost_part_counts() -> None:
    widths: Widths = {"": 8, "layer3": 16, "layer3.1.layers": 0, "head": 0}
    found = {
        module: width_at(widths, module)
        for module in ("stem.conv", "layer3.0.expand", "layer3.1.layers.0.act", "layer3.1.norm")
    }
    assert list(found.values()) == [8, 16, 0, 0]
    assert width_at(widths, "layer30.0") == 8
    assert width_at({}, "stem") == 0


def test_norms_of_tokens_become_one_operator_each() -> None:
    given = calibrated("v1")
    model = onnx.version_converter.convert_version(given.model, 23)
    assert fuse_norms(model.graph) == 6
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("RMSNormalization") == 6
    assert "Reciprocal" not in kinds
    onnx.checker.check_model(model, full_check=True)
    found = answers(model, given.batches)
    # fp32 in another order of operations.
    assert relative_error(found, answers(given.model, given.batches)) < 5e-6
    assert fuse_norms(calibrated("v2").model.graph) == 0


def played(patch: pytest.MonkeyPatch, cycles: Mapping[str, float]) -> list[set[str]]:
    """A compiler whose cycles are 1000, less what integers of 16 bits in some part save."""
    asked: list[set[str]] = []

    def compile_played(path: Path, chip: object) -> Compilation:
        graph = onnx.load(path).graph
        constants = {i.name: i.data_type for i in graph.initializer}
        wide = {
            part
            for part in cycles
            for node in graph.node
            if node.name.startswith(f"{part}.")
            and node.op_type == "QuantizeLinear"
            and constants[node.input[2]] == onnx.TensorProto.UINT16
        }
        asked.append(wide)
        left = 1000 - sum(cycles[part] for part in wide)
        return Compilation("sa8255", "1", 0.0, 1, {"cycles": int(left)}, (), None)

    patch.setattr(mixing, "compile_for", compile_played)
    return asked


@pytest.mark.parametrize(("gain", "width"), [(50.0, 16), (5.0, 0), (-50.0, 0)])
def test_layers_get_16_bits_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, gain: float, width: int
) -> None:
    asked = played(monkeypatch, {"layer2.2.layers": gain})
    chosen = choose_widths(calibrated("v1"), IN_8, ("stem",), no_progress, acceptable=10.0)
    assert chosen == {"": 8, "layer2.2.layers": width, "layer3.1.layers": 0}
    # The other part has a mask, and is not even compiled.
    assert asked == [set(), {"layer2.2.layers"}]


def test_what_does_most_harm_goes_back_to_float(monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, {})
    harm = {"stem": 0.3, "layer1.0": 0.1, "layer3.0": 0.2}
    left: list[Widths] = []

    def error(self: object, widths: Widths) -> float:
        left.append(widths)
        return sum(h for part, h in harm.items() if width_at(widths, part))

    monkeypatch.setattr(mixing._Trials, "error", error)
    chosen = choose_widths(calibrated("v1"), IN_8, tuple(harm), no_progress, acceptable=0.15)
    assert chosen == {**IN_8, "stem": 0, "layer3.0": 0}
    assert len(left) == 1 + 3 + 2


@pytest.mark.parametrize("name", ["q", "w"])
def test_a_graph_without_integers_is_the_float_one(name: str) -> None:
    given = calibrated("v2")
    model = given.quantized({name: 8}, no_progress)
    assert [n.op_type for n in model.graph.node] == [n.op_type for n in given.model.graph.node]


def test_constants_are_rounded_with_what_they_meet() -> None:
    layout = Layout(calibrated("v1").model.graph, IN_8)
    widths = {layout.width(node) for node in layout.graph.node}
    assert widths == {0, 8}
    assert all(
        layout.left_in(o) == layout.width(n) for n in layout.graph.node[1:] for o in n.output
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for index in range(8):
        save_smooth(folder / f"{index}.png", seed=index)
    return folder


def test_an_export_says_what_computes_in_what(
    export: Command, checkpoint: Checkpoints, photos: Path, tmp_path: Path
) -> None:
    place = tmp_path / "bundle"
    finished = export(
        *("--target", "onnx", "--unit", "npu", "--raw-input", "--image-size", "64"),
        *("--weights", checkpoint("v2"), "--precision", "w8a8", "--calibration", photos),
        *("--int8-keep", "layer1", "--output", place),
    )
    assert finished.code == 0, finished.err
    assert "in fp16" in finished.out
    manifest = read_bundle(place).manifest
    assert (manifest.unit, manifest.precision) == ("npu", "w8a8")
    assert manifest.kept_in_float == ("layer1", "layer2.2.layers.0", "layer3.1.layers.0")
    assert manifest.verification is not None
    proto = onnx.load(place / "model.onnx")
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(metadata["widths"]) == {**IN_8, "layer1": 0}
    assert metadata["precision"] == "w8a8"
    names = [node.name for node in proto.graph.node if node.op_type == "QuantizeLinear"]
    assert names
    assert not [name for name in names if name.startswith("layer1")]


def test_a_mixed_export_chooses_by_compiling(
    export: Command,
    checkpoint: Checkpoints,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = played(monkeypatch, {"layer2.2.layers": 50.0, "layer3.1.layers": 50.0})
    monkeypatch.setattr("converters.targets.onnx.npu.unit.require_compiler", lambda: "1")
    place = tmp_path / "bundle"
    finished = export(
        *("--target", "onnx", "--unit", "npu", "--raw-input", "--image-size", "64"),
        *("--weights", checkpoint("v1"), "--precision", "mixed", "--calibration", photos),
        *("--int8-keep", "stem", "--output", place),
    )
    assert finished.code == 0, finished.err
    assert "no redistribution" in finished.out
    # Without 16 bits, and with them; those of the last block have a mask.
    assert asked == [set(), {"layer2.2.layers"}]
    manifest = read_bundle(place).manifest
    assert manifest.precision == "mixed"
    proto = onnx.load(place / "model.onnx")
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    widths = json.loads(metadata["widths"])
    assert widths["layer2.2.layers"] == 16
    assert widths["stem"] == 0
    assert {"stem", "layer3.1.layers.0"} <= set(manifest.kept_in_float)
    assert proto.opset_import[0].version >= 23
    assert manifest.verification is not None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--unit", "cpu", "--precision", "w8a8"), "w8a8 is made for --unit npu"),
        (("--unit", "npu", "--precision", "int8"), "supports fp32, fp16, w8a16, w8a8, mixed"),
        (("--unit", "npu", "--precision", "w8a8", "--int8-keep", "auto"), "mixed chooses"),
        (("--unit", "npu", "--precision", "w8a16", "--opset", "21"), "--opset 23"),
        (("--target", "coreml", "--precision", "w8a8"), "coreml has no w8a8"),
    ],
)
def test_what_does_not_fit_the_unit_is_refused(
    export: Command, photos: Path, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    target = () if "--target" in options else ("--target", "onnx")
    given = ("--weights", "random", "--model", "mobilevit_xxs", "--calibration", photos)
    finished = export(*target, *given, *options, "--output", tmp_path / "bundle")
    assert finished.code == 2
    assert reason in finished.err


def test_the_float_precision_takes_no_calibration(export: Command, photos: Path) -> None:
    given = ("--target", "onnx", "--unit", "npu", "--weights", "demo", "--calibration", photos)
    finished = export(*given)
    assert finished.code == 2
    assert "--calibration belongs to --precision w8a16, w8a8, mixed, not fp32" in finished.err


def test_mixing_needs_the_compiler(
    export: Command, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "PACKAGE", "no_such_package")
    given = ("--target", "onnx", "--unit", "npu", "--weights", "demo", "--calibration", photos)
    finished = export(*given, "--precision", "mixed")
    assert finished.code == 3
    assert "no_such_package" in finished.err


@pytest.mark.skipif(
    find_spec(compiler.PACKAGE) is None, reason="onnxruntime-qnn is installed on request alone"
)
@pytest.mark.parametrize(
    ("family", "widths"), [("v1", IN_8), ("v1", TOKENS_IN_16), ("v2", IN_8), ("v3_tokens", IN_8)]
)
def test_the_compiler_takes_them_whole(family: Family, widths: Widths, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(quantized(family, widths), path)
    compiled = compile_for(path, CHIPS["sa8255"])
    assert compiled.reason is None
    assert compiled.figures["cycles"] > 0
