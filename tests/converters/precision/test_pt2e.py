from __future__ import annotations

import pytest
import torch
from torch.export import ExportedProgram

from converters.job.wrapping import ExportableModel
from converters.precision.range_groups import apply_range_groups
from tests.conftest import random_images
from tests.support.jobs import job_of, module_of

pytestmark = pytest.mark.backend
SIZE = 64
IMAGES = torch.split(random_images(4, SIZE, SIZE), 1)


def grouped(model: str, weights: str) -> ExportableModel:
    """A rewritten model with range groups."""
    job = job_of(
        target="executorch",
        weights=weights,
        model=model,
        precision="int8",
        image_size=(SIZE, SIZE),
    )
    exportable = module_of(job)
    apply_range_groups(exportable, IMAGES)
    return exportable


@pytest.fixture(scope="module", params=["lean_tiny_mobilevit_xxs", "lean_tiny_mobilevitv2_050"])
def module(request: pytest.FixtureRequest) -> ExportableModel:
    """A tiny V1 and a tiny V2."""
    return grouped(request.param, "random")


def relative_error(program: ExportedProgram, module: ExportableModel) -> float:
    run = program.module()
    with torch.no_grad():
        actual = torch.cat([run(image) for image in IMAGES])
        expected = torch.cat([module(image) for image in IMAGES])
    return float((actual - expected).norm() / expected.norm())


def test_static_int8_is_near_fp32_and_as_simulated() -> None:
    """On a real V2 with trained weights."""
    from converters.precision.pt2e import quantize_program
    from converters.precision.sensitivity import Simulation

    module = grouped("auto", "demo")
    program = quantize_program(module, [(image,) for image in IMAGES], ())
    error = relative_error(program, module)
    # Random weights amplify rounding, noise is unlike what trained ones have seen; a wrong scale
    # anywhere makes it 1 and more.
    assert error < 0.4
    simulated = Simulation(module, IMAGES).error(lambda _: True)
    assert simulated == pytest.approx(error, rel=0.2)
    integers = [t for t in program.state_dict.values() if t.dtype == torch.int8]
    assert sum(t.numel() for t in integers) > 0.9 * sum(p.numel() for p in module.parameters())


def test_dynamic_int8_is_near_fp32(module: ExportableModel) -> None:
    from converters.precision.dynamic import quantize_program_dynamic

    assert relative_error(quantize_program_dynamic(module, IMAGES[0]), module) < 0.2


def test_simulation_tells_parts_apart(module: ExportableModel) -> None:
    from converters.precision.sensitivity import Simulation

    simulation = Simulation(module, IMAGES)
    assert simulation.error(lambda _: False) == 0
    everything = simulation.error(lambda _: True)
    stem = simulation.error(lambda path: path.startswith("model.stem"))
    assert 0 < stem < everything
    # Asking again answers the same: the calibration is not touched.
    assert simulation.error(lambda _: True) == everything


def test_keep_is_empty_where_int8_is_good_enough(module: ExportableModel) -> None:
    from converters.precision.sensitivity import choose_fp32_parts

    assert choose_fp32_parts(module, IMAGES, lambda _: None, acceptable=10.0) == ()


def test_keep_grows_until_the_error_is_acceptable(module: ExportableModel) -> None:
    from converters.precision.sensitivity import Simulation, choose_fp32_parts

    simulation = Simulation(module, IMAGES)
    goal = 0.6 * simulation.error(lambda _: True)
    kept = choose_fp32_parts(module, IMAGES, lambda _: None, acceptable=goal)
    assert kept
    assert set(kept) < set(simulation.parts)
