"""Real runtimes in measuring processes."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.harness.machine import default_core, this_device
from benchmarks.harness.parent import WorkerJob, run_job
from benchmarks.harness.plan import FactorySource, FileSource, source_from_json, source_to_json
from benchmarks.harness.runners import eager, load_runner, runtime_of
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.report import Runtime


class Small(torch.nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.relu(self.conv(x))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from converters.targets.executorch.delegates import xnnpack
    from converters.targets.executorch.lowering import lower

    path = tmp_path_factory.mktemp("program") / "small.pte"
    captured = torch.export.export(Small().eval(), (torch.rand(1, 3, 16, 16),))
    path.write_bytes(lower(captured, xnnpack()))
    return path


def test_executorch_runs_with_one_thread_and_tells_its_operators(program: Path) -> None:
    source = FileSource("executorch", str(program))
    job = WorkerJob("measure", default_core(), (source,), seconds=0.02, warm_up=1)
    result = run_job(job)
    assert result.complete, result.failure
    assert result.events["warm_up"]["threads"] == [1]
    assert result.samples[0]
    profiled = run_job(WorkerJob("profile", default_core(), (source,)))
    assert profiled.complete, profiled.failure
    profile = profiled.events["profile"]["profile"]
    assert any("Conv" in operator["kind"] for operator in profile["operators"])
    assert {operator["calls"] for operator in profile["operators"]} == {20}


def test_a_damaged_program_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "damaged.pte"
    path.write_bytes(b"no program")
    result = run_job(
        WorkerJob("cold_start", default_core(), (FileSource("executorch", str(path)),))
    )
    assert result.failure is not None
    assert "damaged.pte" in result.failure


def test_a_module_runs_without_gradients() -> None:
    module = Small()
    result = eager(module, torch.rand(1, 3, 8, 8))()
    assert isinstance(result, torch.Tensor)
    assert not result.requires_grad


def test_what_runs_a_file_of_onnx_loads_no_torch() -> None:
    """Which takes seconds, and memory that a cold start would count."""
    code = (
        "import sys, benchmarks.harness.worker, converters.classifier, converters.cli\n"
        "from benchmarks.harness import runners, sampling\n"
        "from benchmarks.harness.plan import FileSource\n"
        "from converters.targets.base import TARGET_NAMES, get_target\n"
        "print([get_target(name).info.name for name in TARGET_NAMES])\n"
        "runners.import_runtime(FileSource('onnx', 'model.onnx'))\n"
        "assert 'onnxruntime' in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(ConversionError, match="gone"):
        load_runner(FileSource("onnx", "/nowhere/gone.onnx"))


@pytest.mark.skipif(sys.platform == "darwin", reason="Core ML runs there")
def test_core_ml_is_not_run_elsewhere() -> None:
    result = run_job(
        WorkerJob("cold_start", default_core(), (FileSource("coreml", "m.mlpackage"),))
    )
    assert result.failure == "Core ML runs only on macOS and iOS"


@pytest.mark.parametrize(
    "source", [FileSource("onnx", "m.onnx"), FactorySource("a.b:c", {"x": 1, "y": ["z"]})]
)
def test_sources_survive_the_way_through_json(source: FileSource | FactorySource) -> None:
    assert source_from_json(source_to_json(source)) == source


def test_runtimes_have_the_versions_installed() -> None:
    installed = importlib.metadata.version("onnxruntime")
    assert runtime_of("onnx") == Runtime("ONNX Runtime", installed)
    assert runtime_of("coreml") == Runtime("Core ML", None)


def test_this_machine_describes_itself() -> None:
    device = this_device()
    assert device.kind == "computer"
    assert device.cores >= 1
    assert device.processor
