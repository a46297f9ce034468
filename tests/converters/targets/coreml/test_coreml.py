"""The Core ML package as written: what an app developer expects, and equal to the reference."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from converters.bundling.pipeline import export_bundle
from converters.checks import numerics
from converters.checks.cases import verification_cases
from converters.job.job import ExportJob
from converters.job.options import ExportOptions
from converters.targets.coreml import conversion, inspection, runtime
from converters.targets.coreml.evaluator.package import MilModel, read_package
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import ConversionError, VerificationError
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.installation import install_command
from tests.support.exports import Bundles, Checkpoints, Command, Reference, state_of
from tests.support.images import as_float, save_smooth
from tests.support.jobs import job_of

FAMILIES = ("v1", "v2", "v3_tokens", "v3_maps")
FP32 = 1e-5


def program_of(bundle: Bundle) -> MilModel:
    return read_package(bundle.model_path)


def spec_path(package: Path) -> Path:
    return package / "Data" / "com.apple.CoreML" / "model.mlmodel"


def spec_of(package: Path) -> Any:
    from coremltools.proto import Model_pb2

    return Model_pb2.Model.FromString(spec_path(package).read_bytes())


def kinds(bundle: Bundle, function: str | None = None) -> Counter[str]:
    operations = program_of(bundle).operations(function)
    return Counter(o.kind for o in operations if not o.is_constant)


def worst(bundle: Bundle) -> float:
    assert bundle.manifest.verification is not None
    return max(case.relative_error for case in bundle.manifest.verification.cases)


# Equality, from the file as written.


@pytest.mark.parametrize("name", [*FAMILIES, "real_v2"])
def test_every_family_computes_what_the_reference_computes(package: Bundles, name: str) -> None:
    bundle = package.read(name)
    assert worst(bundle) <= FP32
    assert bundle.manifest.verification is not None
    assert bundle.manifest.verification.by == "reference"
    assert bundle.manifest.verification.runtime.startswith("reference evaluator, torch ")
    assert bundle.manifest.coreml is not None
    assert bundle.manifest.coreml.core_ml_verification is None


def test_fp16_is_off_by_its_rounding_alone(package: Bundles) -> None:
    assert 1e-6 < worst(package.read("v2_fp16")) <= 2e-2
    types = Counter(
        output.type.dtype
        for operation in program_of(package.read("v2_fp16")).operations()
        if operation.kind == "conv"
        for output in operation.outputs
        if output.type is not None
    )
    assert set(types) == {"fp16"}


def test_the_packages_answer_is_the_models_own(package: Bundles, reference: Reference) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    answer = program_of(package.read("v1"))({"image": pixels})
    logits = reference("v1", as_float(pixels[None], "BGR"))
    assert np.abs(answer["logits"] - logits).max() <= FP32 * np.abs(logits).max()
    exponentials = np.exp(logits[0] - logits.max())
    probabilities = list(answer["classLabel_probs"].values())
    np.testing.assert_allclose(probabilities, exponentials / exponentials.sum(), atol=1e-6)
    assert answer["classLabel"] == package.read("v1").labels[int(logits.argmax())]


# What Xcode shows.


@pytest.mark.parametrize(("name", "space"), [("v1", "BGR"), ("v2", "RGB")])
def test_the_input_is_an_image_in_the_checkpoints_channel_order(
    package: Bundles, name: str, space: str
) -> None:
    (feature,) = spec_of(package.read(name).model_path).description.input
    image = feature.type.imageType
    assert (feature.name, image.height, image.width) == ("image", 64, 64)
    assert image.colorSpace == image.ColorSpace.Value(space)
    info = package.read(name).manifest.input
    assert (info.dtype, info.layout, info.shape) == ("uint8", "NHWC", (1, 64, 64, 3))
    assert (info.channel_order, info.scale) == ("RGB", 1.0)


def test_the_outputs_are_a_label_probabilities_and_logits(package: Bundles) -> None:
    description = spec_of(package.read("v2_fp16").model_path).description
    assert [o.name for o in description.output] == ["classLabel", "classLabel_probs", "logits"]
    assert description.predictedFeatureName == "classLabel"
    assert description.predictedProbabilitiesName == "classLabel_probs"
    logits = description.output[2].type.multiArrayType
    assert (list(logits.shape), logits.dataType) == ([1, 10], logits.ArrayDataType.Value("FLOAT32"))


def test_author_license_version_descriptions_and_preview_are_set(package: Bundles) -> None:
    given, default = (spec_of(package.read(name).model_path).description for name in ("v2", "v1"))
    assert (given.metadata.author, given.metadata.license) == ("A. Author", "MIT")
    assert "v1.pt" in default.metadata.author
    assert default.metadata.license
    assert default.metadata.versionString
    assert "tiny_mobilevit_xxs" in default.metadata.shortDescription
    assert all(f.shortDescription for f in (*default.input, *default.output))
    assert default.metadata.userDefined["com.apple.coreml.model.preview.type"] == "imageClassifier"


def test_operators_are_named_after_their_modules(package: Bundles) -> None:
    graph = inspection.read_graph(package.read("v1").model_path)
    products = [operator.module for operator in graph.operators if operator.kind == "matmul"]
    assert "layer3_1_layers_0_attention" in products
    convs = [operator for operator in graph.operators if operator.kind == "conv"]
    assert all(operator.module for operator in convs)


def test_nothing_but_the_package_itself_is_written(package: Bundles) -> None:
    folder = package.read("v1").model_path
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "Manifest.json",
        "Data/com.apple.CoreML/model.mlmodel",
        "Data/com.apple.CoreML/weights/weight.bin",
    }


# The contract.


@pytest.mark.parametrize("name", ["v2", "v3_maps", "v2_fp16", "real_v2"])
def test_separable_attention_is_made_of_elementwise_operators(package: Bundles, name: str) -> None:
    found = kinds(package.read(name))
    assert not found.keys() & {
        "gather",
        "gather_along_axis",
        "tile",
        "matmul",
        "transpose",
        "split",
    }
    inside = {
        o.kind
        for o in inspection.read_graph(package.read(name).model_path).operators
        if o.module.startswith("layer3_1_layers_0_attention") and "norm" not in o.module
    }
    assert inside == {"conv", "softmax", "mul", "reduce_sum", "relu"}
    assert package.read(name).manifest.audit.max_rank == 4


@pytest.mark.parametrize(("name", "blocks"), [("v1", 2), ("v3_tokens", 2)])
def test_v1s_line_moves_maps_at_its_blocks_ends_alone(
    package: Bundles, name: str, blocks: int
) -> None:
    operators = inspection.read_graph(package.read(name).model_path).operators
    # Two a block, between axes 0 and 1; none is left for queries, keys and values.
    assert sum(operator.kind == "transpose" for operator in operators) == 2 * blocks
    assert package.read(name).manifest.audit.max_rank == 4


def test_the_usual_form_breaks_the_contract(
    tmp_path: Path, checkpoint: Checkpoints, export: Command
) -> None:
    options = (
        "--weights",
        checkpoint("v2_lean"),
        "--image-size",
        "64",
        "--output",
        tmp_path / "out",
    )
    without = ("--no-rewrite", "shuffled_patches", "--no-rewrite", "row_phases")
    finished = export("--target", "coreml", *options, *without)
    assert finished.code == 5
    assert "transpose: rank 5, at most 4 is allowed" in finished.err
    assert list(tmp_path.iterdir()) == []


# Sizes.


def test_a_flexible_program_takes_both_sizes(package: Bundles) -> None:
    bundle = package.read("flexible")
    (image,) = program_of(bundle).interface().inputs
    assert set(image.sizes) == {(128, 128), (192, 128)}  # type: ignore[union-attr]
    names = [case.name for case in bundle.manifest.verification.cases]  # type: ignore[union-attr]
    assert {"golden", "golden at 192x128"} <= set(names)
    assert worst(bundle) <= FP32
    assert bundle.manifest.coreml is not None
    assert [(s.image_size, s.function) for s in bundle.manifest.coreml.sizes] == [
        ((128, 128), None),
        ((192, 128), None),
    ]
    loaded = runtime.load(bundle.model_path)
    with pytest.raises(ConversionError, match=r"no image of 96x96, only 128x128, 192x128"):
        loaded.run(np.zeros((1, 96, 96, 3), np.uint8))


def test_a_function_for_each_size_shares_the_weights(package: Bundles) -> None:
    bundle, single = package.read("functions"), package.read("mean")
    assert bundle.manifest.coreml is not None
    assert bundle.manifest.coreml.deployment_target == "iOS18"
    assert [(s.image_size, s.function) for s in bundle.manifest.coreml.sizes] == [
        ((64, 64), "image_64x64"),
        ((72, 56), "image_72x56"),
    ]
    assert worst(bundle) <= FP32
    names = [case.name for case in bundle.manifest.verification.cases]  # type: ignore[union-attr]
    assert "noise 0 at 72x56" in names
    weights = "model.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    sizes = [(b.path / weights).stat().st_size for b in (bundle, single)]
    assert sizes[0] < 1.1 * sizes[1]
    assert spec_of(bundle.model_path).description.metadata.author


@pytest.mark.parametrize(("size", "other"), [("128", "96"), ("64", "128"), ("130", "128")])
def test_flexible_sizes_are_multiples_of_64(
    tmp_path: Path, checkpoint: Checkpoints, export: Command, size: str, other: str
) -> None:
    finished = export(
        *("--target", "coreml", "--weights", checkpoint("v2"), "--image-size", size),
        *("--flexible-sizes", other, "--output", tmp_path / "out"),
    )
    assert finished.code == 2
    assert "multiples of 64" in finished.err
    assert "--function-sizes" in finished.err
    assert list(tmp_path.iterdir()) == []


# Precisions.


def weight_bytes(bundle: Bundle) -> int:
    return next(f.bytes for f in bundle.manifest.files if f.path.endswith("weight.bin"))


@pytest.mark.parametrize(
    ("name", "operator", "share"),
    [
        ("wide_weights", "constexpr_affine_dequantize", 0.75),
        ("wide_palette", "constexpr_lut_to_dense", 0.65),
    ],
)
def test_compressed_weights_are_smaller_and_leave_inverted_residuals_alone(
    package: Bundles, name: str, operator: str, share: float
) -> None:
    bundle = package.read(name)
    assert weight_bytes(bundle) < share * weight_bytes(package.read("wide_fp16"))
    program = program_of(bundle).operations()
    compressed = {output.name for o in program if o.kind == operator for output in o.outputs}
    users = {
        o.name.partition("__")[0]
        for o in program
        for values in o.arguments.values()
        for value in values
        if value in compressed
    }
    assert any(user.startswith("layer2_1_layers_0_ffn") for user in users)
    assert not any(user.startswith(("stem", "layer1", "layer2_0")) for user in users)
    assert bundle.manifest.golden.answered_by == "artifact"


def test_int8_is_calibrated_and_quantizes_activations(
    tmp_path: Path, checkpoint: Checkpoints, export: Command
) -> None:
    for index in range(8):
        save_smooth(tmp_path / "photos" / f"{index}.png", seed=index, size=(64, 64))
    finished = export(
        *("--target", "coreml", "--weights", checkpoint("v2_lean"), "--image-size", "64"),
        *("--precision", "int8", "--calibration", tmp_path / "photos"),
        *("--int8-keep", "layer1", "--output", tmp_path / "out"),
    )
    assert finished.code == 0, finished.err
    bundle = read_bundle(tmp_path / "out")
    found = kinds(bundle)
    assert found["quantize"] > 20
    assert found["dequantize"] >= found["quantize"]
    assert bundle.manifest.coreml is not None
    assert bundle.manifest.coreml.deployment_target == "iOS17"
    assert bundle.manifest.kept_in_float == ("layer1",)
    rounded = {
        o.name.partition("__")[0] for o in program_of(bundle).operations() if o.kind == "quantize"
    }
    assert not any(name.startswith("layer1_") for name in rounded)
    assert not any(name.endswith("norm") for name in rounded)


def test_parts_beyond_fp16_compute_in_fp32(tmp_path: Path, export: Command) -> None:
    state = state_of("v2_lean")
    # A bias that fp16 cannot hold, undone by the projection after it.
    prefix = "layer_2.1.global_rep.0.pre_norm_ffn"
    state[f"{prefix}.1.block.conv.weight"] *= 3e5
    state[f"{prefix}.3.block.conv.weight"] /= 3e5
    torch.save(state, tmp_path / "large.pt")
    finished = export(
        *("--target", "coreml", "--weights", tmp_path / "large.pt", "--image-size", "64"),
        *("--precision", "fp16", "--output", tmp_path / "out"),
    )
    assert finished.code == 0, finished.err
    bundle = read_bundle(tmp_path / "out")
    assert bundle.manifest.kept_in_float
    kept = tuple(name.replace(".", "_") for name in bundle.manifest.kept_in_float)
    types = {
        (operation.name.startswith(kept), output.type.dtype)
        for operation in program_of(bundle).operations()
        if operation.kind in ("conv", "silu")
        for output in operation.outputs
        if output.type is not None
    }
    assert types == {(True, "fp32"), (False, "fp16")}


# Faults.


@pytest.fixture(scope="module")
def v1_job(checkpoint: Checkpoints) -> ExportJob:
    return job_of(target="coreml", weights=str(checkpoint("v1")))


@pytest.fixture
def judge(v1_job: ExportJob) -> Callable[[Path], None]:
    """The pipeline's own verification of a package."""

    def run(path: Path) -> None:
        reference = numerics.Reference(v1_job)
        cases = list(verification_cases(v1_job))
        numerics.verify(runtime.load(path), v1_job, reference, cases)

    return run


@pytest.fixture
def copy(package: Bundles, tmp_path: Path) -> Path:
    return shutil.copytree(package.read("v1").model_path, tmp_path / "model.mlpackage")


def change_spec(package: Path, change: Callable[[Any], None]) -> None:
    spec = spec_of(package)
    change(spec)
    spec_path(package).write_bytes(spec.SerializeToString())


def constants(spec: Any) -> Iterator[tuple[str, Any]]:
    """Scalar constants of the program by name, to be changed in place."""
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    for operation in block.operations:
        for value in operation.attributes.values():
            floats = value.immediateValue.tensor.floats
            if operation.type == "const" and len(floats.values) == 1:
                yield operation.outputs[0].name, floats.values


def test_the_untouched_package_passes(copy: Path, judge: Callable[[Path], None]) -> None:
    judge(copy)


def test_a_flipped_weight_bit_fails(copy: Path, judge: Callable[[Path], None]) -> None:
    path = copy / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    content = bytearray(path.read_bytes())
    weights = np.frombuffer(bytes(content[: len(content) // 4 * 4]), "<f4")
    usual = np.flatnonzero((np.abs(weights) > 0.05) & (np.abs(weights) < 1))
    # The exponent's lowest bit, in the middle of the file: half or twice one weight's value.
    content[4 * int(usual[usual.size // 2]) + 2] ^= 0x80
    path.write_bytes(bytes(content))
    with pytest.raises(VerificationError, match="differs from the reference"):
        judge(copy)


def test_a_swapped_channel_order_fails(copy: Path, judge: Callable[[Path], None]) -> None:
    def swap(spec: Any) -> None:
        image = spec.description.input[0].type.imageType
        image.colorSpace = image.ColorSpace.Value("RGB")

    change_spec(copy, swap)
    with pytest.raises(VerificationError, match="differs from the reference"):
        judge(copy)


@pytest.mark.parametrize(
    ("low", "high", "factor"),
    [(0.9e-5, 1.1e-5, 1e4), (0.0039, 0.004, 255.0)],
    ids=["epsilon", "scale of the image"],
)
def test_a_changed_constant_fails(
    copy: Path, judge: Callable[[Path], None], low: float, high: float, factor: float
) -> None:
    changed = []

    def change(spec: Any) -> None:
        for name, values in constants(spec):
            if low < values[0] < high:
                values[0] *= factor
                changed.append(name)

    change_spec(copy, change)
    assert changed
    with pytest.raises(VerificationError, match="differs from the reference"):
        judge(copy)


def test_a_damaged_package_is_refused_without_a_traceback(
    package: Bundles, tmp_path: Path, predict: Command
) -> None:
    bundle = shutil.copytree(package.read("v1").path, tmp_path / "bundle")
    (bundle / "model.mlpackage" / "Data" / "com.apple.CoreML" / "weights" / "weight.bin").unlink()
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    finished = predict(bundle, tmp_path / "a.png")
    assert finished.code == 4
    assert "weight.bin is missing or incomplete" in finished.err
    assert "Traceback" not in finished.err


# Options.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--deployment-target", "iOS15", "--precision", "palette-6bit"),
            "iOS15 has no .* iOS16 or macOS13 or later",
        ),
        (
            ("--deployment-target", "iOS16", "--function-sizes", "96"),
            "iOS18 or macOS15 or visionOS2",
        ),
        (("--deployment-target", "MACOS14", "--function-sizes", "96"), "macOS14 has no a package"),
        (("--deployment-target", "visionos"), "invalid choice: 'visionos'"),
        (("--raw-input",), "leave out --raw-input"),
        (("--softmax",), "leave out --activation softmax"),
        (("--batch", "2"), "leave out --batch"),
        (("--flexible-sizes", "64", "--function-sizes", "96"), "choose one of the two"),
        (("--flexible-sizes", "big"), "not a whole number or HxW"),
        (("--precision", "int8", "--function-sizes", "96", "--calibration", "."), "at one size"),
        (("--image-size", "96", "--function-sizes", "64,96", "--model", "mobilevit_xxs"), "once"),
        (("--precision", "int8-dynamic"), "coreml has no int8-dynamic; it supports fp32, fp16"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_that_core_ml_cannot_meet_are_refused(
    export: Command, options: tuple[str, ...], message: str
) -> None:
    finished = export("--target", "coreml", "--weights", "random", *options)
    assert finished.code == 2
    assert re.search(message, finished.err)


def test_core_mls_options_belong_to_core_ml(export: Command) -> None:
    finished = export("--target", "onnx", "--weights", "random", "--author", "me")
    assert finished.code == 2
    assert "belong to --target coreml" in finished.err


# Predicting, and the real Core ML.


def test_predict_says_who_answered(package: Bundles, tmp_path: Path, predict: Command) -> None:
    Image.new("RGB", (80, 70), (200, 30, 90)).save(tmp_path / "a.png")
    finished = predict(package.read("v1").path, tmp_path / "a.png")
    assert finished.code == 0, finished.err
    assert "answered by the reference evaluator" in finished.err
    answer = json.loads(predict(package.read("v1").path, tmp_path / "a.png", "--json").out)
    assert answer["runtime"].startswith("reference evaluator")
    assert len(answer["predictions"][0]["classes"]) == 5


def test_off_macos_there_is_no_core_ml(package: Bundles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert runtime.load_core_ml(package.read("v1").model_path) is None


class StandIn:
    """Core ML's own model class as far as it is used, answering through the evaluator."""

    factor = 1.0

    def __init__(self, path: str, function_name: str | None = None, **_: Any) -> None:
        self._model, self._function = read_package(Path(path)), function_name

    def predict(self, feed: dict[str, Image.Image]) -> dict[str, Any]:
        answer = self._model({"image": np.asarray(feed["image"])}, function=self._function)
        return {**answer, "logits": self.factor * answer["logits"]}


@pytest.mark.parametrize("name", ["v1", "functions"])
def test_on_macos_core_ml_itself_is_asked(
    package: Bundles, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("coremltools.models.MLModel", StandIn)
    loaded = runtime.load_core_ml(package.read(name).model_path)
    assert isinstance(loaded, LoadedModel)
    assert loaded.runtime.startswith("Core ML, macOS")
    assert not loaded.is_reference
    x = np.random.default_rng(3).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    expected = runtime.load(package.read(name).model_path).run(x)
    np.testing.assert_array_equal(loaded.run(x), expected)


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_what_core_ml_answers_is_recorded_apart_and_can_fail_the_export(
    checkpoint: Checkpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: Bundles,
    factor: float,
) -> None:
    finished_package = package.read("v1").model_path
    monkeypatch.setattr(StandIn, "factor", factor)

    def convert(*arguments: object) -> None:
        path = next(a for a in arguments if isinstance(a, Path))
        shutil.copytree(finished_package, path)

    def load_core_ml(path: Path) -> LoadedModel:
        model = StandIn(str(path))

        def run(images: Array) -> Array:
            return np.asarray(model.predict({"image": Image.fromarray(images[0])})["logits"])

        return LoadedModel(run, "Core ML, macOS 15")

    monkeypatch.setattr(conversion, "convert", convert)
    monkeypatch.setattr(runtime, "load_core_ml", load_core_ml)
    options = ExportOptions(checkpoint("v1"), "coreml", tmp_path / "out", image_size=(64, 64))
    if factor != 1:
        with pytest.raises(VerificationError, match="differs from the reference"):
            export_bundle(options)
        assert not (tmp_path / "out").exists()
        return
    manifest = export_bundle(options).manifest
    assert manifest.verification is not None
    assert manifest.verification.by == "reference"
    assert manifest.coreml is not None
    assert manifest.coreml.core_ml_verification is not None
    assert manifest.coreml.core_ml_verification.by == "runtime"
    assert manifest.coreml.core_ml_verification.runtime == "Core ML, macOS 15"


def test_a_model_without_classifier_gives_its_features(tmp_path: Path, export: Command) -> None:
    features = {k: v for k, v in state_of("v2_lean").items() if not k.startswith("classifier.")}
    torch.save(features, tmp_path / "features.pt")
    finished = export(
        *("--target", "coreml", "--weights", tmp_path / "features.pt", "--image-size", "64"),
        *("--output", tmp_path / "out"),
    )
    assert finished.code == 0, finished.err
    bundle = read_bundle(tmp_path / "out")
    description = spec_of(bundle.model_path).description
    assert [output.name for output in description.output] == ["embedding"]
    assert not description.predictedFeatureName
    assert bundle.manifest.model.outputs == 16


def test_without_coremltools_the_extra_is_named(
    export: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "coremltools", None)
    options = ("--target", "coreml", "--weights", "random", "--model", "mobilevit_xxs")
    finished = export(*options, "--output", tmp_path / "out")
    assert finished.code == 3
    assert install_command("coreml") in finished.err
    assert list(tmp_path.iterdir()) == []
