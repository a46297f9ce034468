"""Two real processes that torchrun starts, talking through gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mobilevit_edge.training.ranks import Ranks
from tests.training import two_ranks
from tests.training.conftest import QUICK, Train, state_of

ROOT = Path(__file__).parents[2]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def test_two_ranks_see_each_image_once_learn_as_one_and_run_the_command(
    few_images: Path, tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, answer = tmp_path / "run", tmp_path / "answer.json"
    options = (few_images, *QUICK, "--epochs", 1, "--output", folder)
    done = subprocess.run(
        [*TORCHRUN, two_ranks.__file__, answer, *(str(option) for option in options)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(answer.read_text())

    one, two = result["drawn"]
    assert len(one) == len(two)
    for mine, other in zip(one, two, strict=True):
        assert {tuple(size) for _, size, _ in mine} == {tuple(size) for _, size, _ in other}
    drawn = sorted(image for batch in (*one, *two) for image, _, _ in batch)
    assert drawn == list(range(101))

    # Three images on one rank, two on the other: the same as five on one.
    alone = Ranks(0, 1, torch.device("cpu"))
    expected = two_ranks.learned(*two_ranks.batch(), two_ranks.IMAGES, alone)
    assert result["learned"] == pytest.approx(expected, rel=1e-4, abs=1e-7)

    assert done.stderr.count("epoch 1/1: train loss") == done.stdout.count("top-1") == 1
    state = state_of(folder)
    assert state["run"]["world_size"] == 2
    assert state["history"][0]["images"] == 6
    assert (folder / "checkpoint" / "model.safetensors").is_file()
    assert train("--resume", folder) == 2
    assert "processes: 2 then, 1 now" in capsys.readouterr().err
