"""What the tests share: conformance data, real data where it lies, quick models."""

from __future__ import annotations

import gc
import importlib.metadata
import json
import math
import os
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from xdist.remote import Producer

from converters.targets.child import Opened
from converters.targets.executorch import target as executorch_target
from converters.targets.litert import target as litert_target
from converters.targets.loaded import LoadedModel
from converters.tracing import quick_tracing
from mobilevit_edge.counting import Complexity, complexity
from mobilevit_edge.garbage import RARE
from mobilevit_edge.models.network import MobileViT, create_meta_model, find_spec
from mobilevit_edge.specs import Attention, ModelSpec, with_attention
from tests.support.scheduling import ByImports

torch.set_num_threads(1)
# The processes that tests start, too: where each has a thread for every core, they wait for one
# another's, and take several times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# As in an export: looking through all objects at every turn takes a tenth of the time.
gc.set_threshold(*RARE)

CONFORMANCE = Path(__file__).parent / "data" / "conformance"
REALDATA = Path(
    os.environ.get("MOBILEVIT_REALDATA", Path(__file__).parents[2] / "shared" / "realdata")
)


HERE = Path(__file__).parent
BACKEND_FOLDERS = [
    HERE / name
    for name in (
        "android",
        "ios",
        "tools",
        "bad_inputs",
        "benchmarks/workloads",
        "benchmarks/harness",
        "converters/targets/coreml",
        "converters/targets/executorch",
        "converters/targets/litert",
        "converters/targets/onnx",
    )
]
"""Folders whose tests export, run a target's files or build an app."""
SLOW = [
    HERE / name
    for name in (
        "benchmarks/arm/test_emulated.py",
        "converters/rewrites/test_every_rewrite.py",
        "converters/rewrites/test_targets.py",
        "converters/targets/test_child.py",
        "converters/test_explain.py",
        "models/test_transformers_parity.py",
        "test_package.py",
        "test_packaging.py",
        "training",
        "weights/test_demo.py",
        "weights/test_hub.py",
    )
]
"""Tests that take seconds: they train, start processes, or run whole networks."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even read what a run leaves out as a whole: reading imports the targets' packages."""
    leaves_out = "not backend" in (config.getoption("markexpr") or "")
    return True if leaves_out and collection_path in BACKEND_FOLDERS else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a target's packages, and what takes long.

    The converters' tests have rules of their own.
    """
    for item in items:
        if not set(SLOW).isdisjoint((item.path, *item.path.parents)):
            item.add_marker("slow")
        exports = "exported" in getattr(item, "fixturenames", ())
        if exports or not set(BACKEND_FOLDERS).isdisjoint(item.path.parents):
            item.add_marker("backend")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByImports:
    """Hand out tests by file and by what they import; the option --dist has no say."""
    return ByImports(config, log)


@pytest.fixture(scope="session", autouse=True)
def quick_exports(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the exports of a run share what torch works out anew for each of them.

    Its translations to ONNX, five hundred functions to be parsed, are a seventh of a tiny export's
    time. Exports trace quickly by themselves, but single steps of them are tested as well. A file
    is opened in this process: one of its own first imports torch for seconds, and is what the
    commands' own processes and ``converters/targets/test_child.py`` test.
    """
    if not any(item.get_closest_marker("backend") for item in request.session.items):
        yield
        return
    from torch.onnx._internal.exporter import _registration as registration

    library: Any = vars(registration)["onnxscript_apis"]
    with pytest.MonkeyPatch.context() as patch, quick_tracing():
        patch.setattr(library, "get_torchlib_ops", lru_cache(library.get_torchlib_ops))
        for target in (executorch_target, litert_target):
            patch.setattr(target, "load_in_child", load_here)
        yield


def load_here(worker: str, path: Path, runtime: str, package: str) -> LoadedModel:
    """What :func:`converters.targets.child.load_in_child` gives, from this process."""
    opened: Opened = vars(importlib.import_module(worker))["_open"](path)
    takes = (None, *opened.inputs[0].shape[1:])
    version = importlib.metadata.version(package)
    return LoadedModel(opened.run, f"{runtime} {version}, XNNPACK", takes=takes)


def deterministic_state(keys: dict[str, list[int]], gain: float = 1.5) -> dict[str, torch.Tensor]:
    """The conformance data's weights: every entry made from its own name and shape."""
    state = {}
    for key, shape in keys.items():
        leaf = key.rsplit(".", 1)[-1]
        rng = np.random.RandomState(zlib.crc32(key.encode()))
        if leaf == "num_batches_tracked":
            values: Any = np.zeros(shape, np.int64)
        elif len(shape) >= 2:
            values = rng.standard_normal(shape) * math.sqrt(gain / math.prod(shape[1:]))
        elif leaf == "running_var" or leaf == "weight":
            values = rng.uniform(0.5, 1.5, shape)
        else:
            values = 0.1 * rng.standard_normal(shape)
        if leaf != "num_batches_tracked":
            values = np.asarray(values).astype(np.float32)
        state[key] = torch.from_numpy(np.asarray(values))
    return state


def conformance_keys(source: str, variant: str) -> dict[str, list[int]]:
    """Names and shapes of one source's state dict."""
    text = (CONFORMANCE / "keys" / f"{source}__{variant}.json").read_text()
    keys: dict[str, list[int]] = json.loads(text)["keys"]
    return keys


@lru_cache(maxsize=8)
def _filled_state(spec: ModelSpec, num_classes: int) -> dict[str, torch.Tensor]:
    model = create_meta_model(spec, num_classes)
    return deterministic_state({key: list(t.shape) for key, t in model.state_dict().items()})


def filled_model(
    name: str, *, num_classes: int = 1000, attention: Attention | None = None
) -> MobileViT:
    """A model without a single weight or batch statistic at its default."""
    spec = find_spec(name)
    if attention is not None:
        spec = with_attention(spec, attention)
    model = create_meta_model(spec, num_classes).to_empty(device="cpu")
    model.load_state_dict(_filled_state(spec, num_classes))
    return model


@lru_cache
def counted(name: str) -> Complexity:
    """The counts of a model with 1000 classes at 256x256."""
    return complexity(create_meta_model(find_spec(name), 1000))


def random_images(batch: int, height: int, width: int, seed: int = 20260) -> torch.Tensor:
    """``[B, 3, H, W]`` in 0..1, the conformance data's input for its seed."""
    values = np.random.RandomState(seed).rand(batch, 3, height, width)
    return torch.from_numpy(values.astype(np.float32))


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of third-party weights and photos, which is not part of this repository."""
    if not REALDATA.is_dir():
        pytest.skip(f"third-party weights and photos are not at {REALDATA}")
    return REALDATA


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of a run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
