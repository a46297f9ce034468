"""``--soc``: the model compiled for single chips, beside it in the bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.job.precisions import PRECISIONS
from converters.progress import no_progress
from converters.targets.onnx.npu import compiler
from converters.targets.onnx.npu.precompiled import compile_contexts
from mobilevit_edge.errors import BundleError, VerificationError
from mobilevit_edge.files import sha256_of
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.formats.manifest import ContextInfo
from tests.support.bundles import rewrite, write_bundle
from tests.support.exports import Checkpoints, Command
from tests.support.jobs import job_of
from tests.support.npu import LEFT, TAKEN, VERSION, FakeCompiler, fake_compiler

EMULATED = """
if request["task"] == "answer":
    import onnxruntime
    assert os.path.basename(request["model"]) == "sm8650.onnx"
    session = onnxruntime.InferenceSession(COMPILED)
    outputs = [session.run(None, {"image": x})[0] for x in np.load("inputs.npy")]
    np.save("outputs.npy", FACTOR * np.stack(outputs))
    answer()
else:
    Path(COMPILED).write_bytes(Path(request["model"]).read_bytes())
"""
"""Compiles as TAKEN does, and the context answers as the model does, or worse."""
CONTEXT = ContextInfo("sm8650", "contexts/sm8650.onnx", f"onnxruntime-qnn {VERSION}", "2.51.0", 0.0)


def playing(folder: Path, factor: float) -> str:
    compiled = f"{str(folder / 'compiled.onnx')!r}"
    asked = EMULATED.replace("COMPILED", compiled).replace("FACTOR", f"float('{factor}')")
    return asked + TAKEN.partition("else:\n")[2]


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCompiler:
    use = fake_compiler(tmp_path, monkeypatch)
    monkeypatch.setattr("converters.targets.onnx.npu.unit.require_compiler", lambda: VERSION)
    use(playing(tmp_path, 1.0))
    return use


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def with_context(bundle: Path) -> Path:
    """A bundle whose manifest lists a context."""
    (bundle / "contexts").mkdir()
    (bundle / "contexts" / "sm8650.onnx").write_bytes(b"a context")
    rewrite(bundle, unit="npu", contexts=[vars(CONTEXT)])
    return bundle


def compiled(bundle: Path) -> tuple[ContextInfo, ...]:
    job = job_of(unit="npu", soc=("sm8650",))
    return compile_contexts(job, bundle / "model.onnx", no_progress)


def test_an_export_has_them_with_hash_and_sdk(
    use: FakeCompiler, export: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    given = ("--target", "onnx", "--unit", "npu", "--image-size", "32", "--soc", "sm8650")
    finished = export("--weights", checkpoint("v1_lean"), *given, "--output", tmp_path / "bundle")
    assert finished.code == 0, finished.err
    for word in ("for sm8650", "SDK 2.51.0", "no redistribution"):
        assert word in finished.out
    assert "has not seen it" not in finished.out
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.manifest.contexts == (CONTEXT,)
    path = bundle.context_path("sm8650")
    assert path == tmp_path / "bundle" / "contexts" / "sm8650.onnx"
    hashes = {file.path: file.sha256 for file in bundle.manifest.files}
    assert hashes["contexts/sm8650.onnx"] == sha256_of(path)
    assert bundle.context_path("sm8550") is None
    # The model itself is what it is without, and answers the self-test.
    assert bundle.model_path.name == "model.onnx"
    assert bundle.manifest.verification is not None


def test_an_export_that_a_chip_does_not_take_leaves_nothing(
    use: FakeCompiler, export: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    use(LEFT)
    given = ("--target", "onnx", "--unit", "npu", "--image-size", "32", "--soc", "sm8650")
    place = tmp_path / "out" / "bundle"
    place.parent.mkdir()
    finished = export("--weights", checkpoint("v1_lean"), *given, "--output", place)
    assert finished.code == 6
    for word in ("sm8650 does not take the whole graph", "1 Einsum", "layer3.1/Einsum_5"):
        assert word in finished.err
    assert not list(place.parent.iterdir())


def test_each_answers_the_golden_image_under_emulation(
    use: FakeCompiler, bundle: Path, tmp_path: Path
) -> None:
    use(playing(tmp_path, 1.05))
    (context,) = compiled(bundle)
    assert context.difference == pytest.approx(0.05, abs=1e-6)
    assert (bundle / context.file).is_file()


@pytest.mark.parametrize("factor", [1.2, float("nan"), float("inf")])
def test_one_that_answers_otherwise_is_refused(
    use: FakeCompiler, bundle: Path, tmp_path: Path, factor: float
) -> None:
    use(playing(tmp_path, factor))
    with pytest.raises(VerificationError, match=r"golden image.*0\.1 is allowed.*without --soc"):
        compiled(bundle)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--unit", "npu", "--soc", "sm1"), "sm1 is not known; choose from sm8350 (Snapdragon"),
        (("--unit", "npu", "--soc", "sm8650", "sm8650"), "names a chip twice"),
        (("--soc", "sm8650"), "--unit npu alone can"),
        (("--target", "executorch", "--soc", "sm8650"), "--target onnx"),
    ],
)
def test_chips_that_cannot_be_compiled_for_are_refused_at_once(
    use: FakeCompiler, export: Command, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    target = () if "--target" in options else ("--target", "onnx")
    finished = export("--weights", "demo", *target, *options, "--output", tmp_path / "bundle")
    assert finished.code == 2
    assert reason in finished.err


def test_without_the_extra_nothing_is_begun(
    export: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "PACKAGE", "no_such_package")
    given = ("--weights", "demo", "--target", "onnx", "--unit", "npu", "--soc", "sm8650")
    finished = export(*given, "--output", tmp_path / "bundle")
    assert finished.code == 3
    assert "no_such_package" in finished.err


def test_a_bundle_with_a_context_opens(with_context: Path) -> None:
    opened = read_bundle(with_context)
    assert opened.context_path("sm8650") == with_context / "contexts" / "sm8650.onnx"
    assert opened.model_path == with_context / "model.onnx"


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "contexts/sm8550.onnx"},
        {"file": "../sm8650.onnx"},
        {"file": "contexts/../model.onnx"},
        {"file": "/etc/passwd"},
        {"file": "labels.txt"},
        {"soc": "../sm8650"},
        {"sdk": ""},
        {"difference": -1},
    ],
)
def test_a_context_that_is_not_one_of_the_bundles_files_is_refused(
    with_context: Path, changes: dict[str, object]
) -> None:
    rewrite(with_context, contexts=[vars(CONTEXT) | changes])
    with pytest.raises(BundleError, match="contexts"):
        read_bundle(with_context)


@pytest.mark.parametrize("changes", [{"unit": "cpu"}, {"contexts": [vars(CONTEXT)] * 2}])
def test_contexts_belong_to_the_npu_and_one_to_a_chip(
    with_context: Path, changes: dict[str, object]
) -> None:
    rewrite(with_context, **changes)
    with pytest.raises(BundleError, match=r"contradicts itself \(contexts\)"):
        read_bundle(with_context)


def test_a_context_that_leads_out_of_the_bundle_is_refused(
    with_context: Path, tmp_path: Path
) -> None:
    path = with_context / "contexts" / "sm8650.onnx"
    path.rename(tmp_path / "outside.onnx")
    path.symlink_to(tmp_path / "outside.onnx")
    with pytest.raises(BundleError, match="leads out of the bundle"):
        read_bundle(with_context)


def test_integers_may_round_to_a_neighbor() -> None:
    fp32, w8a8, mixed = (PRECISIONS[name].npu_tolerance for name in ("fp32", "w8a8", "mixed"))
    assert fp32 < w8a8 == mixed
