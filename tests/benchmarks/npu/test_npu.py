"""``mobilevit-bench npu`` with a compiler that a test plays."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image

from benchmarks.npu import simulation
from benchmarks.output.rendering.content import sections_of
from benchmarks.workloads.bundles import inputs_of
from converters.targets.bundles import load_bundle_model
from converters.targets.onnx.npu.chips import CHIPS
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.formats.manifest import ContextInfo
from mobilevit_edge.formats.report import Runtime, SimulationRow, Subject, read_report
from tests.support.benchmarks import bench
from tests.support.bundles import rewrite
from tests.support.npu import LEFT, TAKEN, VERSION, FakeCompiler, fake_compiler


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCompiler:
    monkeypatch.setattr("converters.targets.onnx.npu.compiler.find_spec", lambda name: name)
    use = fake_compiler(tmp_path, monkeypatch)
    monkeypatch.setattr(
        "converters.targets.onnx.npu.compiler.importlib.metadata.version", lambda name: VERSION
    )
    monkeypatch.setattr(simulation, "lower_bound", lambda job: None)
    use(TAKEN)
    return use


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_every_chip_has_a_row_in_the_table_and_the_report(
    use: FakeCompiler, exported: Path, tmp_path: Path
) -> None:
    finished = bench("npu", exported, "--output", tmp_path / "report.json")
    assert finished.code == 0, finished.err
    assert "not a phone's latency" in finished.out
    assert "no redistribution" in finished.out
    report = read_report(tmp_path / "report.json")
    rows = report.runs[0].rows
    assert [row.id.split()[-1] for row in rows] == ["sm8650", "sa8255"]
    first = rows[0]
    assert isinstance(first, SimulationRow)
    assert first.counts["cycles"] == 2000 * 57
    assert first.source.endswith(VERSION)
    (section,) = sections_of(report)
    assert "not a latency" in section.title
    assert section.tables[0].rows[0][1] == "whole"


def test_json_has_the_same_and_the_license(
    use: FakeCompiler, exported: Path, tmp_path: Path
) -> None:
    finished = bench("npu", exported, "--soc", "sa8255", "--json", "--output", tmp_path / "r.json")
    content = json.loads(finished.out)
    (row,) = content["rows"]
    assert row["taken"]
    assert row["counts"]["microseconds"] == 1366
    assert "Qualcomm" in content["license"]


def test_a_graph_that_is_not_taken_fails_with_its_nodes(
    use: FakeCompiler, exported: Path, tmp_path: Path
) -> None:
    use(LEFT)
    record = tmp_path / "record.json"
    finished = bench("npu", exported, "--output", tmp_path / "r.json", "--record", record)
    assert finished.code == 6
    for word in ("1 Einsum", "layer3.1/Einsum_5", "--unit npu"):
        assert word in finished.err
    assert not record.exists()
    (row, _) = read_report(tmp_path / "r.json").runs[0].rows
    assert isinstance(row, SimulationRow)
    assert [node.kind for node in row.not_taken] == ["Einsum", "Col2Im"]


def test_a_record_finds_a_regression_and_belongs_to_one_version(
    use: FakeCompiler, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record.json"
    given = ("npu", exported, "--soc", "sa8255", "--output", tmp_path / "r.json")
    assert bench(*given, "--record", record).code == 0
    assert bench(*given, "--check", record).code == 0
    use(TAKEN.replace("2000 *", "2020 *"))
    slower = bench(*given, "--check", record)
    assert slower.code == 6
    assert "cycles 104,000 -> 105,040 (+1.00%)" in slower.err
    monkeypatch.setattr(
        "converters.targets.onnx.npu.compiler.importlib.metadata.version", lambda name: "9.9"
    )
    monkeypatch.setattr("converters.targets.onnx.npu.compiler.require_compiler", lambda: "9.9")
    other = bench(*given, "--check", record)
    assert other.code == 6
    assert "9.9 is not recorded" in other.err


@pytest.mark.parametrize(
    ("precision", "factor", "code"),
    [("fp32", 1.0, 0), ("fp32", 1.05, 0), ("fp32", 1.2, 6), ("w8a8", 1.2, 0), ("w8a8", 1.3, 6)],
)
def test_emulated_answers_are_compared_with_this_machines(
    use: FakeCompiler,
    exported: Path,
    photo: Path,
    tmp_path: Path,
    precision: str,
    factor: float,
    code: int,
) -> None:
    exported = shutil.copytree(exported, tmp_path / "bundle")
    manifest = exported / "manifest.json"
    asked = manifest.read_text().replace('"precision": "fp32"', f'"precision": "{precision}"')
    manifest.write_text(asked)
    bundle = read_bundle(exported)
    assert bundle.manifest.precision == precision
    loaded = load_bundle_model(bundle)
    outputs = np.stack([loaded.run(x) for x in inputs_of(bundle, photo, 1)])
    np.save(tmp_path / "answers.npy", factor * outputs)
    use(TAKEN.replace("ANSWERS", f"np.load({str(tmp_path / 'answers.npy')!r})"))
    given = ("--soc", "sa8255", "--images", photo, "--output", tmp_path / "r.json")
    finished = bench("npu", exported, *given)
    assert finished.code == code, finished.err
    (row,) = read_report(tmp_path / "r.json").runs[0].rows
    assert isinstance(row, SimulationRow)
    assert row.agreement is not None
    assert row.agreement.inputs == 2
    assert row.agreement.largest_difference == pytest.approx(factor - 1, abs=1e-4)


def test_a_context_in_the_bundle_is_what_answers(
    use: FakeCompiler, exported: Path, photo: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(exported, tmp_path / "bundle")
    place = bundle / "contexts" / "sa8255.onnx"
    place.parent.mkdir()
    for kinds, code in ((["EPContext"], 0), (["EPContext", "Softmax"], 5)):
        nodes = [
            helper.make_node(kind, [], [kind], embed_mode=1, ep_cache_context=bytes(9))
            for kind in kinds
        ]
        named = [helper.make_tensor_value_info(kind, 1, [1]) for kind in kinds]
        onnx.save(helper.make_model(helper.make_graph(nodes, "g", [], named)), place)
        context = ContextInfo("sa8255", "contexts/sa8255.onnx", "x 1", "2.51.0", 0.0)
        rewrite(bundle, unit="npu", contexts=[vars(context)])
        loaded = load_bundle_model(read_bundle(bundle))
        outputs = np.stack([loaded.run(x) for x in inputs_of(read_bundle(bundle), photo, 1)])
        np.save(tmp_path / "answers.npy", outputs)
        use(
            TAKEN.replace("ANSWERS", f"np.load({str(tmp_path / 'answers.npy')!r})").replace(
                "answer()", "assert request['model'].endswith('contexts/sa8255.onnx')\n    answer()"
            )
        )
        given = ("--soc", "sa8255", "--images", photo, "--output", tmp_path / "r.json")
        finished = bench("npu", bundle, *given)
        assert finished.code == code, finished.err
    assert "holds EPContext, Softmax" in finished.err


def test_a_profile_shows_where_the_simulated_time_goes(
    use: FakeCompiler, exported: Path, tmp_path: Path
) -> None:
    report = tmp_path / "r.json"
    finished = bench("npu", exported, "--profile", "--output", report)
    assert finished.code == 0, finished.err
    without, row = read_report(report).runs[0].rows
    assert isinstance(without, SimulationRow)
    assert isinstance(row, SimulationRow)
    assert without.profile is None  # sm8650 has no simulated time
    assert row.profile is not None
    found = [(o.kind, o.module, o.calls, o.total_ns) for o in row.profile.operators]
    # 100 cycles: 70 of moves, 20 of two kernels at once, 10 of the first alone.
    per_cycle = 1000 * 1366 / 100
    assert found == [
        ("InputSlice", "", 1, round(70 * per_cycle)),
        ("Conv", "stem.conv", 1, round(20 * per_cycle)),
        ("Mul", "stem.act", 1, round(10 * per_cycle)),
    ]
    (section,) = sections_of(read_report(report))
    _, by_operator, by_block = section.tables
    assert [line[0] for line in by_operator.rows] == ["InputSlice", "Conv", "Mul"]
    assert [line[0] for line in by_block.rows] == ["-", "stem.conv", "stem.act"]
    assert "stem.conv" in finished.out


def test_a_compiler_that_tells_nothing_of_the_time_is_said_to(
    use: FakeCompiler, exported: Path, tmp_path: Path
) -> None:
    use(TAKEN.replace("timeline()", "pass"))
    given = ("--soc", "sa8255", "--profile", "--output", tmp_path / "r.json")
    finished = bench("npu", exported, *given)
    assert finished.code == 0, finished.err
    (row,) = read_report(tmp_path / "r.json").runs[0].rows
    assert isinstance(row, SimulationRow)
    assert row.profile is not None
    assert (row.profile.operators, row.profile.inferences) == ((), 0)
    assert "does not tell" in finished.out


def test_answers_that_are_no_numbers_fail(
    use: FakeCompiler, exported: Path, photo: Path, tmp_path: Path
) -> None:
    use(TAKEN.replace("ANSWERS", "np.full((2, 1, 10), np.inf)"))
    given = ("--soc", "sa8255", "--images", photo, "--output", tmp_path / "r.json")
    finished = bench("npu", exported, *given)
    assert finished.code == 6
    assert "NaN or Inf" in finished.err


def test_a_crash_ends_the_command_and_keeps_what_was_measured(
    use: FakeCompiler, exported: Path, tmp_path: Path
) -> None:
    use('if request["soc_model"] == 52: os.abort()\n' + TAKEN)
    finished = bench("npu", exported, "--output", tmp_path / "r.json")
    assert finished.code == 5
    assert "sa8255" in finished.err
    assert len(read_report(tmp_path / "r.json").runs[0].rows) == 1


def test_the_lower_bound_stands_beside_it(
    use: FakeCompiler, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lower_bound(job: simulation.SimulationJob) -> SimulationRow:
        return replace(job.row, id=f"bound of {job.row.id}", counts={"microseconds": 1000})

    monkeypatch.setattr(simulation, "lower_bound", lower_bound)
    report = tmp_path / "report.json"
    finished = bench("npu", exported, "--output", report)
    assert finished.code == 0, finished.err
    rows = read_report(report).runs[0].rows
    assert [row.limit_row for row in rows] == [None, f"bound of {rows[1].id}", None]
    (section,) = sections_of(read_report(report))
    assert [row[4] for row in section.tables[0].rows] == ["-", "1.37", "-"]


def test_a_model_that_is_not_ours_has_no_lower_bound(exported: Path) -> None:
    bundle = read_bundle(exported)
    other = replace(bundle.manifest.model, name="another")
    changed = replace(bundle, manifest=replace(bundle.manifest, model=other))
    job = simulation.SimulationJob(
        SimulationRow(
            id="x",
            experiment="npu",
            subject=Subject(),
            runtime=Runtime("x", None),
            source="x",
            chip="sa8255",
        ),
        changed,
        CHIPS["sa8255"],
    )
    assert simulation.lower_bound(job) is None


def test_an_open_batch_is_a_usage_error(use: FakeCompiler, exported: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(exported, tmp_path / "bundle")
    content = json.loads((bundle / "manifest.json").read_text())
    for part in ("input", "output"):
        content[part]["shape"][0] = None
    rewrite(bundle, input=content["input"], output=content["output"])
    finished = bench("npu", bundle, "--output", tmp_path / "r.json")
    assert finished.code == 2
    assert "leaves its batch or image size open" in finished.err
    assert "--unit npu" in finished.err


def test_a_full_disk_is_no_refusal_of_the_graph(
    use: FakeCompiler, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use('answer(taken=False, reason="Protobuf serialization failed", left=[])')
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    finished = bench("npu", exported, "--output", tmp_path / "r.json")
    assert finished.code == 4
    assert "TMPDIR" in finished.err


def test_an_unknown_chip_is_a_usage_error(exported: Path) -> None:
    finished = bench("npu", exported, "--soc", "sm1")
    assert finished.code == 2
    assert "sm8650" in finished.err
