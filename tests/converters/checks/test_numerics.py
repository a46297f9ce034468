"""Verification finds a wrong artifact, and a failed run leaves everything as it was."""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from converters.checks.cases import Case, verification_cases
from converters.checks.numerics import Reference, compare, outliers, verify
from converters.job.job import ExportJob
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import ImageError, VerificationError
from mobilevit_edge.files import folder_transaction
from mobilevit_edge.formats.manifest import Unit, Verification
from mobilevit_edge.image_files import find_images
from tests.support.exports import Checkpoints
from tests.support.jobs import job_of, with_options

THRESHOLD = 1e-5
finite = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
vectors = arrays(np.float32, array_shapes(min_dims=1, max_dims=1, max_side=20), elements=finite)


# Comparing two output vectors.


@pytest.mark.parametrize(
    ("actual", "expected", "absolute", "relative", "same"),
    [
        ([1.0, 2.0], [1.0, 4.0], 2.0, 0.5, True),
        ([1.0, -8.0], [3.0, -10.0], 2.0, 0.2, True),  # the largest output by size is negative
        ([0.0, 0.0], [0.0, 0.0], 0.0, 0.0, True),
        ([0.25, 0.0], [0.0, 0.0], 0.25, 0.25, True),  # nothing to relate to: the error itself
        ([5.0], [4.0], 1.0, 0.25, True),  # one output has no second class
    ],
)
def test_compare_gives_the_numbers_worked_out_by_hand(
    actual: list[float], expected: list[float], absolute: float, relative: float, same: bool
) -> None:
    case = compare("x", np.array(actual, np.float32), np.array(expected, np.float32), THRESHOLD)
    assert (case.name, case.absolute_error, case.relative_error) == ("x", absolute, relative)
    assert case.same_top1 is same


def test_compare_reports_another_top_class() -> None:
    assert not compare(
        "x", np.array([0, 3, 0], np.float32), np.array([3, 0, 0], np.float32), THRESHOLD
    ).same_top1


def test_compare_lets_rounding_exchange_classes_that_tie() -> None:
    case = compare(
        "x", np.array([1, 1.0000001], np.float32), np.array([1.0000001, 1], np.float32), THRESHOLD
    )
    assert (case.same_top1, case.tied) == (False, True)


def test_compare_measures_small_errors_of_large_outputs_in_double_precision() -> None:
    # 2**24 + 1 does not exist in float32.
    case = compare("x", np.array([2.0**24 + 1]), np.array([2.0**24]), THRESHOLD)
    assert case.absolute_error == 1.0


@settings(deadline=None)
@given(vectors)
def test_an_output_equals_itself(values: Array) -> None:
    case = compare("x", values, values, THRESHOLD)
    assert (case.absolute_error, case.relative_error, case.same_top1) == (0, 0, True)


@settings(deadline=None)
@given(vectors, st.integers(-8, 8))
def test_the_relative_error_does_not_depend_on_the_outputs_scale(
    values: Array, exponent: int
) -> None:
    expected = np.append(values, np.float32(1))
    actual = expected * np.float32(1.125)
    scale = np.float32(2.0**exponent)
    plain, scaled = (
        compare("x", actual, expected, THRESHOLD),
        compare("x", actual * scale, expected * scale, THRESHOLD),
    )
    assert scaled.relative_error == pytest.approx(plain.relative_error, rel=1e-6)
    assert scaled.absolute_error == pytest.approx(plain.absolute_error * scale, rel=1e-6)


@settings(deadline=None)
@given(vectors, st.data())
def test_the_absolute_error_is_the_largest_of_all_outputs(
    values: Array, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(values) - 1))
    actual = values.astype(np.float64)
    actual[index] += 0.5
    assert compare(
        "x", actual, values.astype(np.float64), THRESHOLD
    ).absolute_error == pytest.approx(0.5)


# Verifying against a stand-in for the artifact.


@functools.cache
def random_job() -> ExportJob:
    return job_of(model="tiny_mobilevitv2_050", image_size=(32, 32))


@dataclass
class StandIn:
    """An artifact that answers as the reference, then through ``fault``; keeps its inputs."""

    model: torch.nn.Module
    fault: Callable[[Array], Array]
    batches: list[int]

    def __call__(self, x: Array) -> Array:
        self.batches.append(len(x))
        with torch.inference_mode():
            return self.fault(self.model(torch.from_numpy(x)).numpy().copy())


def verified(checkpoint: Path, fault: Callable[[Array], Array], batch: int | None = 1) -> StandIn:
    job = job_of(weights=str(checkpoint), image_size=(32, 32), batch=batch)
    stand_in = StandIn(job.source.model, fault, [])
    cases = list(verification_cases(job))
    verify(LoadedModel(stand_in, "stand-in"), job, Reference(job), cases)
    return stand_in


def times(factor: float, rows: slice) -> Callable[[Array], Array]:
    def fault(y: Array) -> Array:
        y[rows] *= np.float32(factor)
        return y

    return fault


def test_an_equal_artifact_verifies(checkpoint: Checkpoints) -> None:
    assert set(verified(checkpoint("v2"), lambda y: y, batch=2).batches) == {2}


@pytest.mark.parametrize(
    ("fault", "batch"),
    [
        pytest.param(times(1.0001, slice(None)), 1, id="every output 1e-4 too large"),
        pytest.param(times(float("nan"), slice(None)), 1, id="NaN"),
        pytest.param(times(float("inf"), slice(None)), 1, id="Inf"),
        pytest.param(lambda y: np.roll(y, 1, axis=1), 1, id="classes rotated"),
        pytest.param(lambda y: y[:, ::-1], 1, id="classes reversed"),
        pytest.param(times(2, slice(1, None)), 2, id="second image wrong"),
        pytest.param(times(float("nan"), slice(1, None)), 2, id="second image NaN"),
        pytest.param(times(1.0002, slice(1, None)), 2, id="second image slightly wrong"),
        pytest.param(lambda y: y[:1], 2, id="one answer for two images"),
        pytest.param(lambda y: y[:, :1], 1, id="one class instead of ten"),
    ],
)
def test_a_wrong_answer_is_refused(
    checkpoint: Checkpoints, fault: Callable[[Array], Array], batch: int
) -> None:
    with pytest.raises(VerificationError):
        verified(checkpoint("v2"), fault, batch)


def test_small_probabilities_of_a_second_image_are_compared_too() -> None:
    job = with_options(random_job(), batch=2, activation="softmax")
    case = list(verification_cases(job))[:1]
    reference = Reference(job)
    expected = reference(case[0].pixels)
    # A thousand near-equal classes: 5 % of the largest is below any absolute tolerance of 1e-4.
    assert expected.max() < 2e-3
    answers = np.stack([expected, expected * 1.05])
    with pytest.raises(VerificationError):
        verify(LoadedModel(lambda x: answers, "stand-in"), job, reference, case)


# Outputs that stand for themselves: they cross zero, where no error is small beside them.


@pytest.mark.parametrize(
    ("logits", "error", "passes"),
    [
        pytest.param((0.01, -0.5), 3e-6, True, id="a logit that happens to be small"),
        pytest.param((0.0, 0.0), 1e-5, True, id="zero"),
        pytest.param((0.01, 50.0), 5e-4, True, id="small beside the logit of another photo"),
        pytest.param((0.01, -0.5), 1e-4, False, id="more than a logit's rounding"),
        pytest.param((0.01, 50.0), 2e-3, False, id="more than the largest logit's rounding"),
    ],
)
def test_a_single_output_near_zero_is_held_against_what_outputs_are(
    logits: tuple[float, ...], error: float, passes: bool
) -> None:
    job = replace(random_job(), source=replace(random_job().source, outputs=1))
    assert job.task == "multilabel"
    cases = [Case(f"{index}.jpg", np.full((32, 32, 3), index, np.uint8)) for index in range(2)]
    expected = dict(enumerate(logits))
    answers = iter(logits)
    loaded = LoadedModel(lambda x: np.array([[next(answers) + error]]), "stand-in")
    expects = contextlib.nullcontext() if passes else pytest.raises(VerificationError)
    with expects:
        verify(loaded, job, lambda pixels: np.array([expected[pixels[0, 0, 0]]]), cases)


# The NPU, which computes in fp16 whatever the file says.


@pytest.mark.parametrize(
    ("unit", "error", "remedy"),
    [("cpu", 1e-4, False), ("npu", 1e-4, True), ("npu", 0.1, False)],
)
def test_digits_that_the_processor_loses_lead_to_fp16_on_the_npu(
    unit: Unit, error: float, remedy: bool
) -> None:
    job = with_options(random_job(), unit=unit)
    job = replace(job, source=replace(job.source, outputs=2))
    loaded = LoadedModel(lambda x: np.array([[1 + error, -1.0]]), "stand-in")
    case = [Case("a.jpg", np.zeros((32, 32, 3), np.uint8))]
    with pytest.raises(VerificationError) as found:
        verify(loaded, job, lambda pixels: np.array([1.0, -1.0]), case)
    assert ("--precision fp16" in str(found.value)) is remedy


# Quantized artifacts: photos of which the model itself is unsure.


@functools.cache
def of_two_classes() -> ExportJob:
    job = with_options(random_job(), precision="int8", calibration=Path("photos"))
    return replace(job, source=replace(job.source, outputs=2))


def quantized(errors: Sequence[float]) -> Verification:
    """An int8 artifact whose outputs are too large by these shares, one a case."""
    cases = [
        Case(f"{index}.jpg", np.full((32, 32, 3), index, np.uint8)) for index in range(len(errors))
    ]
    scales = iter(errors)
    loaded = LoadedModel(lambda x: np.array([[1.0, -1.0]]) * (1 + next(scales)), "stand-in")
    return verify(loaded, of_two_classes(), lambda pixels: np.array([1.0, -1.0]), cases)


@pytest.mark.parametrize("number", [1, 9, 10, 19, 20, 32])
def test_one_photo_in_ten_may_be_an_outlier_in_int8(number: int) -> None:
    beyond = number // 10
    verification = quantized([0.6] * beyond + [0.1] * (number - beyond))
    names = [case.name for case in outliers(verification.cases, 0.5)]
    assert names == [f"{index}.jpg" for index in range(beyond)]
    with pytest.raises(VerificationError, match=r"0.jpg: .* 6.0e-01 .*--int8-keep auto"):
        quantized([0.6] * (beyond + 1) + [0.1] * (number - beyond - 1))


def test_no_photo_may_give_nan_in_int8() -> None:
    with pytest.raises(VerificationError, match=r"3.jpg: the artifact gives NaN"):
        quantized([0.0] * 3 + [float("nan")] + [0.0] * 20)


def test_how_many_are_beyond_is_said() -> None:
    with pytest.raises(VerificationError, match=r"so do 2 more of 12 inputs"):
        quantized([0.6, 0.7, 0.8] + [0.0] * 9)


def test_a_dynamic_batch_is_verified_with_more_than_one_image(checkpoint: Checkpoints) -> None:
    assert max(verified(checkpoint("v2"), lambda y: y, batch=None).batches) > 1


def test_an_interruption_while_folders_change_places_keeps_the_older_one(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = place / "bundle"
    target.mkdir()
    (target / "file").write_text("older")
    rename = Path.rename
    calls: list[Path] = []

    def interrupted(self: Path, to: Path) -> Path:
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), folder_transaction(target, Path.is_dir) as fresh:
        (fresh / "file").write_text("newer")
    assert (target / "file").read_text() in ("older", "newer")


# Photos to verify with.


def test_images_are_found_below_a_folder_in_a_fixed_order(tmp_path: Path, photo: Path) -> None:
    for name in ("b/2.PNG", "a.png", "b/1.jpeg", "notes.txt"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, tmp_path / "set" / name)
    found = [str(p.relative_to(tmp_path / "set")) for p in find_images(tmp_path / "set")]
    assert found == ["a.png", "b/1.jpeg", "b/2.PNG"]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_place_without_images_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match=name):
        find_images(tmp_path / name)


def test_at_most_32_photos_of_a_large_folder_are_used_and_spread_over_it(
    tmp_path: Path, photo: Path, checkpoint: Checkpoints
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(100):
        (folder / f"{index:03d}.png").symlink_to(photo)
    job = job_of(weights=str(checkpoint("v2")), image_size=(32, 32), verify=folder)
    cases = list(verification_cases(job))
    photos = [case.name for case in cases if case.name.endswith(".png")]
    assert 16 < len(photos) <= 32
    assert photos[0] == "000.png"
    assert photos[-1] > "090.png"
    assert {case.pixels.shape for case in cases} == {(32, 32, 3)}
