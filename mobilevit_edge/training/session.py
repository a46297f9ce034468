"""Setting up a run, new or resumed, and training it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from mobilevit_edge.errors import MissingPackageError, OutputError, UsageError
from mobilevit_edge.files import write_atomically
from mobilevit_edge.models.network import MobileViT, create_model, list_models
from mobilevit_edge.training.checkpoint import FOLDER, read_start, starting_network
from mobilevit_edge.training.data import (
    Images,
    Scan,
    fingerprint,
    require_same_classes,
    scan,
    split,
)
from mobilevit_edge.training.display import Display
from mobilevit_edge.training.learner import Learner
from mobilevit_edge.training.ranks import Ranks, joined_ranks
from mobilevit_edge.training.recipe import Recipe, scales_for
from mobilevit_edge.training.run import RECIPE, STATE, Run, State, load_state, write_recipe
from mobilevit_edge.training.stopping import stop_requests

UNREADABLE: Final = "unreadable.txt"


@dataclass(frozen=True)
class Trained:
    """What a finished run gives: its checkpoint and that one's held-out accuracy, 0 to 1."""

    checkpoint: str
    model: str
    epoch: int
    top1: float
    top5: float | None


@dataclass(frozen=True)
class _Setup:
    """All that a run needs before its first iteration here."""

    run: Run
    network: MobileViT
    train: Images
    validation: Images
    scans: tuple[Scan, ...]


def run_session(given: Mapping[str, Any], changes: Mapping[str, Any]) -> Trained | None:
    """Train as the command's options say.

    Args:
        given: the options by name, without those that were left out.
        changes: the hyper-parameters among them.

    Returns:
        The result; ``None`` in ranks other than the first.

    Raises:
        MobileViTEdgeError: the cause and the next step.
    """
    try:
        # Draws with matplotlib, which comes with the extra "train".
        from mobilevit_edge.training.trainer import Trainer, make_schedule
    except ModuleNotFoundError as error:
        raise MissingPackageError((error.name or "?").split(".")[0], "train") from error

    if "threads" in given:
        torch.set_num_threads(given["threads"])
    # Denormal numbers slow x86 down many times and carry nothing.
    torch.set_flush_denormal(True)
    with joined_ranks() as ranks:
        display = Display(shown=ranks.is_first)
        state: State | None = None
        if "resume" in given:
            folder = Path(given["resume"])
            state = load_state(folder, ranks.device)
            setup = _resumed(state, given, changes, ranks, display)
        else:
            folder = Path(given["output"])
            _require_unused(folder)
            setup = _new(given, changes, ranks, display)
        run = setup.run
        schedule = make_schedule(run, len(setup.train))
        if ranks.is_first:
            _prepare_folder(folder, setup)
        steps = sum(len(schedule.steps(epoch)) for epoch in range(run.recipe.epochs))
        learner = Learner(setup.network, run.recipe, steps, ranks)
        with stop_requests() as stop:
            trainer = Trainer(
                run,
                folder,
                setup.train,
                setup.validation,
                learner,
                schedule,
                ranks=ranks,
                workers=given["workers"],
                display=display,
                stop=stop,
            )
            if state is not None:
                trainer.restore(state)
            best = trainer.fit()
        if not ranks.is_first:
            return None
        return Trained(
            checkpoint=str(folder / FOLDER),
            model=run.model,
            epoch=best["epoch"],
            top1=best["top1"],
            top5=best["top5"],
        )


def _require_unused(folder: Path) -> None:
    if any((folder / name).exists() for name in (STATE, RECIPE, FOLDER)):
        raise UsageError(
            f"{folder} already holds a run: continue it with --resume {folder}, or name another "
            f"folder"
        )
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: name a folder for the run")


def _new(
    given: Mapping[str, Any], changes: Mapping[str, Any], ranks: Ranks, display: Display
) -> _Setup:
    model, weights = given["model"], given.get("weights")
    if model not in list_models():
        raise UsageError(f"unknown model {model!r}; choose one of: {', '.join(list_models())}")
    recipe = Recipe(**changes)
    if "scales" not in changes:
        recipe = replace(recipe, scales=scales_for(recipe.image_size))
    if recipe.freeze_backbone and weights is None:
        raise UsageError("--freeze-backbone trains the classifier alone: it needs --weights")
    # Before the images are read, which can take long.
    checkpoint = None if weights is None else read_start(model, weights)
    data, held_out = Path(given["data"]), given.get("validation")
    train, validation, scans = _read_data(data, held_out, recipe, given["workers"], display)
    torch.manual_seed(recipe.seed)
    network, channel_order = starting_network(model, train.classes, checkpoint, display.line)
    run = Run(
        model=model,
        recipe=recipe,
        data=str(data.resolve()),
        validation=None if held_out is None else str(held_out.resolve()),
        weights=weights,
        classes=train.classes,
        channel_order=channel_order,
        fingerprint=fingerprint((train, validation)),
        world_size=ranks.world_size,
    )
    return _Setup(run, network, train, validation, scans)


def _resumed(
    state: State,
    given: Mapping[str, Any],
    changes: Mapping[str, Any],
    ranks: Ranks,
    display: Display,
) -> _Setup:
    run, folder = state.run, given["resume"]
    wanted = {**run.recipe.as_json(), **replace(run.recipe, **changes).as_json()}
    different = [
        f"{name}: {before} then, {now} now"
        for name, before, now in (
            *((name, value, wanted[name]) for name, value in run.recipe.as_json().items()),
            ("model", run.model, given.get("model", run.model)),
            ("weights", run.weights, given.get("weights", run.weights)),
            ("processes", run.world_size, ranks.world_size),
        )
        if before != now
    ]
    if different:
        raise UsageError(
            f"the run in {folder} was started otherwise ({'; '.join(different)}): "
            f"continue it as it was started, or start a new one with --output"
        )
    data = Path(given.get("data", run.data))
    held_out = given.get("validation", run.validation)
    train, validation, scans = _read_data(
        data, None if held_out is None else Path(held_out), run.recipe, given["workers"], display
    )
    if fingerprint((train, validation)) != run.fingerprint:
        raise UsageError(
            f"the images of {data} are not those that the run in {folder} was started with: "
            f"restore them, or start a new run with --output"
        )
    network = create_model(run.model, num_classes=len(run.classes))
    return _Setup(run, network, train, validation, scans)


def _read_data(
    data: Path, held_out: Path | None, recipe: Recipe, workers: int, display: Display
) -> tuple[Images, Images, tuple[Scan, ...]]:
    """Training and held-out images, and the scans of the folders they come from."""
    scans = []
    for folder in (data,) if held_out is None else (data, held_out):
        with display.bar(f"reading {folder}", 1) as bar:
            found = scan(folder, workers=workers, report=bar.update)
        display.line(found.summary())
        scans.append(found)
    if held_out is None:
        train, validation = split(scans[0].images, recipe.validation_share, recipe.seed)
    else:
        train, validation = scans[0].images, scans[1].images
        require_same_classes(train, validation)
    return train, validation, tuple(scans)


def _prepare_folder(folder: Path, setup: _Setup) -> None:
    """The run's folder with what is known before training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror}") from error
    lines = [
        f"{found.images.root / path}\t{problem}\n"
        for found in setup.scans
        for path, problem in found.unreadable
    ]
    if lines:
        write_atomically(
            folder / UNREADABLE, lambda path: path.write_text("".join(lines), encoding="utf-8")
        )
    write_recipe(folder, setup.run)
