"""Setting up a run, new or resumed, and training it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from mobilevit_edge.errors import OutputError, UsageError
from mobilevit_edge.files import write_atomically
from mobilevit_edge.head_specs import MaskSpec
from mobilevit_edge.locks import only_writer
from mobilevit_edge.models.network import MobileViT, create_model
from mobilevit_edge.places import check_folder_place, refuse_inputs
from mobilevit_edge.preprocess import CHANNELS
from mobilevit_edge.specs import with_in_channels
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
from mobilevit_edge.training.evaluate import SCORES
from mobilevit_edge.training.heads import HeadOptions, mask_head, trained_spec
from mobilevit_edge.training.learner import Learner
from mobilevit_edge.training.masks import Part, is_divided, scan_masks
from mobilevit_edge.training.options import Machine, NewRun, ResumedRun
from mobilevit_edge.training.ranks import Ranks, joined_ranks
from mobilevit_edge.training.recipe import Recipe
from mobilevit_edge.training.run import (
    STATE,
    State,
    TrainingRun,
    load_state,
    write_recipe,
)
from mobilevit_edge.training.stopping import stop_requests
from mobilevit_edge.training.trainer import Trainer, make_schedule

UNREADABLE: Final = "unreadable.txt"


@dataclass(frozen=True)
class Trained:
    """The result of a finished run: its checkpoint, and the held-out scores of that, 0 to 1.

    Of a classifier these are ``top1`` and ``top5``, of a model for masks ``miou`` and ``accuracy``.
    """

    checkpoint: str
    model: str
    epoch: int
    scores: Mapping[str, float | None]


@dataclass(frozen=True)
class _Setup:
    """Everything a run needs before its first iteration in this process."""

    run: TrainingRun
    network: MobileViT
    train: Images
    validation: Images
    scans: tuple[Scan, ...]


def run_session(request: NewRun | ResumedRun, machine: Machine) -> Trained | None:
    """Train as the command asks.

    Returns:
        The result; ``None`` in ranks other than the first.

    Raises:
        MobileViTEdgeError: the cause and the next step.
    """
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    folder = request.folder
    with _flushed_denormals(), joined_ranks() as ranks, ExitStack() as writing:
        display = Display(shown=ranks.is_first)
        state: State | None = None
        if isinstance(request, ResumedRun):
            if ranks.is_first and folder.is_dir():
                writing.enter_context(only_writer(folder))
            state = load_state(folder, ranks.device)
            setup = _resumed(state, request, machine, ranks, display)
        else:
            _require_unused(folder)
            refuse_inputs(folder, [], _images_of(request))
            setup = _new(request, machine, ranks, display)
            # Wait until every rank has looked: a slow one would take the folder for another run's.
            ranks.sums([0.0])
            if ranks.is_first:
                _make_folder(folder)
                writing.enter_context(only_writer(folder))
                # Another run may have begun here while the images were read.
                _require_unused(folder)
        run = setup.run
        schedule = make_schedule(run, len(setup.train))
        if ranks.is_first:
            _describe_run(folder, setup)
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
                workers=machine.workers,
                display=display,
                stop=stop,
            )
            if state is not None:
                trainer.restore(state)
            try:
                best = trainer.fit()
            except KeyboardInterrupt:
                if (folder / STATE).exists():
                    display.line(
                        f"the state saved last is kept: continue with mobilevit-train --resume "
                        f"{folder}"
                    )
                raise
        if not ranks.is_first:
            return None
        return Trained(
            checkpoint=str(folder / FOLDER),
            model=run.model,
            epoch=best["epoch"],
            scores={name: best[name] for name in SCORES if name in best},
        )


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Denormal numbers slow x86 down many times and carry nothing; other code may need them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _require_unused(folder: Path) -> None:
    # What describes a run that failed before its first state is replaced.
    if any((folder / name).exists() for name in (STATE, FOLDER)):
        raise UsageError(
            f"{folder} already holds a run: continue it with --resume {folder}, or choose another "
            f"folder"
        )
    # A run is written into its folder, which may be behind a link.
    if not folder.is_dir():
        check_folder_place(folder)


def _new(request: NewRun, machine: Machine, ranks: Ranks, display: Display) -> _Setup:
    recipe, weights = request.recipe, request.weights
    # Before the images are read, which can take long.
    checkpoint = None if weights is None else read_start(request.model, weights)
    head = mask_head(request.model, request.head)
    train, validation, scans = _read_data(
        request.data, request.validation, recipe, head, machine.workers, display
    )
    torch.manual_seed(recipe.seed)
    spec = trained_spec(request.model, head)
    network, start = starting_network(spec, train.classes, checkpoint, display.line)
    run = TrainingRun(
        model=request.model,
        recipe=recipe,
        data=str(request.data.resolve()),
        validation=None if request.validation is None else str(request.validation.resolve()),
        weights=weights,
        classes=train.classes,
        channel_order=start.channel_order,
        fingerprint=fingerprint((train, validation)),
        world_size=ranks.world_size,
        normalization=start.normalization,
        head=head,
    )
    return _Setup(run, network, train, validation, scans)


def _resumed(
    state: State, request: ResumedRun, machine: Machine, ranks: Ranks, display: Display
) -> _Setup:
    run, folder = state.run, request.folder
    wanted = replace(run.recipe, **request.recipe).as_json()
    different = [
        f"{name}: {before} then, {now} now"
        for name, before, now in (
            *((name, value, wanted[name]) for name, value in run.recipe.as_json().items()),
            ("model", run.model, request.model or run.model),
            ("weights", run.weights, request.weights or run.weights),
            *_head_settings(run.head, request.head),
            ("processes", run.world_size, ranks.world_size),
        )
        if before != now
    ]
    if different:
        raise UsageError(
            f"the run in {folder} was started with other options ({'; '.join(different)}): "
            f"continue it as it was started, or start a new one with --output"
        )
    data = request.data or Path(run.data)
    held_out = request.validation or (None if run.validation is None else Path(run.validation))
    train, validation, scans = _read_data(
        data, held_out, run.recipe, run.head, machine.workers, display
    )
    if fingerprint((train, validation)) != run.fingerprint:
        raise UsageError(
            f"the images of {data} are not those that the run in {folder} was started with: "
            f"restore them, or start a new run with --output"
        )
    spec = with_in_channels(run.spec, CHANNELS[run.channel_order])
    network = create_model(spec, num_classes=len(run.classes))
    return _Setup(run, network, train, validation, scans)


def _head_settings(
    head: MaskSpec | None, given: HeadOptions
) -> list[tuple[str, int | None, int | None]]:
    """What is set of a head, with what it is in the run and what was given now."""
    stride, width = (None, None) if head is None else (head.output_stride, head.width)
    return [
        ("output stride", stride, given.output_stride or stride),
        ("head width", width, given.width or width),
    ]


def _read_data(
    data: Path,
    held_out: Path | None,
    recipe: Recipe,
    head: MaskSpec | None,
    workers: int,
    display: Display,
) -> tuple[Images, Images, tuple[Scan, ...]]:
    """Training and held-out images, and the scans of the folders they come from."""
    places: list[tuple[Path, Part | None]] = [(data, None)]
    if held_out is not None:
        places.append((held_out, "val" if is_divided(held_out) else None))
    elif head is not None and is_divided(data):
        places = [(data, "train"), (data, "val")]
    scans = []
    for folder, part in places:
        with display.bar(f"reading {folder}", 1) as bar:
            if head is None:
                found = scan(folder, workers=workers, progress=bar.update)
            else:
                found = scan_masks(folder, part=part, progress=bar.update)
        display.line(found.summary())
        scans.append(found)
    if len(scans) == 1:
        train, validation = split(scans[0].images, recipe.validation_share, recipe.seed)
    else:
        train, validation = scans[0].images, scans[1].images
        require_same_classes(train, validation)
    return train, validation, tuple(scans)


def _images_of(request: NewRun) -> list[Path]:
    return [request.data] if request.validation is None else [request.data, request.validation]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror}") from error


def _describe_run(folder: Path, setup: _Setup) -> None:
    """Write what is known before training."""
    lines = [
        f"{found.images.root / path}\t{problem}\n"
        for found in setup.scans
        for path, problem in found.unreadable
    ]
    if lines:
        text = "".join(lines).encode("utf-8", "backslashreplace")
        write_atomically(folder / UNREADABLE, lambda path: path.write_bytes(text))
    else:
        (folder / UNREADABLE).unlink(missing_ok=True)
    write_recipe(folder, setup.run)
