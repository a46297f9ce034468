"""The training loop: epochs of iterations, then evaluation and the files written after it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch.utils.data import DataLoader

from mobilevit_edge.errors import UsageError
from mobilevit_edge.training.checkpoint import write_checkpoint
from mobilevit_edge.training.data import EvaluationSet, Images, TrainingSet
from mobilevit_edge.training.display import Display, shown_scores
from mobilevit_edge.training.evaluate import (
    SCORES,
    Evaluated,
    MaskEvaluation,
    evaluate,
    evaluate_masks,
)
from mobilevit_edge.training.figures import write_confusion, write_curves, write_ious, write_log
from mobilevit_edge.training.learner import Learner
from mobilevit_edge.training.masks import MaskEvaluationSet, MaskTrainingSet
from mobilevit_edge.training.mix import mix
from mobilevit_edge.training.ranks import Ranks
from mobilevit_edge.training.run import Position, State, TrainingRun, save_state
from mobilevit_edge.training.sampler import (
    RankSampler,
    Schedule,
    Step,
    class_balanced,
    shuffled,
)
from mobilevit_edge.training.stopping import StoppedError, StopRequest, leave_signals_to_parent

_SAVE_SECONDS: Final = 300.0
_STEP_STREAM: Final = 5
_MIX_STREAM: Final = 6


class _EvaluationStoppedError(Exception):
    """Ends an evaluation that was asked to stop."""


def make_schedule(run: TrainingRun, images: int) -> Schedule:
    """How ``run`` divides its epochs of ``images`` images into iterations.

    Raises:
        UsageError: too few images, or too small a batch, for the number of ranks.
    """
    recipe = run.recipe
    try:
        return Schedule(
            count=images,
            batch_size=recipe.batch_size,
            sizes=tuple((side, side) for side in recipe.training_sizes),
            sampling=recipe.sampling,
            seed=recipe.seed,
            world_size=run.world_size,
        )
    except ValueError as error:
        raise UsageError(f"{error}; add images or raise --batch-size") from error


def _quality(row: Mapping[str, Any]) -> float:
    """What decides which epoch is the best: the first of its scores."""
    return float(next(row[name] for name in SCORES if name in row))


class Trainer:
    """Trains a run to its end, from its start or from a saved state.

    Args:
        run: what defines the run.
        folder: where its files go.
        train: images to learn from.
        validation: held-out images.
        learner: the network and its optimizer.
        schedule: :func:`make_schedule` of the run.
        ranks: the processes that share the run.
        workers: processes that prepare images; if 0, this process does.
        display: shows progress to the user.
        stop: checked between iterations.
    """

    def __init__(
        self,
        run: TrainingRun,
        folder: Path,
        train: Images,
        validation: Images,
        learner: Learner,
        schedule: Schedule,
        *,
        ranks: Ranks,
        workers: int,
        display: Display,
        stop: StopRequest,
    ) -> None:
        self._run = run
        self._folder = folder
        self._train = train
        self._validation = validation
        self._learner = learner
        self._schedule = schedule
        self._ranks = ranks
        self._workers = workers
        self._display = display
        self._stop = stop
        self._position = Position()
        self._history: tuple[dict[str, Any], ...] = ()
        self._saved_at = time.monotonic()

    def restore(self, state: State) -> None:
        """Continue from ``state``."""
        self._learner.load_state(state.learner)
        self._position = state.position
        self._history = tuple(dict(row) for row in state.history)

    def fit(self) -> Mapping[str, Any]:
        """Train to the last epoch.

        Returns:
            The log's row of the best epoch; an empty one in ranks other than the first.

        Raises:
            StoppedError: the run was asked to stop; its state is saved.
            OutputError: a file cannot be written.
            UsageError: the loss is no longer finite.
        """
        self._save()
        while self._position.epoch < self._run.recipe.epochs:
            steps = self._schedule.steps(self._position.epoch)
            self._run_epoch(steps)
            self._save()
            evaluation = self._evaluate() if self._ranks.is_first else None
            self._stop_if_asked()
            if evaluation is not None:
                self._record(evaluation, len(steps))
            self._position = Position(epoch=self._position.epoch + 1)
            self._save()
        return max(self._history, key=_quality, default={})

    def _loader(self, steps: tuple[Step, ...]) -> DataLoader[Any]:
        recipe, epoch = self._run.recipe, self._position.epoch
        order = (
            class_balanced(self._train.targets, recipe.seed, epoch)
            if recipe.class_balanced
            else shuffled(len(self._train), recipe.seed, epoch)
        )
        kind = TrainingSet if self._run.head is None else MaskTrainingSet
        sampler = RankSampler(
            steps,
            order,
            rank=self._ranks.rank,
            world_size=self._ranks.world_size,
            first_step=self._position.step,
        )
        # Not pinned: the thread that pins may not call CUDA while ReplayedNetwork captures.
        return DataLoader(
            kind(self._train, recipe, epoch, self._run.preprocessing),
            batch_sampler=sampler,
            num_workers=self._workers,
            worker_init_fn=leave_signals_to_parent,
        )

    def _run_epoch(self, steps: tuple[Step, ...]) -> None:
        """Run the remaining iterations of the epoch."""
        recipe, rest = self._run.recipe, steps[self._position.step :]
        title = f"epoch {self._position.epoch + 1}/{recipe.epochs}"
        last = time.perf_counter()
        with self._display.bar(title, len(steps), self._position.step) as bar:
            for step, (images, targets) in zip(rest, self._loader(steps), strict=True):
                torch.manual_seed(int(self._seeds(_STEP_STREAM).generate_state(1)[0]))
                rng = np.random.default_rng(self._seeds(_MIX_STREAM))
                images, targets = mix(images, targets, len(self._run.classes), recipe, rng)
                loss = self._learner.step(images, targets, step.images)
                stops, loss = self._ranks.sums((float(self._stop.signal > 0), loss))
                now = time.perf_counter()
                at = self._position
                self._position = replace(
                    at,
                    step=at.step + 1,
                    images=at.images + step.images,
                    loss_sum=at.loss_sum + loss,
                    seconds=at.seconds + now - last,
                )
                last = now
                self._check_loss(loss)
                mean = self._position.loss_sum / self._position.images
                bar.update(self._position.step, note=f"{step.size[0]} px, loss {mean:.3f}")
                if stops:
                    self._leave()
                if time.monotonic() - self._saved_at > _SAVE_SECONDS:
                    self._save()

    def _seeds(self, stream: int) -> np.random.SeedSequence:
        """What a step draws, as mixing and dropout do, is the same after an interruption."""
        at = self._position
        return np.random.SeedSequence(
            (self._run.recipe.seed, stream, at.epoch, at.step, self._ranks.rank)
        )

    def _check_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise UsageError(
                f"training diverged: the loss became {loss} in epoch {self._position.epoch + 1}, "
                f"iteration {self._position.step}; start again with a lower --learning-rate or a "
                f"longer --warmup"
            )

    def _evaluate(self) -> Evaluated | None:
        """Evaluate the averaged network on the held-out images; ``None`` if asked to stop."""
        preprocessing = self._run.preprocessing
        is_classifier = self._run.head is None
        kind = EvaluationSet if is_classifier else MaskEvaluationSet
        judge = evaluate if is_classifier else evaluate_masks
        loader: DataLoader[Any] = DataLoader(
            kind(self._validation, preprocessing),
            # At an image size far above every training resolution: single images.
            batch_size=max(self._schedule.batch_at(preprocessing.image_size), 1),
            num_workers=self._workers,
            worker_init_fn=leave_signals_to_parent,
        )

        def after_batch(done: int) -> None:
            bar.update(done)
            if self._stop.signal:
                raise _EvaluationStoppedError

        try:
            with self._display.bar("held-out images", len(self._validation)) as bar:
                return judge(
                    self._learner.averaged,
                    loader,
                    len(self._run.classes),
                    self._ranks.device,
                    after_batch,
                )
        except _EvaluationStoppedError:
            return None

    def _record(self, evaluation: Evaluated, steps: int) -> None:
        """Write the log, the figures, and the checkpoint if it is the best so far."""
        at = self._position
        best = max(map(_quality, self._history), default=-1.0)
        row = {
            "epoch": at.epoch + 1,
            "step": steps,
            "images": at.images,
            "seconds": round(at.seconds, 1),
            "learning_rate": self._learner.learning_rate,
            "train_loss": at.loss_sum / at.images,
            "validation_loss": evaluation.loss,
            **evaluation.scores,
        }
        self._history = (*self._history, row)
        is_best = _quality(row) > best
        if is_best:
            write_checkpoint(self._folder, self._learner.averaged, self._run)
            write_confusion(self._folder, evaluation.confusion, self._run.classes)
            if isinstance(evaluation, MaskEvaluation):
                write_ious(self._folder, evaluation.ious, self._run.classes)
        write_log(self._folder, self._history)
        write_curves(self._folder, self._history)
        epochs = self._run.recipe.epochs
        left = timedelta(seconds=round(at.seconds * (epochs - at.epoch - 1)))
        self._display.line(
            f"epoch {at.epoch + 1}/{epochs}: "
            f"train loss {row['train_loss']:.4f}, held-out loss {evaluation.loss:.4f}, "
            f"{shown_scores(evaluation.scores)}, {at.images / max(at.seconds, 1e-9):.1f} images/s"
            f"{', best so far' if is_best else ''}{f', about {left} left' if left else ''}"
        )

    def _stop_if_asked(self) -> None:
        (stops,) = self._ranks.sums((float(self._stop.signal > 0),))
        if stops:
            self._leave()

    def _leave(self) -> None:
        self._save()
        at = self._position
        raise StoppedError(
            f"stopped in epoch {at.epoch + 1} after iteration {at.step}; the state is saved: "
            f"continue with mobilevit-train --resume {self._folder}",
            self._stop.signal,
        )

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        if self._ranks.is_first:
            state = State(self._run, self._position, self._learner.state(), self._history)
            save_state(self._folder, state)
