"""Checkpoints and bundles that many tests read: what they are made of, and each made once."""

from __future__ import annotations

import contextlib
import io
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import torch
from filelock import FileLock
from torch import Tensor

from converters.targets.loaded import Array
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.formats.manifest import Manifest
from mobilevit_edge.head_specs import DeepLabV3Spec, HeadSpec, PSPNetSpec, SSDLiteSpec
from mobilevit_edge.models import network
from mobilevit_edge.specs import SPECS, ModelSpec, with_head, with_in_channels
from mobilevit_edge.weights import loading
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import conformance_keys, deterministic_state
from tests.support.networks import (
    CLASSES,
    FAMILIES,
    Family,
    calibrated_model,
    lean_spec,
    tiny_spec,
)

_WIDE_DIM: Final = 128


def _wide(spec: ModelSpec) -> ModelSpec:
    """A network nearly all of whose weights are in its last block, as in the real ones."""
    *others, last = spec.stages
    assert last.block is not None
    block = replace(last.block, dim=_WIDE_DIM, ffn_dim=2 * _WIDE_DIM)
    return replace(
        spec,
        name=f"wide_{spec.name}",
        stages=(*others, replace(last, block=block)),  # type: ignore[arg-type]
    )


def _deep(family: Family) -> ModelSpec:
    """A tiny network of five stages, whose last map has stride 32 as the real ones' has.

    Its one block is in the last stage, which a smaller output stride dilates.
    """
    spec = tiny_spec(family)
    first, _, last = spec.stages  # type: ignore[misc]  # three of them
    halved = replace(first, stride=2)
    stages = (first, halved, halved, halved, last)
    return replace(spec, name=f"deep_{spec.name}", stages=stages)


TINY: Final[Mapping[str, ModelSpec]] = {
    **{family: tiny_spec(family) for family in FAMILIES},
    **{f"{family}_lean": lean_spec(family) for family in FAMILIES},
    "v1_deep": _deep("v1"),
    "v2_deep": _deep("v2"),
    "v1_wide": _wide(lean_spec("v1")),
    "v2_wide": _wide(lean_spec("v2")),
}
"""Tiny networks by the names of their checkpoints."""


def know_tiny_networks(replace_in: Callable[[object, str, object], None]) -> None:
    """Let the tiny networks be known by name, and in checkpoints, as the real ones are.

    ``replace_in`` is that of a :class:`pytest.MonkeyPatch`.
    """
    known = {**{spec.name: spec for spec in TINY.values()}, **SPECS}
    for module in (loading, network):
        replace_in(module, "SPECS", known)


OTHERS: Final[Mapping[str, tuple[int, int]]] = {
    "one": (1, 3),
    "embedding": (0, 3),
    "gray": (CLASSES, 1),
    "rgba": (CLASSES, 4),
}
"""Classes and channels of networks that do not tell photos in color apart, by their names."""
DENSE: Final[Mapping[str, tuple[str, HeadSpec]]] = {
    "v1_deeplab": ("v1_deep", DeepLabV3Spec(16, 256, (1, 2, 3), "half-pixel-nearest")),
    "v2_deeplab": ("v2_deep", DeepLabV3Spec(8, 24, (1, 2, 3), "aligned")),
    "v2_psp": ("v2_deep", PSPNetSpec(16, "aligned", width=24)),
    "v1_boxes": ("v1_deep", SSDLiteSpec()),
    "v2_boxes": ("v2_deep", SSDLiteSpec()),
}
"""Backbone and head of networks for masks and boxes, by the names of their checkpoints."""
DENSE_CLASSES: Final = 5
REAL: Final[Mapping[str, tuple[str, str]]] = {
    "real_v2": ("cvnets", "mobilevitv2_050"),
}
"""Real networks by the names of their checkpoints: source of the key names, and model."""

_RATES: Final = ("--rates", "1,2,3")
_V2_MASKS: Final = (*_RATES, "--output-stride", "8")

Recipe: TypeAlias = tuple[str, tuple[str, ...]]
"""Name of a checkpoint, and options."""
RECIPES: Final[Mapping[str, Mapping[str, Recipe]]] = {
    "onnx": {
        "v1": ("v1", ("--image-size", "64")),
        "v1_raw": ("v1", ("--image-size", "64", "--raw-input")),
        "v1_mean": ("v1", ("--image-size", "64", "--normalize", "imagenet")),
        "v1_mean_raw": ("v1", ("--image-size", "64", "--normalize", "imagenet", "--raw-input")),
        "v2_std_raw": ("v2", ("--image-size", "64", "--std", "0.2,0.3,0.4", "--raw-input")),
        "one": ("one", ("--image-size", "64")),
        "sigmoid": ("v1", ("--image-size", "64", "--activation", "sigmoid")),
        "embedding": ("embedding", ("--image-size", "64")),
        "gray": ("gray", ("--image-size", "64", "--normalize", "imagenet")),
        "gray_raw": ("gray", ("--image-size", "64", "--normalize", "imagenet", "--raw-input")),
        "rgba": ("rgba", ("--image-size", "64")),
        "rgba_raw": ("rgba", ("--image-size", "64", "--mean", "0.1,0.2,0.3,0.4", "--raw-input")),
        "v2": ("v2", ("--image-size", "64", "--batch", "dynamic")),
        "v2_raw": ("v2", ("--image-size", "64", "--batch", "dynamic", "--raw-input")),
        "v2_softmax": ("v2", ("--image-size", "64", "--batch", "3", "--softmax")),
        "v3_tokens": ("v3_tokens", ("--image-size", "72")),
        "v3_maps": ("v3_maps", ("--image-size", "64x96")),
        "v1_any_size": (
            "v1_lean",
            ("--image-size", "dynamic", "--batch", "dynamic", "--raw-input"),
        ),
        "v3_maps_any_size": ("v3_maps_lean", ("--image-size", "dynamic")),
        "v1_npu": ("v1", ("--image-size", "64", "--unit", "npu", "--raw-input", "--mean", "0.5")),
        "v2_npu": ("v2", ("--image-size", "64", "--unit", "npu", "--batch", "2")),
        "v3_tokens_npu": ("v3_tokens", ("--image-size", "72", "--unit", "npu")),
        "v3_maps_npu": (
            "v3_maps",
            ("--image-size", "64x96", "--unit", "npu", "--raw-input"),
        ),
        "v1_labels_npu": (
            "v1_deeplab",
            (*_RATES, "--image-size", "64", "--unit", "npu", "--raw-input"),
        ),
        "v2_logits_npu": (
            "v2_deeplab",
            (*_V2_MASKS, "--image-size", "64x96", "--unit", "npu", "--mask", "logits"),
        ),
        "v2_psp_npu": (
            "v2_psp",
            (
                *("--image-size", "96x64", "--unit", "npu", "--mask", "full-logits"),
                *("--precision", "fp16"),
            ),
        ),
        "v2_boxes_npu": ("v2_boxes", ("--image-size", "96", "--unit", "npu")),
        "v1_labels": ("v1_deeplab", (*_RATES, "--image-size", "64x96", "--batch", "dynamic")),
        "v1_odd": (
            "v1_deeplab",
            (*_RATES, "--image-size", "72", "--mask", "full-logits", "--precision", "fp16"),
        ),
        "v2_labels": ("v2_deeplab", (*_V2_MASKS, "--image-size", "64", "--raw-input")),
        "v2_psp": ("v2_psp", ("--image-size", "96x64", "--mask", "full-logits")),
        "v2_boxes": ("v2_boxes", ("--image-size", "96")),
        "v2_nms": (
            "v2_boxes",
            ("--image-size", "96", "--boxes", "nms", "--batch", "dynamic"),
        ),
        "opset_17": ("v1_lean", ("--image-size", "64", "--opset", "17")),
        "opset_21": ("v2_lean", ("--image-size", "64", "--opset", "21")),
        "v2_wide": ("v2_wide", ("--image-size", "64")),
        "v2_fp16": ("v2_wide", ("--image-size", "64", "--precision", "fp16")),
        "real_v2": ("real_v2", ("--image-size", "32")),
    },
    "executorch": {
        "v1_fp16": ("v1_wide", ("--image-size", "64", "--softmax", "--precision", "fp16")),
        "v1": ("v1_lean", ("--image-size", "72x64")),
        "v2_raw": ("v2_lean", ("--image-size", "72", "--raw-input", "--normalize", "imagenet")),
        "v3_batch": ("v3_tokens_lean", ("--image-size", "64", "--batch", "2")),
        "v1_dynamic": ("v1_lean", ("--image-size", "64", "--precision", "int8-dynamic")),
        "v2_dynamic": ("v2_lean", ("--image-size", "64", "--precision", "int8-dynamic")),
        "coreml": ("v1_lean", ("--image-size", "32", "--backend", "coreml", "--etrecord")),
        "v1_logits": ("v1_deeplab", (*_RATES, "--image-size", "64")),
        "v2_psp": ("v2_psp", ("--image-size", "64", "--mask", "labels")),
        "v2_boxes": ("v2_boxes", ("--image-size", "64")),
        "vulkan": (
            "v1_lean",
            ("--image-size", "32", "--backend", "vulkan", "--precision", "fp16"),
        ),
    },
    "litert": {
        "v1": ("v1_lean", ("--image-size", "72x64")),
        "v2_raw": ("v2_lean", ("--image-size", "72", "--raw-input", "--normalize", "imagenet")),
        "v3_batch": (
            "v3_tokens_lean",
            ("--image-size", "64", "--layout", "NCHW", "--batch", "2", "--softmax"),
        ),
        "v3_maps": ("v3_maps_lean", ("--image-size", "64x96", "--std", "0.2,0.3,0.4")),
        "v1_logits": ("v1_deeplab", (*_RATES, "--image-size", "64")),
        "v2_psp": ("v2_psp", ("--image-size", "64x96", "--mask", "labels")),
        "v1_boxes": ("v1_boxes", ("--image-size", "64")),
    },
    "coreml": {
        "v1": ("v1", ("--image-size", "64")),
        "v2": ("v2", ("--image-size", "64", "--author", "A. Author", "--license", "MIT")),
        "v2_fp16": ("v2", ("--image-size", "64", "--precision", "fp16")),
        "v3_tokens": ("v3_tokens", ("--image-size", "72x104")),
        "v3_maps": ("v3_maps", ("--image-size", "64")),
        "mean": ("v1_lean", ("--image-size", "64", "--normalize", "imagenet")),
        "one": ("one", ("--image-size", "64")),
        "embedding": ("embedding", ("--image-size", "64")),
        "gray": ("gray", ("--image-size", "64", "--mean", "0.4", "--std", "0.3")),
        "flexible": ("v2_lean", ("--image-size", "128", "--flexible-sizes", "192x128")),
        "functions": ("v1_lean", ("--image-size", "64", "--function-sizes", "72x56")),
        "wide_fp16": ("v2_wide", ("--image-size", "64", "--precision", "fp16")),
        "wide_weights": ("v2_wide", ("--image-size", "64", "--precision", "int8-weight-only")),
        "wide_palette": (
            "v2_wide",
            ("--image-size", "64", "--precision", "palette-6bit", "--deployment-target", "macos15"),
        ),
        "real_v2": ("real_v2", ("--image-size", "64")),
        "v1_labels": ("v1_deeplab", (*_RATES, "--image-size", "64")),
        "v2_boxes": ("v2_boxes", ("--image-size", "64")),
        "v2_nms": ("v2_boxes", ("--image-size", "64", "--boxes", "nms")),
    },
}
"""Bundles by target and name. 72, 104 and 56 lead to odd maps; 64x96 and the like are not square.
"""


def state_of(name: str) -> dict[str, Tensor]:
    """The state dict of a name in TINY, OTHERS or REAL, under its source's key names.

    With 10 classes, but for those in OTHERS.
    """
    if name in OTHERS:
        classes, channels = OTHERS[name]
        spec = with_in_channels(TINY["v1_lean"], channels)
        model = calibrated_model(spec, num_classes=classes)
        return named_weights(model, "cvnets")
    if name in DENSE:
        backbone, head = DENSE[name]
        spec = with_head(TINY[backbone], head)
        return named_weights(calibrated_model(spec, num_classes=DENSE_CLASSES), "cvnets")
    if name in TINY:
        return named_weights(calibrated_model(TINY[name]), "cvnets")
    state = deterministic_state(conformance_keys(*REAL[name]))
    for key in state:
        if key.startswith(("classifier.", "head.fc.")):
            state[key] = state[key][:CLASSES].clone()
    return state


@dataclass(frozen=True)
class Finished:
    """What a command left: exit code and both streams."""

    code: int
    out: str
    err: str


class Command(Protocol):
    """A command in this process."""

    def __call__(self, *arguments: object) -> Finished:
        """Run it with these arguments."""


def in_process(main: Callable[[list[str]], int]) -> Command:
    """The command whose entry point is ``main``."""

    def run(*arguments: object) -> Finished:
        out, err = io.StringIO(), io.StringIO()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main([str(argument) for argument in arguments])
        except SystemExit as error:  # argparse ends so
            code = error.code if isinstance(error.code, int) else 1
        finally:
            signal.signal(signal.SIGTERM, handler)
        return Finished(code, out.getvalue(), err.getvalue())

    return run


class Reference(Protocol):
    """The reference models of checkpoints."""

    def __call__(self, name: str, x: Array) -> Array:
        """``[B, 3, H, W]`` as the model was trained -> logits ``[B, classes]``."""


class ConvertsTo(Protocol):
    """Replaces a conversion."""

    def __call__(self, write: Callable[[Path], object], target: str = "onnx") -> None:
        """From now on the target's model is what ``write`` leaves at its path."""


class Edited(Protocol):
    """Makes changed copies of bundles."""

    def __call__(
        self,
        bundle: Path,
        change: Callable[[dict[str, Any]], object] = ...,
        labels: list[str] | None = None,
    ) -> Path:
        """A copy with the manifest changed in place, or with other labels; its hashes fit."""


@dataclass(frozen=True)
class Checkpoints:
    """The .pt files of names in TINY and REAL, each written once."""

    folder: Path

    def __call__(self, name: str) -> Path:
        """The file of a name."""
        path = self.folder / f"{name}.pt"
        if not path.exists():
            torch.save(state_of(name), path)
        return path


@dataclass(frozen=True)
class Bundles:
    """The bundles of a target in RECIPES, each exported once with --json; copy, never change.

    ``folder`` may be shared with other processes of the same run.
    """

    target: str
    export: Command
    checkpoint: Checkpoints
    folder: Path

    def printed(self, name: str) -> Finished:
        """What the export of a name printed."""
        self.folder.mkdir(exist_ok=True)
        record = self.folder / f"{name}.json"
        with FileLock(self.folder / f"{name}.lock"):
            if not record.exists():
                source, options = RECIPES[self.target][name]
                weights = ("--target", self.target, "--weights", self.checkpoint(source))
                output = ("--output", self.folder / name, "--json")
                made = self.export(*weights, *options, *output)
                record.write_text(json.dumps(asdict(made)))
            finished = Finished(**json.loads(record.read_text()))
        assert finished.code == 0, finished.err
        return finished

    def __call__(self, name: str) -> Path:
        """The folder of a name."""
        self.printed(name)
        return self.folder / name

    def read(self, name: str) -> Bundle:
        """The bundle of a name, its files' hashes checked."""
        return read_bundle(self(name))

    def manifest(self, name: str) -> Manifest:
        """The manifest of a name, its files' hashes checked."""
        return self.read(name).manifest
