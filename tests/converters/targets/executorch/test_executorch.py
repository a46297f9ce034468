"""The ExecuTorch artifact as written: one delegate, described, and equal to the reference."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from converters.job.precisions import PRECISIONS
from converters.targets.base import FLAT_RANK
from converters.targets.executorch import pte
from converters.targets.executorch.target import TARGET
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import ConversionError
from tests.support.exports import Bundles, Checkpoints, Command, Reference
from tests.support.images import as_float, noise, normalized, relative_error

RUNS_HERE = ("v1", "v1_fp16", "v2_raw", "v3_batch")
# Twice the exporter's own threshold, which other noise than ours was held to.
FP32 = 2e-5
FP16 = 2e-2

METHODS = """
import json, sys
from pathlib import Path
from executorch.extension.pybindings import _C as runtime
buffer = Path(sys.argv[1]).read_bytes()
module = runtime._load_for_executorch_from_buffer(buffer)
found = {name: module.run_method(name, []) for name in module.method_names() if name != "forward"}
print("\\n" + json.dumps({name: v[0] if len(v) == 1 else list(v) for name, v in found.items()}))
"""


@lru_cache(maxsize=2)
def loaded(bundle: Path) -> LoadedModel:
    """The program in a process that tests one after the other ask."""
    return TARGET.load(bundle / "model.pte")


def run(bundle: Path, x: Array) -> Array:
    return loaded(bundle).run(x)


def softmax(logits: Array) -> Array:
    return torch.softmax(torch.from_numpy(logits).double(), dim=-1).numpy()


def test_fp16_gives_the_references_probabilities(program: Bundles, reference: Reference) -> None:
    manifest = program.manifest("v1_fp16")
    assert (manifest.input.channel_order, manifest.output.activation) == ("BGR", "softmax")
    assert manifest.input.shape == (1, 3, 64, 64)
    x = as_float(noise(1), "BGR")
    expected = softmax(reference("v1_wide", x))
    assert relative_error(run(program("v1_fp16"), x), expected) < FP16


def test_v1_in_fp32_gives_the_references_logits_by_exponentials_and_tangents(
    program: Bundles, reference: Reference
) -> None:
    manifest = program.manifest("v1")
    x = as_float(noise(1, 72, 64), "BGR")
    assert relative_error(run(program("v1"), x), reference("v1_lean", x)) < FP32
    assert {"bounded_softmax", "tanh_silu"} <= {rewrite.name for rewrite in manifest.rewrites}
    kinds = {operator.kind for operator in manifest.audit.operators}
    assert {"Exp", "Tanh"} <= kinds
    assert not {"Softmax", "Sigmoid"} & kinds


@pytest.mark.parametrize("family", ["v1", "v2"])
def test_dynamic_int8_is_one_delegate_that_answers_nearly_as_float(
    program: Bundles, reference: Reference, family: str
) -> None:
    """Queries, keys and values share a rounded input; a view of V2's has its channels first."""
    name = f"{family}_dynamic"
    assert program.manifest(name).audit.delegates == 1
    x = as_float(noise(1), program.manifest(name).input.channel_order)
    # Random weights amplify rounding; see the network's own test of it.
    assert relative_error(run(program(name), x), reference(f"{family}_lean", x)) < 0.2


def test_v2_takes_raw_pixels_whose_maps_are_odd(program: Bundles, reference: Reference) -> None:
    manifest = program.manifest("v2_raw")
    assert (manifest.input.dtype, manifest.input.layout) == ("uint8", "NHWC")
    assert (manifest.input.channel_order, manifest.input.scale) == ("RGB", 1.0)
    assert manifest.input.shape == (1, 72, 72, 3)
    pixels = noise(1, 72, 72)
    expected = reference("v2_lean", normalized(as_float(pixels, "RGB"), "imagenet"))
    assert relative_error(run(program("v2_raw"), pixels), expected) < FP32


def test_a_batch_gives_the_references_logits(program: Bundles, reference: Reference) -> None:
    manifest = program.manifest("v3_batch")
    assert (manifest.input.shape, manifest.input.channel_order) == ((2, 3, 64, 64), "BGR")
    x = as_float(noise(2), "BGR")
    assert relative_error(run(program("v3_batch"), x), reference("v3_tokens_lean", x)) < FP32


def test_images_of_a_batch_do_not_touch_each_other(program: Bundles) -> None:
    x = as_float(noise(2), "RGB")
    both = run(program("v3_batch"), x)
    swapped = run(program("v3_batch"), np.ascontiguousarray(x[::-1]))
    assert relative_error(swapped[::-1], both) < FP32
    assert relative_error(both[:1], both[1:]) > 100 * FP32


def test_fp16_takes_less_space_than_the_four_bytes_of_fp32(program: Bundles) -> None:
    manifest = program.manifest("v1_fp16")
    size = (program("v1_fp16") / "model.pte").stat().st_size
    # Two a weight of a linear layer, but four of a convolution: the delegate keeps those in fp32.
    assert 2 <= size / manifest.model.parameters < 3.2


def test_numbers_in_fp16_are_not_converted_at_every_inference(program: Bundles) -> None:
    outside = {o.kind: o.count for o in program.manifest("v1_fp16").audit.not_delegated}
    # The image on its way in, the logits on their way to softmax.
    assert outside["_to_dim_order_copy"] <= 3


@pytest.mark.parametrize("name", RUNS_HERE)
def test_one_delegate_holds_all_the_work(program: Bundles, name: str) -> None:
    path = program(name) / "model.pte"
    graph = pte.read_graph(path)
    # The softmax of fp16 logits runs in fp32, behind a conversion.
    assert graph.delegates == (2 if name.endswith("fp16") else 1)
    delegated = {operator.kind for operator in graph.operators if operator.delegated}
    outside = {operator.kind for operator in graph.operators if not operator.delegated}
    assert "Conv2d" in delegated
    assert outside <= graph.allowed_outside
    # Where fp32 goes in and logits come out, the delegate is the whole program.
    assert outside == set() or name not in ("v1", "v3_batch")
    audit = program.manifest(name).audit
    assert (audit.delegates, audit.delegated_macs) == (graph.delegates, 1.0)
    assert {o.kind for o in audit.operators} == delegated | outside
    assert {o.kind for o in audit.not_delegated} == outside


def test_separable_attention_stays_elementwise_and_in_four_dimensions(program: Bundles) -> None:
    graph = pte.read_graph(program("v2_raw") / "model.pte")
    assert not {operator.kind for operator in graph.operators} & graph.products
    assert max(operator.rank for operator in graph.operators) == FLAT_RANK
    assert program.manifest("v2_raw").audit.max_rank == FLAT_RANK


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "v1_fp16",
            {
                "input_height": 64,
                "input_width": 64,
                "input_is_bgr": True,
                "input_is_bytes_nhwc": False,
                "input_scale": 1 / 255,
                "input_mean": [0.0, 0.0, 0.0],
                "input_std": [1.0, 1.0, 1.0],
                "output_activation": "softmax",
                "task": "classification",
                "num_outputs": 10,
            },
        ),
        (
            "v2_raw",
            {
                "input_height": 72,
                "input_width": 72,
                "input_is_bgr": False,
                "input_is_bytes_nhwc": True,
                "input_scale": 1.0,
                "input_mean": [0.0, 0.0, 0.0],
                "input_std": [1.0, 1.0, 1.0],
                "output_activation": "none",
                "task": "classification",
                "num_outputs": 10,
            },
        ),
    ],
)
def test_the_file_alone_says_how_to_feed_it(
    program: Bundles, name: str, expected: dict[str, object]
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", METHODS, program(name) / "model.pte"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1]) == expected


def test_the_manifest_names_target_runtime_rewrites_and_versions(program: Bundles) -> None:
    manifest = program.manifest("v2_raw")
    assert (manifest.target, manifest.precision) == ("executorch", "fp32")
    version = importlib.metadata.version("executorch")
    assert manifest.verification is not None
    assert version in manifest.verification.runtime
    assert "XNNPACK" in manifest.verification.runtime
    assert manifest.versions["executorch"] == version
    assert manifest.verification.max_relative_error == PRECISIONS["fp32"].max_error
    assert all(case.relative_error <= 1e-5 for case in manifest.verification.cases)
    assert any(case.relative_error > 0 for case in manifest.verification.cases)
    assert [(r.name, r.sites) for r in manifest.rewrites] == [
        ("preprocessing_fold", 1),
        ("batch_norm_fold", 9),
        ("norm_affine_fold", 3),
        ("key_after_pooling", 1),
        ("norm_from_poolings", 3),
        ("phase_layout", 1),
        ("head_as_convolution", 1),
        ("early_pooling", 1),
        ("explicit_silu", 7),
    ]
    assert manifest.rewrites_refused == ()
    assert {file.path for file in manifest.files} == {"model.pte", "labels.txt"}


@pytest.mark.parametrize("name", ["v1_fp16", "v2_raw"])
def test_predict_runs_the_bundle(
    program: Bundles, predict: Command, photo: Path, name: str
) -> None:
    finished = predict(program(name), photo, "--top-k", "3", "--json")
    assert finished.code == 0, finished.err
    (prediction,) = json.loads(finished.out)["predictions"]
    assert prediction["image"] == str(photo)
    assert len(prediction["classes"]) == 3


def test_predict_on_a_fixed_batch_classifies_every_image(
    program: Bundles, predict: Command, photo: Path
) -> None:
    finished = predict(program("v3_batch"), photo, photo, photo, "--json")
    assert finished.code == 0, finished.err
    first, second, third = (p["classes"] for p in json.loads(finished.out)["predictions"])
    assert first == second
    assert [c["index"] for c in first] == [c["index"] for c in third]


def test_a_core_ml_delegate_holds_all_the_work(program: Bundles) -> None:
    audit = program.manifest("coreml").audit
    assert (audit.delegates, audit.delegated_macs) == (1, 1.0)
    assert audit.operators[0].kind == "CoreMLBackend"


@pytest.mark.parametrize(
    ("name", "backend", "precision"),
    [("coreml", "coreml", "fp32"), ("vulkan", "vulkan", "fp16")],
)
def test_a_bundle_for_a_device_says_that_nothing_ran(
    program: Bundles, predict: Command, name: str, backend: str, precision: str
) -> None:
    manifest = program.manifest(name)
    assert (manifest.backend, manifest.precision) == (backend, precision)
    assert manifest.verification is None
    finished = predict(program(name), "photo.jpg")
    assert finished.code == 2
    assert "runs only on devices" in finished.err


def test_the_record_for_profiling_lies_beside_the_model(program: Bundles) -> None:
    from executorch.devtools.etrecord import parse_etrecord

    assert "profiling/etrecord.bin" in {file.path for file in program.manifest("coreml").files}
    record = parse_etrecord(str(program("coreml") / "profiling" / "etrecord.bin"))
    assert record.edge_dialect_program is not None
    assert record._debug_handle_map


def test_a_dynamic_batch_is_a_usage_error_that_says_what_to_pass(
    export: Command, checkpoint: Checkpoints, place: Path
) -> None:
    finished = export(
        *("--target", "executorch", "--weights", checkpoint("v2"), "--image-size", "64"),
        *("--batch", "dynamic", "--output", place / "bundle"),
    )
    assert finished.code == 2
    assert "--batch N" in finished.err
    assert "Traceback" not in finished.err
    assert list(place.iterdir()) == []


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("length", [100, 100_000])
def test_a_truncated_file_is_a_conversion_error(
    program: Bundles, tmp_path: Path, length: int
) -> None:
    path = tmp_path / "model.pte"
    path.write_bytes((program("v1_fp16") / "model.pte").read_bytes()[:length])
    # The runtime reads a file's segments late, so a long enough piece may load and then fail.
    with pytest.raises(ConversionError, match=r"model\.pte"):
        TARGET.load(path).run(np.zeros((1, 3, 64, 64), np.float32))


@pytest.mark.usefixtures("own_process")
def test_an_input_of_another_shape_is_a_conversion_error(program: Bundles) -> None:
    loaded = TARGET.load(program("v1_fp16") / "model.pte")
    with pytest.raises(ConversionError, match=r"failed on model\.pte"):
        loaded.run(np.zeros((1, 3, 96, 96), np.float32))
