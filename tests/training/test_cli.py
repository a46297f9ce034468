"""The command line: the installed command, options, messages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mobilevit_edge as me
from mobilevit_edge.specs import SPECS
from mobilevit_edge.training.cli import train_parser
from mobilevit_edge.training.recipe import Recipe
from tests.training.conftest import QUICK, Train, state_of

COMMAND = Path(sys.executable).with_name("mobilevit-train")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(*options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(COMMAND), *(str(option) for option in options)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_installed_command_is_interrupted(few_images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    process = start(few_images, *QUICK, "--epochs", 400, "--output", folder)
    try:
        deadline = time.monotonic() + 60
        while not (folder / "checkpoint").is_dir() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert re.search(r"epoch 1/400: train loss .*, best so far, about \d+:\d\d:\d\d left", err)
    assert f"continue with mobilevit-train --resume {folder}" in err
    assert "Traceback" not in err
    assert out == ""
    told = re.search(r"stopped in epoch (\d+) after iteration (\d+);", err)
    assert told is not None
    position = state_of(folder)["position"]
    assert (position["epoch"] + 1, position["step"]) == (int(told[1]), int(told[2]))
    # A real network: the tests' tiny one is not known to other processes.
    model = me.load_model(folder / "checkpoint", model=SPECS["mobilevit_xxs"])
    assert model.num_classes == 3


def test_a_run_prints_one_json_object(
    few_images: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(few_images, *QUICK, "--epochs", 1, "--json", "--output", tmp_path / "run") == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["checkpoint"] == str(tmp_path / "run" / "checkpoint")
    assert result["top1"] == state_of(tmp_path / "run")["history"][0]["top1"]
    lines = err.splitlines()
    assert lines[0] == f"{few_images}: 9 images, 3 classes"
    assert lines[1].startswith("epoch 1/1: train loss ")
    assert not lines[1].endswith("left")
    assert len(lines) == 2


def test_help_answers_without_torch() -> None:
    code = (
        "import sys\n"
        "from mobilevit_edge.training.cli import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--class-balanced" in done.stdout


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--model", "mobilevit_xxs"), 2, "a new run needs DATA_DIR, --output RUN_DIR"),
        (("{images}", "--output", "{run}"), 2, "a new run needs --model NAME; --resume"),
        (("--output", "{run}"), 2, "a new run needs DATA_DIR, --model NAME; --resume RUN_DIR"),
        (("{images}",), 2, "a new run needs --model NAME, --output RUN_DIR; --resume RUN_DIR"),
        (("--resume", "{run}", "--output", "{run}"), 2, "pass one of them"),
        (("--resume", "{run}"), 4, "holds no run to continue"),
        (("{images}", "--model", "resnet", "--output", "{run}"), 2, "unknown model 'resnet'"),
        (("{images}", *QUICK, "--epochs", "0", "--output", "{run}"), 2, "--epochs 0 is out of"),
        (("{images}", *QUICK, "--batch-size", "1", "--output", "{run}"), 2, "--batch-size 1"),
        (("{run}", *QUICK, "--output", "{run}"), 4, "no folder at"),
        (("{images}/red", *QUICK, "--output", "{run}"), 4, "holds no class folders"),
        (
            ("{images}", *QUICK, "--weights", "{images}/red/00.png", "--output", "{run}"),
            4,
            "00.png",
        ),
    ],
)
def test_bad_input_gets_one_message_and_leaves_nothing(
    options: tuple[object, ...],
    code: int,
    message: str,
    images: Path,
    tmp_path: Path,
    train: Train,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    filled = [str(option).format(images=images, run=run) for option in options]
    assert train(*filled) == code
    err = capsys.readouterr().err
    assert err.startswith("mobilevit-train: error: ")
    assert message in err
    assert "Traceback" not in err
    assert not run.exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--scales", "32;64"),
        ("--workers", "-1"),
        ("--threads", "0"),
        ("--sampling", "random"),
        ("--validation", "a", "--validation-share", "0.5"),
    ],
)
def test_options_that_cannot_be_parsed_are_usage_errors(
    options: tuple[str, ...], train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        train(*options)
    assert caught.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_help_shows_the_recipes_defaults() -> None:
    text = " ".join(train_parser().format_help().split())
    for name in ("epochs", "batch_size", "learning_rate", "ema_decay", "validation_share"):
        assert f"(default: {getattr(Recipe, name)})" in text
