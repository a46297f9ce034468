"""The NPU's compiler in its child: what it tells, and what becomes of its failures."""

from __future__ import annotations

import errno
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from converters.targets.onnx.npu import compiler
from converters.targets.onnx.npu.chips import CHIPS
from converters.targets.onnx.npu.contexts import Context, read_context
from mobilevit_edge.errors import (
    ConversionError,
    MissingPackageError,
    OutputError,
    ToolchainError,
)
from mobilevit_edge.installation import install_command
from tests.support.exports import Bundles
from tests.support.npu import LEFT, TAKEN, VERSION, FakeCompiler, fake_compiler

CHIP = CHIPS["sa8255"]


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCompiler:
    return fake_compiler(tmp_path, monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.touch()
    return path


def test_a_graph_that_is_taken_has_its_figures_and_its_context(
    use: FakeCompiler, model: Path, tmp_path: Path
) -> None:
    use(TAKEN)
    found = compiler.compile_for(model, CHIP, context=tmp_path / "kept.onnx")
    assert found.taken
    assert found.version == VERSION
    assert dict(found.figures) == {"cycles": 104_000, "microseconds": 1366, "input_fill_bytes": 10}
    assert found.context_bytes == 1000
    assert read_context(tmp_path / "kept.onnx") == Context("2.51.0", 1000)
    assert not found.timeline
    here = {path.name for path in Path.cwd().iterdir()}
    assert not {"context.onnx", "profile.csv"} & here


def test_a_graph_that_is_not_taken_names_its_nodes(use: FakeCompiler, model: Path) -> None:
    use(LEFT)
    found = compiler.compile_for(model, CHIP)
    assert not found.taken
    assert found.reason == "2 nodes are not taken: 1 Einsum, 1 Col2Im"
    assert [node.name for node in found.left] == ["layer3.1/Einsum_5", "x/Col2Im_7"]
    assert found.context_bytes == 0


def test_a_refusal_without_nodes_keeps_the_compilers_own_reason(
    use: FakeCompiler, model: Path
) -> None:
    use('answer(taken=False, reason="the driver says no", left=[])')
    assert compiler.compile_for(model, CHIP).reason == "the driver says no"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("os.abort()", "crashed with SIGABRT"),
        ("print('{not json'); sys.exit(0)", "no valid answer"),
        ("raise SystemExit('no licence')", "exit code 1 (no licence)"),
        ("time.sleep(60)", "gave no answer within 0.5 s"),
        (
            "context('EPContext', 'Softmax')\nanswer(taken=True, reason=None, left=[])",
            "holds EPContext, Softmax where one EPContext is all",
        ),
        (
            "context('EPContext', embed_mode=0, content='/x')\nanswer(taken=True, left=[])",
            "refers to another file",
        ),
        (
            "Path('context.onnx').write_bytes(b'?')\nanswer(taken=True, reason=None, left=[])",
            "is not a compiled context",
        ),
    ],
)
def test_a_compiler_that_fails_is_a_clear_error_that_names_the_chip(
    use: FakeCompiler, model: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    use(body)
    if "sleep" in body:
        monkeypatch.setattr(compiler, "_SECONDS", 0.5)
    with pytest.raises(ConversionError) as caught:
        compiler.compile_for(model, CHIP)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        'answer(taken=False, reason="Protobuf serialization failed", left=[])',
        "os.abort()",
        "raise OSError(28, 'No space left on device')",
        "print('{')",
    ],
)
def test_a_full_disk_is_told_from_a_graph_that_is_not_taken(
    use: FakeCompiler, model: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    use(body)
    usage = shutil.disk_usage(model.parent)._replace(free=10 * 1024**2)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(OutputError, match=r"10 MB free.*TMPDIR"):
        compiler.compile_for(model, CHIP)
    use(TAKEN)
    assert compiler.compile_for(model, CHIP).taken


def test_a_disk_too_full_for_its_inputs_is_an_output_error(
    use: FakeCompiler, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    with pytest.raises(OutputError, match="No space left on device"):
        compiler.emulate(model, CHIP, [np.zeros((1, 3), np.float32)])


def test_the_emulated_answers_come_in_the_order_of_the_inputs(
    use: FakeCompiler, model: Path
) -> None:
    use(TAKEN.replace("ANSWERS", "2 * x.reshape(len(x), 1, -1)"))
    inputs = [np.full((1, 3), value, np.float32) for value in (1, 2)]
    assert compiler.emulate(model, CHIP, inputs).tolist() == [[2, 2, 2], [4, 4, 4]]


def test_without_the_extra_the_message_says_how_to_install_it(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "PACKAGE", "no_such_package")
    with pytest.raises(MissingPackageError):
        compiler.compile_for(model, CHIP)
    monkeypatch.undo()
    assert install_command("npu") in str(MissingPackageError(compiler.PACKAGE))


def test_another_system_is_told_what_works(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ToolchainError, match=r"on Linux only.*darwin.*export here"):
        compiler.compile_for(model, CHIP)


@pytest.mark.skipif(
    find_spec(compiler.PACKAGE) is None, reason="onnxruntime-qnn is installed on request alone"
)
@pytest.mark.parametrize("name", ["v1_npu", "v3_maps_npu"])
def test_qualcomms_own_compiler_takes_our_files_and_no_open_batch(
    bundle: Bundles, name: str
) -> None:
    taken = compiler.compile_for(bundle(name) / "model.onnx", CHIP)
    assert taken.taken
    assert taken.figures["cycles"] > 0
    left = compiler.compile_for(bundle("v2") / "model.onnx", CHIP)
    assert not left.taken
    assert "Dynamic shape is not supported" in (left.reason or "")
