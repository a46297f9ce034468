"""ONNX files that take images of any size."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from converters.targets.onnx import runtime
from mobilevit_edge.errors import ConversionError
from tests.support.exports import Bundles, Checkpoints, Command, Reference
from tests.support.images import as_float, noise, relative_error

FP32 = 2e-5
# The least there is, odd maps at every stride, more rows than columns, one patch, many.
SIZES = [(32, 32), (33, 57), (72, 104), (160, 96), (64, 64), (256, 320)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    ("name", "source", "order", "batch"),
    [("v1_any_size", "v1_lean", "BGR", 3), ("v3_maps_any_size", "v3_maps_lean", "RGB", 1)],
)
def test_every_size_gives_what_the_reference_gives(
    bundle: Bundles,
    reference: Reference,
    name: str,
    source: str,
    order: str,
    batch: int,
    size: tuple[int, int],
) -> None:
    pixels = noise(batch, *size)
    x = as_float(pixels, order)
    given = pixels if name == "v1_any_size" else x
    found = runtime.load(bundle(name) / "model.onnx").run(given)
    assert relative_error(found, reference(source, x)) < FP32


@pytest.mark.parametrize(
    ("name", "shape", "blocks"),
    [
        ("v1_any_size", (None, None, None, 3), 1),
        ("v3_maps_any_size", (1, 3, None, None), 1),
    ],
)
def test_the_manifest_says_so_and_each_block_resizes(
    bundle: Bundles, name: str, shape: tuple[int | None, ...], blocks: int
) -> None:
    manifest = bundle.manifest(name)
    assert manifest.input.shape == shape
    assert manifest.model.image_size == (256, 256)
    cases = {case.name for case in manifest.verification.cases}  # type: ignore[union-attr]
    assert {"noise 0", "noise 0 at 72x104", "golden at 160x96"} <= cases
    nodes = onnx.load(bundle(name) / "model.onnx").graph.node
    resizes = [node.name.split("/")[0] for node in nodes if node.op_type == "Resize"]
    assert blocks <= len(resizes) <= 2 * blocks
    assert len(set(resizes)) >= blocks


def test_the_bench_measures_it_at_that_size(bundle: Bundles) -> None:
    session = runtime.OnnxSession(bundle("v3_maps_any_size") / "model.onnx")
    assert [spec.shape for spec in session.inputs] == [(1, 3, 256, 256)]
    raw = runtime.OnnxSession(bundle("v1_any_size") / "model.onnx")
    assert [spec.shape for spec in raw.inputs] == [(1, 256, 256, 3)]


def test_a_file_that_names_no_size_is_not_measured(bundle: Bundles, tmp_path: Path) -> None:
    proto = onnx.load(bundle("v3_maps_any_size") / "model.onnx")
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "model.onnx")
    with pytest.raises(ConversionError, match="any size, and does not say which"):
        runtime.OnnxSession(tmp_path / "model.onnx")


def test_predict_prepares_images_at_the_checkpoints_size(
    bundle: Bundles, predict: Command, photo: Path
) -> None:
    finished = predict(bundle("v3_maps_any_size"), photo)
    assert finished.code == 0, finished.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--target", "coreml"), "--image-size dynamic belongs to --target onnx"),
        (("--target", "executorch"), "--image-size dynamic belongs to --target onnx"),
        (("--target", "onnx", "--precision", "int8-dynamic"), "made for one image size"),
    ],
)
def test_what_needs_one_size_refuses_any(
    export: Command, checkpoint: Checkpoints, options: tuple[str, ...], message: str
) -> None:
    finished = export("--weights", checkpoint("v1"), "--image-size", "dynamic", *options)
    assert finished.code == 2
    assert message in finished.err
