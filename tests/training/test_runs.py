"""Whole runs in this process: interruption, resumption, damage, full disks."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import mobilevit_edge as me
from mobilevit_edge.installation import install_command
from mobilevit_edge.locks import only_writer
from mobilevit_edge.training import trainer
from mobilevit_edge.training.evaluate import Evaluation, evaluate
from mobilevit_edge.training.learner import Learner
from mobilevit_edge.weights.checkpoint import read_checkpoint
from mobilevit_edge.weights.provenance import labels_of, preprocessing_of
from tests.training.conftest import (
    QUICK,
    Train,
    differences,
    state_of,
    training_command,
    write_images,
)


@pytest.fixture(scope="module")
def uninterrupted(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole quick run with its figures; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    with training_command(figures=True) as train:
        assert train(images, *QUICK, "--output", folder) == 0
    return folder


@pytest.fixture(scope="module")
def stopped(
    images: Path, uninterrupted: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The same run, stopped in the second epoch's first step, and what it printed on stderr.

    The folder is not to be changed.
    """
    folder = tmp_path_factory.mktemp("runs") / "stopped"
    first_epoch = state_of(uninterrupted)["history"][0]["step"]
    with (
        training_command() as train,
        redirect_stderr(io.StringIO()) as err,
        signal_in_step(first_epoch + 1, signal.SIGTERM),
    ):
        assert train(images, *QUICK, "--output", folder) == 143
    return folder, err.getvalue()


@pytest.fixture
def run(stopped: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the stopped run, to be continued."""
    return shutil.copytree(stopped[0], tmp_path / "run")


@contextmanager
def signal_in_step(step: int, number: int) -> Iterator[None]:
    """Sends this process a signal during the learner's step ``step`` (from 1)."""
    done = 0
    real = Learner.step

    def counted(self: Learner, *args: Any) -> float:
        nonlocal done
        done += 1
        if done == step:
            signal.raise_signal(number)
        return real(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "step", counted)
        yield


def test_a_run_leaves_what_it_promises(uninterrupted: Path) -> None:
    assert {path.name for path in uninterrupted.iterdir()} == {
        *("state.pt", "recipe.json", "log.csv", "curves.png", "confusion.png", "checkpoint")
    }
    with (uninterrupted / "log.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(row["images"] == "27" for row in rows)
    assert all(0 < float(row["train_loss"]) < 3 for row in rows)
    assert all(row["top5"] == "" for row in rows)
    for name in ("curves.png", "confusion.png"):
        with Image.open(uninterrupted / name) as image:
            assert image.format == "PNG"
    recipe = json.loads((uninterrupted / "recipe.json").read_text("utf-8"))
    assert recipe["model"] == "mobilevit_xxs"
    assert recipe["recipe"]["scales"] == [32, 48]
    assert recipe["classes"] == ["blue", "green", "red"]


def test_the_checkpoint_is_what_an_export_reads(uninterrupted: Path) -> None:
    checkpoint = read_checkpoint(uninterrupted / "checkpoint")
    assert checkpoint.naming == "cvnets"
    assert labels_of(checkpoint) == ("blue", "green", "red")
    model = me.load_model(checkpoint)
    assert (model.spec.name, model.num_classes) == ("mobilevit_xxs", 3)
    preprocessing = preprocessing_of(checkpoint, model.spec)
    assert preprocessing.channel_order == "RGB"
    assert preprocessing.resize == "crop"
    assert preprocessing.crop_fraction == 1.0
    assert preprocessing.image_size == (32, 32)
    assert preprocessing.provenance == "config.json of the checkpoint, written by mobilevit-train"


def test_the_checkpoint_holds_the_averaged_weights_of_the_best_epoch(
    few_images: Path, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, seen = iter((0.4, 0.6, 0.5)), []

    def evaluated(network: torch.nn.Module, *args: Any) -> Evaluation:
        seen.append({key: tensor.clone() for key, tensor in network.state_dict().items()})
        return Evaluation(1.0, next(scores), None, torch.eye(3, dtype=torch.int64).numpy())

    monkeypatch.setattr(trainer, "evaluate", evaluated)
    assert train(few_images, *QUICK, "--epochs", 3, "--output", tmp_path / "run") == 0
    model = me.load_model(tmp_path / "run" / "checkpoint")
    best = seen[1]
    assert all(torch.equal(tensor, best[key]) for key, tensor in model.state_dict().items())
    assert not torch.equal(best["head.weight"], seen[2]["head.weight"])
    averages = state_of(tmp_path / "run")["learner"]["average"]
    assert torch.equal(seen[2]["head.weight"], averages["module.head.weight"])


def test_an_interrupted_run_continues_to_the_same_bits(
    images: Path,
    uninterrupted: Path,
    train: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    with signal_in_step(3, signal.SIGINT):
        assert train(images, *QUICK, "--output", folder) == 130
    assert "stopped in epoch 1 after iteration 3" in capsys.readouterr().err
    assert state_of(folder)["position"]["step"] == 3
    assert train("--resume", folder, "--threads", 1) == 0
    assert differences(state_of(folder), state_of(uninterrupted)) == []


def test_a_second_interrupt_ends_at_once_and_says_how_to_continue(
    few_images: Path,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def twice(*args: Any) -> float:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return pytest.fail("still training")

    monkeypatch.setattr(Learner, "step", twice)
    folder = tmp_path / "run"
    # As in a shell, also where the tests' own process ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert train(few_images, *QUICK, "--output", folder) == 130
    assert capsys.readouterr().err.splitlines()[1:] == [
        f"the state saved last is kept: continue with mobilevit-train --resume {folder}",
        "mobilevit-train: interrupted",
    ]
    assert state_of(folder)["position"]["step"] == 0


def test_a_stopped_run_says_where_it_is_and_how_to_continue_it(stopped: tuple[Path, str]) -> None:
    folder, err = stopped
    assert "stopped in epoch 2 after iteration 1" in err
    assert f"mobilevit-train --resume {folder}" in err
    assert "Traceback" not in err
    position = state_of(folder)["position"]
    assert (position["epoch"], position["step"]) == (1, 1)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stopped_run_continues_to_the_same_bits_whatever_the_workers(
    workers: int, run: Path, uninterrupted: Path, train: Train
) -> None:
    assert train("--resume", run, "--workers", workers) == 0
    assert differences(state_of(run), state_of(uninterrupted)) == []
    one, two = (
        (path / "checkpoint" / "model.safetensors").read_bytes() for path in (run, uninterrupted)
    )
    assert one == two


def test_a_crash_between_saves_costs_no_bit(
    run: Path,
    uninterrupted: Path,
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real, done = Learner.step, 0

    def crashing(self: Learner, *args: Any) -> float:
        nonlocal done
        done += 1
        # The epoch's second step is saved, its third is lost.
        monkeypatch.setattr(trainer, "_SAVE_SECONDS", 0.0 if done == 1 else 1e9)
        if done == 3:
            raise RuntimeError("lightning")
        return real(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", crashing)
        assert train("--resume", run) == 1
    assert "unexpected RuntimeError: lightning" in capsys.readouterr().err
    assert state_of(run)["position"]["step"] == 2
    assert train("--resume", run) == 0
    assert differences(state_of(run), state_of(uninterrupted)) == []


def test_an_interrupt_during_evaluation_repeats_only_that(
    run: Path, uninterrupted: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any) -> Evaluation:
        signal.raise_signal(signal.SIGINT)
        return evaluate(*args)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "evaluate", interrupted)
        assert train("--resume", run) == 130
    state = state_of(run)
    assert (state["position"]["epoch"], state["position"]["images"]) == (1, 27)
    assert len(state["history"]) == 1
    assert len((run / "log.csv").read_text("utf-8").splitlines()) == 2
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", lambda *_: pytest.fail("the epoch is trained already"))
        assert train("--resume", run) == 0
    assert differences(state_of(run), state_of(uninterrupted)) == []


def test_a_finished_run_resumes_to_its_result(
    uninterrupted: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(uninterrupted, tmp_path / "run")
    assert train("--resume", folder, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    rows = state_of(folder)["history"]
    assert result["checkpoint"] == str(folder / "checkpoint")
    assert result["top1"] == max(row["top1"] for row in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--epochs", 3), "epochs: 2 then, 3 now"),
        (("--scales", "32,64"), "scales: [32, 48] then, [32, 64] now"),
        (("--model", "mobilevit_xs"), "model: mobilevit_xxs then, mobilevit_xs now"),
        (("--no-flip",), "flip: True then, False now"),
    ],
)
def test_a_run_continues_only_as_it_was_started(
    options: tuple[object, ...],
    message: str,
    uninterrupted: Path,
    train: Train,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train("--resume", uninterrupted, *options) == 2
    assert message in capsys.readouterr().err


def test_a_run_continues_only_on_the_same_images(
    images: Path,
    uninterrupted: Path,
    train: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    moved = shutil.copytree(images, tmp_path / "moved")
    folder = shutil.copytree(uninterrupted, tmp_path / "run")
    assert train(moved, "--resume", folder) == 0
    (moved / "red" / "03.png").unlink()
    assert train(moved, "--resume", folder) == 2
    assert "are not those that the run" in capsys.readouterr().err


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_folder_where_another_process_trains_is_refused(
    few_images: Path,
    train: Train,
    uninterrupted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with only_writer(uninterrupted), only_writer(tmp_path):
        assert train("--resume", uninterrupted) == 4
        assert train(few_images, *QUICK, "--output", tmp_path) == 4
    assert capsys.readouterr().err.count("another process is writing") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_is_no_file_is_refused(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "state.pt")
    assert train("--resume", tmp_path) == 4
    assert "a named pipe" in capsys.readouterr().err


def test_a_damaged_state_is_refused(
    uninterrupted: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (uninterrupted / "state.pt").read_bytes()
    (tmp_path / "state.pt").write_bytes(content[: len(content) // 2])
    assert train("--resume", tmp_path) == 4
    message = capsys.readouterr().err
    assert "state.pt cannot be read" in message
    assert "weights_only" not in message, "advice that is torch's, not ours"
    # What would run code when unpickled is refused, and does not run.
    torch.save({"format": Trap(tmp_path / "sprung")}, tmp_path / "state.pt")
    assert train("--resume", tmp_path) == 4
    assert "cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "sprung").exists()


def test_a_state_of_another_version_says_which_one_continues_it(
    uninterrupted: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = state_of(uninterrupted)
    state["run"]["recipe"]["momentum"] = 0.9
    torch.save(state, tmp_path / "state.pt")
    assert train("--resume", tmp_path) == 2
    assert "(momentum): continue it with the version that started it" in capsys.readouterr().err
    torch.save({**state, "format": 2}, tmp_path / "state.pt")
    assert train("--resume", tmp_path) == 4
    assert "state.pt is of format 2, this version reads 1" in capsys.readouterr().err


WriteBytes = Callable[[Path, bytes], int]


def full_disk(name: str, write: WriteBytes) -> WriteBytes:
    """``write_bytes`` that fails half-way through files for ``name``."""

    def failing(self: Path, data: bytes) -> int:
        if name not in self.name:
            return write(self, data)
        write(self, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return failing


@pytest.mark.parametrize("name", ["state.pt", "model.safetensors"])
def test_a_full_disk_leaves_the_last_good_files(
    name: str,
    run: Path,
    uninterrupted: Path,
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def improved(*args: Any) -> Evaluation:
        """A better result than any before; from then on the disk is full."""
        monkeypatch.setattr(Path, "write_bytes", full_disk(name, Path.write_bytes))
        return replace(evaluate(*args), top1=1.0)

    monkeypatch.setattr(trainer, "evaluate", improved)
    assert train("--resume", run) == 4
    monkeypatch.undo()
    err = capsys.readouterr().err
    assert f"cannot write {run}" in err
    assert "No space left on device" in err
    assert not list(run.rglob(".*"))
    assert me.load_model(run / "checkpoint").num_classes == 3
    assert train("--resume", run) == 0
    assert differences(state_of(run)["learner"], state_of(uninterrupted)["learner"]) == []


def test_an_unwritable_folder_is_explained(
    images: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert train(images, *QUICK, "--output", tmp_path / "file") == 4
    assert "is a file" in capsys.readouterr().err
    assert train(images, *QUICK, "--output", tmp_path / "file" / "run") == 4
    assert "cannot write" in capsys.readouterr().err


def test_a_run_is_not_overwritten(
    images: Path, uninterrupted: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(images, *QUICK, "--output", uninterrupted) == 2
    assert f"continue it with --resume {uninterrupted}" in capsys.readouterr().err


def test_a_run_that_failed_before_its_first_state_is_started_again(
    few_images: Path, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, folder = shutil.copytree(few_images, tmp_path / "data"), tmp_path / "run"
    (data / "red" / "bad.png").write_text("junk")
    monkeypatch.setattr(Learner, "step", lambda *args: 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full_disk("state.pt", Path.write_bytes))
        assert train(data, *QUICK, "--output", folder) == 4
    assert {path.name for path in folder.iterdir()} == {"recipe.json", "unreadable.txt"}
    (data / "red" / "bad.png").unlink()
    assert train(data, *QUICK, "--epochs", 1, "--output", folder) == 0
    assert json.loads((folder / "recipe.json").read_text("utf-8"))["recipe"]["epochs"] == 1
    assert not (folder / "unreadable.txt").exists()


def test_divergence_is_said_and_not_saved(
    images: Path,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Learner, "step", lambda *args: float("nan"))
    assert train(images, *QUICK, "--output", tmp_path / "run") == 2
    assert "training diverged: the loss became nan in epoch 1" in capsys.readouterr().err
    assert state_of(tmp_path / "run")["position"]["step"] == 0


def test_held_out_images_of_their_own(
    few_images: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = write_images(tmp_path / "held out", {"blue": 2, "green": 2, "red": 3}, seed=9)
    options = (few_images, *QUICK, "--epochs", 1, "--validation")
    assert train(*options, held_out, "--output", tmp_path / "run") == 0
    row = state_of(tmp_path / "run")["history"][0]
    assert row["images"] == 9
    assert round(row["top1"] * 7, 6).is_integer()
    (held_out / "violet").mkdir()
    shutil.copy(held_out / "red" / "00.png", held_out / "violet")
    assert train(*options, held_out, "--output", tmp_path / "other") == 4
    assert "differ ('violet')" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_evaluation_may_be_far_larger_than_training(
    few_images: Path, train: Train, tmp_path: Path
) -> None:
    sizes = ("--image-size", 128, "--scales", "32", "--batch-size", 8, "--epochs", 1)
    assert train(few_images, *QUICK, *sizes, "--output", tmp_path / "run") == 0


def test_six_unequal_classes_with_unreadable_images(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_images(tmp_path / "data", {f"class {n}": 2 + n // 2 for n in range(6)})
    (data / "class 2" / "bad one é.jpg").write_text("junk")
    options = ("--epochs", 1, "--class-balanced", "--output", tmp_path / "run")
    assert train(data, *QUICK, *options) == 0
    row = state_of(tmp_path / "run")["history"][0]
    assert row["top1"] <= row["top5"] <= 1
    assert "1 unreadable images skipped: class 2/bad one é.jpg" in capsys.readouterr().err
    listed = (tmp_path / "run" / "unreadable.txt").read_text("utf-8")
    assert listed.startswith(f"{data}/class 2/bad one é.jpg\t")


@pytest.mark.skipif(sys.platform == "darwin", reason="all names of files there are UTF-8")
def test_paths_of_a_run_need_not_be_utf_8(train: Train, tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"caf\xe9")
    data = write_images(root / "data", {"a": 3, "b": 3})
    (data / "b" / os.fsdecode(b"\xe9.png")).write_text("junk")
    assert train(data, *QUICK, "--epochs", 1, "--output", root / "run") == 0
    recipe = json.loads((root / "run" / "recipe.json").read_text("utf-8"))
    assert recipe["data"] == str(data)
    listed = (root / "run" / "unreadable.txt").read_text("utf-8")
    assert listed.startswith(f"{tmp_path}/caf\\udce9/data/b/\\udce9.png\t")
    assert train("--resume", root / "run") == 0


def test_a_missing_package_is_named(
    images: Path,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("session", "trainer", "figures"):
        monkeypatch.delitem(sys.modules, f"mobilevit_edge.training.{name}", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert train(images, *QUICK, "--output", tmp_path / "run") == 3
    assert install_command("train") in capsys.readouterr().err
