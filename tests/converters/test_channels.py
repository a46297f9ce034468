"""Networks for gray images and for images with alpha: from checkpoint to answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converters.targets.bundles import load_bundle_model
from mobilevit_edge.input_contract import contract_of
from tests.support.exports import Bundles, Checkpoints, Command, Reference
from tests.support.images import relative_error

pytestmark = pytest.mark.backend
FP32 = 2e-5
GRAY_IMAGENET = (0.449, 0.226)


@pytest.fixture(scope="module")
def transparent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PNG whose color and alpha are noise."""
    path = tmp_path_factory.mktemp("images") / "transparent.png"
    pixels = np.random.default_rng(5).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def luma(pixels: np.ndarray) -> np.ndarray:
    """``[H, W, 4]`` RGBA bytes -> ``[H, W, 1]`` gray bytes, by Pillow."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels[:, :, :3])).convert("L"))[
        ..., None
    ]


@pytest.mark.parametrize(
    ("kind", "name", "mean", "std"),
    [
        ("bundle", "gray", *GRAY_IMAGENET),
        ("bundle", "gray_raw", *GRAY_IMAGENET),
        ("bundle", "rgba", 0, 1),
        ("bundle", "rgba_raw", (0.1, 0.2, 0.3, 0.4), 1),
        ("package", "gray", 0.4, 0.3),
    ],
)
def test_artifacts_answer_as_the_reference_does(
    request: pytest.FixtureRequest,
    reference: Reference,
    transparent: Path,
    kind: str,
    name: str,
    mean: float,
    std: float,
) -> None:
    read = request.getfixturevalue(kind).read(name)
    manifest = read.manifest
    source = name.removesuffix("_raw")
    contract = contract_of(manifest.input, manifest.model.image_size)
    found = load_bundle_model(read).run(contract.repeated(contract.load(transparent)))

    pixels = contract.load(transparent)
    assert pixels.shape[2] == (4 if source == "rgba" else 3)
    channels = pixels if source == "rgba" else luma(pixels)
    # [H, W, C] -> [1, C, H, W]
    x = ((channels / 255 - mean) / std).astype(np.float32).transpose(2, 0, 1)[None]
    assert manifest.input.channel_order == source.upper()
    assert relative_error(found, reference(source, x)) < FP32


def test_alpha_decides_only_where_a_network_takes_it(
    bundle: Bundles, predict: Command, transparent: Path, tmp_path: Path
) -> None:
    opaque = tmp_path / "opaque.png"
    Image.open(transparent).convert("RGB").save(opaque)

    def answers(name: str, image: Path) -> object:
        finished = predict(bundle(name), image, "--json")
        assert finished.code == 0, finished.err
        return json.loads(finished.out)["predictions"][0]["classes"]

    assert answers("gray", transparent) == answers("gray", opaque)
    assert answers("rgba", transparent) != answers("rgba", opaque)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("rgba", ("--target", "coreml"), "those of coreml have 1 or 3: choose another target"),
        ("rgba", ("--normalize", "half"), "'half' has three channels and the model 4"),
        ("gray", ("--mean", "0.1,0.2,0.3"), "3 values for a model of 1 channels"),
        ("gray", ("--channel-order", "BGR"), "images of 1 channels, GRAY"),
        ("v1_lean", ("--channel-order", "GRAY"), "invalid choice"),
    ],
)
def test_what_does_not_fit_the_channels_is_refused(
    export: Command, checkpoint: Checkpoints, source: str, options: tuple[str, ...], message: str
) -> None:
    target = () if "--target" in options else ("--target", "onnx")
    finished = export("--weights", checkpoint(source), *target, *options)
    assert finished.code == 2
    assert message in finished.err
