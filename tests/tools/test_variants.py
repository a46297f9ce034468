"""Our exports against the baselines and the lower bound, measured and counted at 64x64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from converters.targets.base import get_target
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.report import LatencyRow, read_report
from tests.support.tools import MODEL, run_tool, table_rows
from tools.studies import arm_variants, variants, vs_baseline
from tools.studies.variants import VARIANTS, Workload, write_variant

SIZE = 64
QUICK = ("--image-size", SIZE, "--processes", 1, "--seconds", 0.05)


IMAGE = np.random.default_rng(0).random((1, 3, SIZE, SIZE), np.float32)
NONSENSE = 0.5
"""An error of the largest output that no int8 of a tiny network has; independent outputs' is 1."""


def logits(runtime: str, path: Path) -> np.ndarray:
    return get_target(runtime).load(path).run(IMAGE)  # type: ignore[arg-type]


def runtime_row(printed: str) -> list[str]:
    """The cells of ONNX Runtime's row; the model has another in the table of the fastest."""
    (cells,) = (row[2:] for row in table_rows(printed) if row[1:2] == ["onnx"])
    return cells


def check_report(report: Path, precision: str, printed: str) -> None:
    """Every variant was measured; its median and all ratios are in the table."""
    (run,) = read_report(report).runs
    rows = [row for row in run.rows if isinstance(row, LatencyRow)]
    assert tuple(row.subject.attributes["variant"] for row in rows) == VARIANTS[precision]
    assert all(row.series[0].samples_ns for row in rows)
    cells = runtime_row(printed)
    assert len(cells) == len(rows) + 1 + len(variants.RATIOS[precision])
    assert all(float(cell.split()[0]) > 0 for cell in cells)


@pytest.fixture(scope="module")
def int8_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of artifacts in int8, made by the first study that asks for them."""
    return tmp_path_factory.mktemp("int8")


@pytest.mark.usefixtures("tiny_networks")
def test_fp32_variants_answer_alike_and_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Any other module of the same weights: transformers has none of this network.
    monkeypatch.setattr(variants, "transformers_implementation", nn.Sequential)
    report = tmp_path / "report.json"
    given = ("--runtime", "onnx", "--artifacts", tmp_path / "artifacts", "--output", report)
    finished = run_tool(vs_baseline, MODEL, *given, *QUICK)
    assert finished.code == 0, finished.err
    check_report(report, "fp32", finished.out)
    ours, reference, transformers, lower_bound = (
        logits("onnx", tmp_path / "artifacts" / f"{MODEL}-fp32-{SIZE}-{name}.onnx")
        for name in ("ours", "reference", "transformers", "lower_bound")
    )
    largest = np.abs(reference).max()
    np.testing.assert_allclose(ours, reference, atol=1e-4 * largest)
    np.testing.assert_array_equal(transformers, reference)
    assert np.abs(lower_bound - reference).max() > 0.1 * largest


@pytest.mark.usefixtures("tiny_networks")
def test_int8_variants_answer_nearly_alike_and_are_measured(
    int8_artifacts: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    given = ("--runtime", "onnx", "--precision", "int8", "--artifacts", int8_artifacts)
    finished = run_tool(vs_baseline, MODEL, *given, *QUICK, "--output", report)
    assert finished.code == 0, finished.err
    check_report(report, "int8", finished.out)
    ours, stock, fp32 = (
        logits("onnx", int8_artifacts / f"{MODEL}-int8-{SIZE}-{name}.onnx")
        for name in ("ours", "reference", "fp32")
    )
    for found in (ours, stock):
        assert 1e-4 < np.abs(found - fp32).max() / np.abs(fp32).max() < NONSENSE


@pytest.mark.usefixtures("tiny_networks")
def test_variants_are_counted_under_emulation(
    emulator: Callable[..., dict[str, list[tuple[int, ...]]]], int8_artifacts: Path
) -> None:
    counts = {"ours": 2_000_000, "reference": 5_000_000, "lower_bound": 1_000_000}
    called = emulator(arm_variants, lambda path: counts[path.stem.rsplit("-", 1)[1]])
    finished = run_tool(
        *(arm_variants, MODEL, "--runtime", "onnx", "--precision", "int8"),
        *("--variants", "ours", "reference", "lower bound"),
        *("--image-size", SIZE, "--artifacts", int8_artifacts),
    )
    assert finished.code == 0, finished.err
    assert runtime_row(finished.out) == [
        *("2", "5", "-", "1", "-", "1"),
        *("2.50", "-", "2.00", "2.00", "-"),
    ]
    assert set(map(tuple, called.values())) == {((1, 3, SIZE, SIZE),)}
    ours, stock = (
        logits("onnx", int8_artifacts / f"{MODEL}-int8-{SIZE}-{name}.onnx")
        for name in ("ours", "reference")
    )
    assert 1e-4 < np.abs(ours - stock).max() / np.abs(stock).max() < NONSENSE


def test_the_lower_bound_of_tokens_gets_its_queries_keys_and_values(
    emulator: Callable[..., dict[str, list[tuple[int, ...]]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three inputs for each of the three blocks of V1, beside the image."""
    called = emulator(arm_variants, lambda path: 1_000_000)
    monkeypatch.setattr(variants, "make_once", lambda path, recipe, make: not path.touch())
    finished = run_tool(
        *(arm_variants, "mobilevit_xxs", "--runtime", "onnx", "--variants", "ours", "lower bound"),
        *("--image-size", SIZE, "--artifacts", tmp_path),
    )
    assert finished.code == 0, finished.err
    shapes = {name.rsplit("-", 1)[1]: shapes for name, shapes in called.items()}
    assert shapes["ours.onnx"] == [(1, 3, SIZE, SIZE)]
    assert len(shapes["lower_bound.onnx"]) == 1 + 3 * 3


FIGURES: dict[variants.Key, float] = {
    ("onnx", "ours"): 5,
    ("onnx", "reference"): 7,
    ("onnx", "transformers"): 6,
    ("onnx", "lower bound"): 4,
    ("litert", "ours"): 4,
    ("litert", "reference"): 9,
    ("litert", "lower bound"): 3,
}


def test_a_runtime_has_its_own_baseline_and_the_bound_of_the_best() -> None:
    onnx, litert = (variants.of_runtime(FIGURES, runtime) for runtime in ("onnx", "litert"))
    assert (onnx["baseline"], litert["baseline"]) == (
        ("onnx", "transformers"),
        ("litert", "reference"),
    )
    assert onnx["lower bound"] == ("onnx", "lower bound")
    assert onnx["best bound"] == litert["best bound"] == ("litert", "lower bound")
    assert "transformers" not in litert


def test_the_fastest_are_chosen_from_all_runtimes() -> None:
    assert variants.of_all_runtimes(FIGURES) == {
        "ours": ("litert", "ours"),
        "baseline": ("onnx", "transformers"),
        "best bound": ("litert", "lower bound"),
    }
    assert variants.of_all_runtimes({}) == {}


def test_what_a_converter_refuses_is_left_out_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(workload: Workload, variant: str, path: Path) -> bool:
        if variant == "reference":
            raise ConversionError("no such operator")
        path.touch()
        return True

    monkeypatch.setattr(variants, "write_variant", write)
    workload = Workload(MODEL, "onnx", "fp32", SIZE)
    found = variants.convertible_candidates(workload, ("ours", "reference"), tmp_path)
    assert [c.row.id for c in found] == [f"{MODEL} onnx ours"]
    assert f"{MODEL} onnx reference: no such operator" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "precision", "variant"),
    [("mobilevitv3_050", "fp32", "transformers"), ("mobilevit_xxs", "int8", "lower bound")],
)
def test_a_variant_that_a_model_lacks_is_left_out(
    model: str, precision: str, variant: str, tmp_path: Path
) -> None:
    workload = Workload(model, "onnx", precision, SIZE)
    assert not write_variant(workload, variant, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_an_unknown_model_is_a_clear_error(tmp_path: Path) -> None:
    given = ("--runtime", "onnx", "--artifacts", tmp_path)
    finished = run_tool(vs_baseline, "mobilevit_xxl", *given)
    assert finished.code == 2
    assert "mobilevit_xxl" in finished.err
