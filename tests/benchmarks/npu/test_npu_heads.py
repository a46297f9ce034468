"""``mobilevit-bench npu`` of masks: their answers by pixel, and their lower bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import mobilevit_edge as me
from benchmarks.npu import simulation
from benchmarks.workloads.bundles import inputs_of, subject_of
from converters.targets.onnx.npu.chips import CHIPS, Chip
from converters.targets.onnx.npu.compiler import Compilation
from converters.targets.onnx.npu.label_logits import load_logits
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.formats.report import Runtime, SimulationRow, Subject
from tests.support.npu import TAKEN, VERSION, fake_compiler

CHIP = CHIPS["sa8255"]
PIXELS = 64 * 64


@pytest.fixture(scope="module")
def labels(tiny_bundle: Callable[[str], Bundle]) -> Bundle:
    """A tiny DeepLabV3 that answers with labels."""
    return tiny_bundle("v1_labels_npu")


def job_of(bundle: Bundle) -> simulation.SimulationJob:
    row = SimulationRow(
        id="labels sa8255",
        experiment="npu",
        subject=Subject(precision="fp32"),
        runtime=Runtime("x", None),
        source="x",
        chip=CHIP.name,
    )
    return simulation.SimulationJob(row, bundle, CHIP)


def simulated(
    labels: Bundle, answer: np.ndarray, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> SimulationRow:
    """The row of a chip that answers the golden image so. ``[H, W]``."""
    np.save(folder / "answers.npy", answer.astype(np.int32)[None, None])
    use = fake_compiler(folder, monkeypatch)
    use(TAKEN.replace("ANSWERS", f"np.load({str(folder / 'answers.npy')!r})"))
    photos = folder / "photos"
    photos.mkdir()
    monkeypatch.setattr(simulation, "inputs_of", lambda bundle, images, most: golden(bundle))
    return simulation.simulate(job_of(labels), photos, lambda step: None)


def golden(bundle: Bundle) -> list[np.ndarray]:
    return inputs_of(bundle, None, 0)


def test_a_row_says_what_its_bundle_answers(labels: Bundle) -> None:
    found = subject_of(labels).attributes
    assert found == {"unit": "npu", "output stride": "16", "mask": "labels"}


def test_a_class_that_is_nearly_the_best_is_no_difference(
    labels: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = load_logits(labels.model_path).run(golden(labels)[0])[0]
    second, best = np.argsort(logits, axis=0)[-2:]
    lead = np.ptp(np.sort(logits, axis=0)[-2:], axis=0)
    near = lead <= np.quantile(lead, 0.05)
    row = simulated(labels, np.where(near, second, best), tmp_path, monkeypatch)
    assert row.agreement is not None
    assert (row.agreement.inputs, row.agreement.same_top1) == (PIXELS, PIXELS - near.sum())
    assert row.agreement.largest_difference < 0.05
    simulation.check_taken([row])


def test_another_class_is_one(
    labels: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = load_logits(labels.model_path).run(golden(labels)[0])[0]
    row = simulated(labels, logits.argmin(0), tmp_path, monkeypatch)
    assert row.agreement is not None
    assert row.agreement.same_top1 == 0
    with pytest.raises(VerificationError, match="of the largest output from this machine's"):
        simulation.check_taken([row])


@pytest.mark.parametrize(("stride", "more"), [(16, 0), (16, 1), (8, 0)])
def test_heads_as_the_authors_have_them_have_a_lower_bound(
    labels: Bundle, monkeypatch: pytest.MonkeyPatch, stride: Literal[8, 16], more: int
) -> None:
    asked = []

    def compiled(model: str, asked_stride: int | None, size: int, chip: Chip) -> Compilation:
        asked.append((model, asked_stride, size, chip))
        return Compilation(chip.name, VERSION, 1.0, 1, {"microseconds": 7}, (), None)

    monkeypatch.setattr(simulation, "_compiled_lower_bound", compiled)
    network = me.create_model(
        "mobilevit_xxs", head="deeplabv3", num_classes=5, output_stride=stride
    )
    parameters = sum(parameter.numel() for parameter in network.parameters())
    model = replace(
        labels.manifest.model, name="deeplabv3_mobilevit_xxs", parameters=parameters + more
    )
    assert labels.manifest.head is not None
    head = replace(labels.manifest.head, output_stride=stride)
    bundle = replace(labels, manifest=replace(labels.manifest, model=model, head=head))
    row = simulation.lower_bound(job_of(bundle))
    if more:
        assert row is None
        assert asked == []
    else:
        assert row is not None
        assert row.counts["microseconds"] == 7
        assert asked == [("deeplabv3_mobilevit_xxs", stride, 64, CHIP)]
