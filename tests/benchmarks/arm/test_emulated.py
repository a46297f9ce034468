"""Real emulation: known programs have known counts, and real bundles the recorded ones.

These need the toolchain of ``mobilevit-bench arm``, which ``make arm`` gathers.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import benchmarks.arm
from benchmarks.arm.emulation import emulate
from benchmarks.arm.machine_code import count_kinds, parse_blocks
from benchmarks.arm.processors import PROCESSORS
from benchmarks.arm.runtimes import EmulatedTarget
from benchmarks.arm.toolchain import Toolchain, default_folder, find_toolchain, set_up
from mobilevit_edge.errors import ConversionError, ToolchainError
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.formats.report import InstructionRow, read_report
from tests.support.benchmarks import bench
from tools.studies.arm_operators import count_operator

RECORD = Path(benchmarks.arm.__file__).parent / "counts.json"
PAIRS: tuple[tuple[str, TargetName], ...] = (("mobilevitv2_050", "onnx"),)
"""``make arm`` sets ARM_RECORD for a model of each layout in each runtime."""
if os.environ.get("ARM_RECORD"):
    PAIRS += (
        ("mobilevit_xxs", "onnx"),
        ("mobilevit_xxs", "executorch"),
        ("mobilevitv2_050", "executorch"),
        ("mobilevit_xxs", "litert"),
        ("mobilevitv2_050", "litert"),
    )
PROGRAM = """
.global _start
mark:
    mov x8, 64
    mov x0, 1000
    mov x2, 0
    svc 0
    ret
_start:
    adr x3, _start
    bl mark
    .rept 3
    fmla v0.4s, v1.4s, v2.4s
    .endr
    fmla v0.4s, v1.4s, v2.s[1]
    fmls v0.2d, v1.2d, v2.2d
    fmla v0.8h, v1.8h, v2.8h
    fmul v0.4s, v1.4s, v2.4s
    .rept 2
    sdot v0.4s, v1.16b, v2.16b
    .endr
    udot v0.4s, v1.16b, v2.4b[3]
    ldr x4, [x3]
    ldp q3, q4, [x3]
    ld1 {v5.16b}, [x3]
    add x5, x5, 1
    bl mark
    mov x8, 93
    mov x0, 0
    svc 0
"""


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    found = find_toolchain(default_folder())
    if found is not None:
        return found
    if not os.environ.get("CI"):
        pytest.skip("no ARM toolchain; gather it with: make arm")
    try:
        return set_up(default_folder(), lambda step: None)
    except ToolchainError as error:
        pytest.skip(f"no ARM toolchain: {error}")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    from converters.bundling.pipeline import export_bundle
    from converters.job.options import ExportOptions

    folder = tmp_path_factory.mktemp("arm")
    return [
        export_bundle(
            ExportOptions(
                target=target,
                weights="random",
                model=model,
                image_size=(64, 64),
                output=folder / f"{model}-{target}-fp32-64",
            ),
        ).path
        for model, target in PAIRS
    ]


def test_a_program_of_known_instructions_has_known_counts(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    (tmp_path / "program.s").write_text(PROGRAM)
    compiler = ["aarch64-linux-gnu-g++-12", "-march=armv8.4-a+fp16", "-nostdlib", "-static"]
    subprocess.run([*compiler, "program.s", "-o", "program"], cwd=tmp_path, check=True)
    command = toolchain.emulator(PROCESSORS["cortex-a76"])
    command += ["-plugin", toolchain.counter, "-d", "plugin", "-D", tmp_path / "log"]
    subprocess.run([*command, tmp_path / "program"], check=True)
    counts = count_kinds(parse_blocks((tmp_path / "log").read_text()))
    assert (counts["fmla"], counts["dot"], counts["load_store"]) == (6, 3, 3)
    # The fourteen in between, and those of the marks themselves: return, call, and four before.
    assert counts["all"] == 14 + 6


def test_counts_repeat_exactly_and_are_the_recorded_ones(
    toolchain: Toolchain, bundles: list[Path], tmp_path: Path
) -> None:
    options = ("--toolchain", toolchain.folder, "--output", tmp_path / "a.json", "--check", RECORD)
    first = bench("arm", *bundles, *options)
    assert first.code == 0, first.err
    again = bench("arm", bundles[0], "--toolchain", toolchain.folder, "--output", tmp_path / "b")
    assert again.code == 0, again.err
    rows, repeated = (
        [row for run in read_report(tmp_path / name).runs for row in run.rows]
        for name in ("a.json", "b")
    )
    assert rows[:1] == repeated
    for row in rows:
        assert isinstance(row, InstructionRow)
        assert row.agreement is not None
        assert row.agreement.same_top1 == row.agreement.inputs
        # The kernels differ, and with them the order of sums.
        assert row.agreement.largest_difference <= 1e-5
        assert row.counts["fmla"] > row.counts["all"] / 10


def test_an_operator_of_eight_times_the_numbers_takes_up_to_eight_times_the_instructions(
    toolchain: Toolchain,
) -> None:
    small, large = (
        count_operator(toolchain, PROCESSORS["cortex-a76"], "Sigmoid", shape, "fp32")
        for shape in ((64, 64), (512, 64))
    )
    # At least one for four numbers; the rest of a call does not grow.
    assert small > 64 * 64 / 4
    assert 4 * small < large < 8 * small


@pytest.mark.parametrize(
    ("target", "name"), [("executorch", "model.pte"), ("litert", "model.tflite")]
)
def test_a_model_that_the_emulated_runtime_refuses_is_a_clear_error(
    toolchain: Toolchain, tmp_path: Path, target: EmulatedTarget, name: str
) -> None:
    (tmp_path / name).write_bytes(b"no program at all" * 10)
    image = np.zeros((1, 3, 64, 64), np.float32)
    failure = rf"{name} on an emulated cortex-a53 failed: its process ended with exit code 1 \(run"
    with pytest.raises(ConversionError, match=failure):
        emulate(toolchain, PROCESSORS["cortex-a53"], target, tmp_path / name, [[image]])
