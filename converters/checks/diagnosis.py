"""What labeled photos say about the preprocessing that a checkpoint expects.

The reference model answers a sample of the photos under every channel order, normalization and
resize rule that checkpoints are made with. Weights that were trained on other inputs than they get
here still answer, only worse, and nothing else in the checkpoint may tell.

Two statements are made, each by an exact test. *Better than chance*: more right answers than a
guess of the sample's most frequent class would have by luck (binomial, 5 %). *Clearly better than
as given*: it has more right answers, and gives the true classes so much more probability that luck
would do it in less than 1 % of all diagnoses (permutation test, for as many comparisons as are
made). Right answers alone tell little where the model copes with what it was not trained with: 98
of 100 against 94 may be luck, 96 % of all probability against 87 % is not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Final, get_args

import numpy as np
import torch

from converters.checks.accuracy import LabeledImage, find_labeled
from converters.checks.cases import spread
from converters.job.job import ExportJob
from converters.job.option_checks import check_options
from converters.job.options import ExportOptions
from converters.job.source import load_source
from converters.progress import Progress
from converters.targets.jobs import make_job
from mobilevit_edge.errors import ImageError, PreprocessingError, UsageError
from mobilevit_edge.input_contract import Pixels
from mobilevit_edge.normalization import (
    NORMALIZATION_NAMES,
    Normalization,
    NormalizationName,
    preset,
)
from mobilevit_edge.preprocess import (
    CHANNELS,
    COLOR_ORDERS,
    ChannelOrder,
    Preprocessing,
    ResizeRule,
    load_image,
    network_pixels,
    resize_and_crop,
)

SAMPLE: Final = 128
"""Photos that are tried, spread evenly over all classes."""
_CHANCE: Final = 0.05
_LUCK: Final = 0.01
_DRAWS: Final = 20_000
_SEED: Final = 0
_ROUNDING: Final = 1e-9
_BATCH: Final = 16


@dataclass(frozen=True)
class Trial:
    """The reference's answers under one preprocessing, photo by photo.

    Attributes:
        preprocessing: how the photos were prepared.
        right: whether the best class is the true one.
        log_likelihoods: logarithms of the true class's probability.
    """

    preprocessing: Preprocessing
    right: tuple[bool, ...]
    log_likelihoods: tuple[float, ...]

    @property
    def log_likelihood(self) -> float:
        """Their mean, which tells apart what answers equally many rightly."""
        return math.fsum(self.log_likelihoods) / len(self.log_likelihoods)

    @property
    def score(self) -> tuple[int, float]:
        """The more, the better."""
        return sum(self.right), self.log_likelihood


@dataclass(frozen=True)
class Diagnosis:
    """All that was tried, the best first; ``chance`` is the share of the most frequent class."""

    given: Trial
    trials: tuple[Trial, ...]
    chance: float

    @property
    def images(self) -> int:
        """Photos that were read."""
        return len(self.given.right)

    @property
    def is_better_than_chance(self) -> bool:
        """Whether the preprocessing as given answers better than by luck."""
        return self._beats_chance(self.given)

    @cached_property
    def clearly_better(self) -> Trial | None:
        """The best other preprocessing, if luck alone would not make it as good.

        Photos often cannot tell whether images were cropped or stretched. Then it is the one that
        stretches, as most code for fine-tuning does.
        """
        best = self.trials[0]
        stretched = replace(best.preprocessing, resize="stretch")
        for trial in self.trials:
            if trial.preprocessing == stretched and not self._is_clear(best, trial):
                best = trial
        return best if self._is_clear(best, self.given) and self._beats_chance(best) else None

    def _is_clear(self, one: Trial, other: Trial) -> bool:
        comparisons = max(len(self.trials) - 1, 1)
        return sum(one.right) > sum(other.right) and luck(one, other) * comparisons < _LUCK

    def _beats_chance(self, trial: Trial) -> bool:
        return upper_tail(self.images, sum(trial.right), self.chance) < _CHANCE

    @property
    def options(self) -> str:
        """The options that make the clearly better one of the one as given; empty without one."""
        better = self.clearly_better
        return "" if better is None else " ".join(options_of(better.preprocessing, self.given))


def luck(one: Trial, other: Trial) -> float:
    """Probability that luck lets the first give the true classes so much more probability.

    If neither were better, what a photo gains could as well be what it loses: the share of random
    signs of the gains whose sum is as large.
    """
    gains = np.exp(one.log_likelihoods) - np.exp(other.log_likelihoods)
    # [draws, photos] of -1 and 1.
    signs = 2 * np.random.default_rng(_SEED).integers(0, 2, (_DRAWS, gains.size)) - 1
    as_large = int((signs @ gains >= gains.sum() - _ROUNDING).sum())
    return (as_large + 1) / (_DRAWS + 1)


def upper_tail(trials: int, successes: int, probability: float) -> float:
    """Probability of at least so many successes in independent trials."""
    return math.fsum(
        math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k)
        for k in range(successes, trials + 1)
    )


def could_be_wrong(wrong: int) -> bool:
    """Whether a preprocessing that had all of them right would be better by more than luck.

    By their number alone, which is known before any other is tried.
    """
    return upper_tail(wrong, wrong, 0.5) < _CHANCE


def options_of(preprocessing: Preprocessing, given: Trial) -> Iterator[str]:
    """The command's options that lead from what is given to another preprocessing."""
    before = given.preprocessing
    if preprocessing.normalization != before.normalization:
        yield f"--normalize {normalization_name(preprocessing)}"
    if preprocessing.channel_order != before.channel_order:
        yield f"--channel-order {preprocessing.channel_order}"
    if preprocessing.resize != before.resize:
        yield f"--resize {preprocessing.resize}"


def normalization_name(preprocessing: Preprocessing) -> str:
    """``imagenet``, ``half`` or ``none``, or the numbers where no name fits."""
    found = preprocessing.normalization
    for name in _names_for(preprocessing.channel_order):
        if found == _preset(name, preprocessing.channel_order):
            return name
    return str(found)


def _preset(name: NormalizationName, order: ChannelOrder) -> Normalization:
    return preset(name, reverse=order == "BGR", channels=CHANNELS[order])


def candidates(given: Preprocessing) -> tuple[Preprocessing, ...]:
    """The preprocessing as given, and every other that checkpoints are made with."""
    found = [given]
    own = given.channel_order
    orders = COLOR_ORDERS if own in COLOR_ORDERS else (own,)
    for order, rule, name in product(orders, get_args(ResizeRule), _names_for(own)):
        other = replace(given, channel_order=order, resize=rule, normalization=_preset(name, order))
        if other not in found:
            found.append(other)
    return tuple(found)


def _names_for(order: ChannelOrder) -> tuple[NormalizationName, ...]:
    """The normalizations that images of these channels can have."""
    return ("none",) if order == "RGBA" else NORMALIZATION_NAMES


def diagnose(job: ExportJob, labeled: Sequence[LabeledImage], progress: Progress) -> Diagnosis:
    """Try every preprocessing on a sample of labeled photos.

    Raises:
        ImageError: none of them can be read.
    """
    sample = _sample(job, labeled, progress)
    return _complete(job, sample, _try(job, job.source.preprocessing, sample), progress)


def diagnose_checkpoint(options: ExportOptions, progress: Progress) -> Diagnosis:
    """The diagnosis of a checkpoint on the labeled photos of ``--verify``, without an export.

    Raises:
        UsageError: no labeled photos, a model without classes to tell apart, or options that
            contradict each other.
        CheckpointError, LabelsError, ImageError: they cannot be read.
    """
    check_options(options)
    if options.verify is None:
        raise UsageError("--diagnose needs --verify DIR with a folder of photos for every class")
    progress("reading the checkpoint")
    job = make_job(options, load_source(options))
    if job.task != "classification":
        raise UsageError(f"--diagnose tells classes apart, and this model's task is {job.task}")
    labeled = find_labeled(Path(options.verify), job.source.labels)
    if not labeled:
        raise UsageError(
            f"{options.verify} holds no folder named after a class: --diagnose needs labeled photos"
        )
    return diagnose(job, labeled, progress)


def check_preprocessing(
    job: ExportJob, labeled: Sequence[LabeledImage], progress: Progress
) -> Diagnosis | None:
    """The diagnosis, if the preprocessing as given leaves room for a clearly better one.

    Raises:
        ImageError: none of the photos can be read.
        PreprocessingError: as given, the model answers no better than chance, and
            ``--trust-preprocessing`` does not say that this is so.
    """
    sample = _sample(job, labeled, progress)
    given = _try(job, job.source.preprocessing, sample)
    if not could_be_wrong(given.right.count(False)):
        return None
    found = _complete(job, sample, given, progress)
    if found.is_better_than_chance or job.options.trust_preprocessing:
        return found
    better = found.clearly_better
    way_out = (
        f"with {found.options} it answers {sum(better.right)}: pass these"
        if better is not None
        else "no other channel order, normalization or resize rule is clearly better: is it the "
        "right checkpoint, and are its labels in the right order?"
    )
    raise PreprocessingError(
        f"the model itself answers {sum(given.right)} of {found.images} labeled photos rightly, "
        f"which is no better than chance; {way_out}, or --trust-preprocessing to export it as it is"
    )


def _complete(job: ExportJob, sample: _Sample, given: Trial, progress: Progress) -> Diagnosis:
    """Try all others too."""
    trials = [given]
    others = candidates(given.preprocessing)[1:]
    for number, preprocessing in enumerate(others, 1):
        progress(f"trying preprocessing {number} of {len(others)}")
        trials.append(_try(job, preprocessing, sample))
    most = max(Counter(sample.labels).values()) / len(sample.labels)
    ranked = sorted(trials, key=lambda trial: trial.score, reverse=True)
    return Diagnosis(given, tuple(ranked), most)


@dataclass(frozen=True)
class _Sample:
    """Photos that can be read: their labels, and their pixels by resize rule."""

    labels: Sequence[int]
    pixels: Mapping[ResizeRule, Sequence[Pixels]]


def _sample(job: ExportJob, labeled: Sequence[LabeledImage], progress: Progress) -> _Sample:
    given = job.source.preprocessing
    chosen = spread(labeled, SAMPLE)
    labels: list[int] = []
    by_rule: dict[ResizeRule, list[Pixels]] = {rule: [] for rule in get_args(ResizeRule)}
    for number, image in enumerate(chosen, 1):
        progress(f"reading labeled photo {number} of {len(chosen)}")
        try:
            photo = load_image(image.path, alpha=given.channel_order == "RGBA")
        except ImageError:
            continue
        labels.append(image.label)
        for rule, pixels in by_rule.items():
            resized = resize_and_crop(photo, replace(given, resize=rule), job.source.image_size)
            pixels.append(np.asarray(resized))
    if not labels:
        raise ImageError(f"none of the {len(chosen)} labeled photos tried can be read")
    return _Sample(labels, by_rule)


def _try(job: ExportJob, preprocessing: Preprocessing, sample: _Sample) -> Trial:
    pixels, labels = sample.pixels[preprocessing.resize], sample.labels
    order, normalization = preprocessing.channel_order, preprocessing.normalization
    right: list[bool] = []
    log_likelihoods: list[float] = []
    for start in range(0, len(pixels), _BATCH):
        chosen = pixels[start : start + _BATCH]
        batch = np.stack([network_pixels(image, order, normalization) for image in chosen])
        # [B] class indices; logits are [B, classes].
        truth = torch.tensor(labels[start : start + _BATCH])
        with torch.inference_mode():
            logits = job.source.model(torch.from_numpy(batch))
        right += (logits.argmax(1) == truth).tolist()
        log_probabilities = torch.log_softmax(logits.double(), dim=1)
        # [B, classes] -> [B]
        log_likelihoods += log_probabilities.gather(1, truth[:, None])[:, 0].tolist()
    return Trial(preprocessing, tuple(right), tuple(log_likelihoods))
