"""Folders of class folders: scan, split, and the sets that training and evaluation read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from mobilevit_edge.errors import ImageError, InputError
from mobilevit_edge.image_files import files_below, is_image
from mobilevit_edge.preprocess import Preprocessing, load_image, network_pixels, preprocess_image
from mobilevit_edge.printable import few
from mobilevit_edge.training.augment import augment, stream
from mobilevit_edge.training.recipe import Recipe
from mobilevit_edge.training.sampler import Draw, Indices
from mobilevit_edge.training.stopping import leave_signals_to_parent

_CHUNK: Final = 64
_SPLIT_STREAM: Final = 4
_MAX_NAMED: Final = 5


class DataError(InputError):
    """A folder of images cannot be trained on."""


@dataclass(frozen=True)
class Images:
    """Readable images of a folder, in the order of their paths, relative with ``/``.

    ``targets`` are indices into ``classes``, ``[count]``; where classes are those of pixels,
    ``masks`` are the paths of theirs, and ``targets`` are zero.
    """

    root: Path
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    targets: Indices
    masks: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def subset(self, indices: Indices) -> Images:
        """The images at ``indices``, in that order."""
        paths = tuple(self.paths[index] for index in indices)
        masks = None if self.masks is None else tuple(self.masks[index] for index in indices)
        return Images(self.root, self.classes, paths, self.targets[indices], masks)

    def load(self, index: int) -> Image.Image:
        """Image ``index``, upright 8-bit RGB."""
        return load_image(self.root / self.paths[index])


@dataclass(frozen=True)
class Scan:
    """What a folder holds: ``unreadable`` pairs the path of each bad file with its problem.

    ``ignored`` counts the files without an image suffix.
    """

    images: Images
    unreadable: tuple[tuple[str, str], ...]
    ignored: int

    def summary(self) -> str:
        """One line for people."""
        text = f"{self.images.root}: {len(self.images)} images, {len(self.images.classes)} classes"
        if self.ignored:
            text += f"; {self.ignored} other files ignored"
        if self.unreadable:
            named = few([path for path, _ in self.unreadable], _MAX_NAMED)
            text += f"; {len(self.unreadable)} unreadable images skipped: {named}"
        return text


def scan(root: Path, *, workers: int, progress: Callable[[int, int], None]) -> Scan:
    """Find the class folders of ``root`` and decode every image once.

    Reading them all now fixes the set before training starts: a damaged file cannot stop an epoch
    in the middle.

    Args:
        root: a folder of class folders; images may lie in folders below those.
        workers: processes that decode; if 0, or if there is little to do, this process does.
        progress: called with the number of images done and their total.

    Raises:
        DataError: fewer than two class folders, or one without a readable image.
    """
    classes, files, ignored = _list_files(root)
    problems: list[str | None] = []
    check = partial(_problem, root)
    if workers == 0 or len(files) <= _CHUNK:
        for path in files:
            problems.append(check(path))
            progress(len(problems), len(files))
    else:
        # Forking a process in which torch may already run threads is unsafe.
        context = get_context("spawn")
        with ProcessPoolExecutor(
            workers, mp_context=context, initializer=leave_signals_to_parent
        ) as pool:
            for problem in pool.map(check, files, chunksize=_CHUNK):
                problems.append(problem)
                progress(len(problems), len(files))
    readable = [path for path, problem in zip(files, problems, strict=True) if problem is None]
    unreadable = tuple(
        (path, problem)
        for path, problem in zip(files, problems, strict=True)
        if problem is not None
    )
    index = {name: position for position, name in enumerate(classes)}
    targets = np.array([index[path.split("/", 1)[0]] for path in readable], np.int64)
    empty = [name for position, name in enumerate(classes) if not (targets == position).any()]
    if empty:
        named = few([repr(name) for name in empty], _MAX_NAMED)
        reasons = "".join(f"\n  {path}: {problem}" for path, problem in unreadable[:_MAX_NAMED])
        raise DataError(
            f"{root}: no readable image in the class folder {named}{reasons}\n"
            f"add images to it, or remove the folder"
        )
    return Scan(Images(root, classes, tuple(readable), targets), unreadable, ignored)


def _list_files(root: Path) -> tuple[tuple[str, ...], list[str], int]:
    """Class names, relative paths of image files, and the number of other files."""
    if not root.is_dir():
        raise DataError(f"no folder at {root}: pass a folder of class folders")
    try:
        classes = tuple(
            sorted(
                path.name
                for path in root.iterdir()
                if path.is_dir() and not path.name.startswith(".")
            )
        )
        if not classes:
            raise DataError(
                f"{root} holds no class folders: put the images of each class into a folder "
                f"named after the class"
            )
        if len(classes) == 1:
            raise DataError(
                f"{root} holds only one class ({classes[0]!r}): a classifier needs at least two"
            )
        # What Python makes of bytes that are no text.
        odd = [name for name in classes if any("\udc80" <= c <= "\udcff" for c in name)]
        if odd:
            raise DataError(
                f"the name of the class folder {root / odd[0]} is not UTF-8: rename it, since it "
                f"becomes the name of the class"
            )
        files: list[str] = []
        ignored = 0
        for path in files_below(root):
            if path.parent == root:
                continue
            if is_image(path):
                files.append(path.relative_to(root).as_posix())
            else:
                ignored += 1
    except OSError as error:
        raise DataError(f"cannot read {root}: {error.strerror}") from error
    return classes, sorted(files), ignored


def _problem(root: Path, path: str) -> str | None:
    """Why an image cannot be used; ``None`` if it can."""
    try:
        load_image(root / path)
    except ImageError as error:
        return str(error)
    return None


def split(images: Images, share: float, seed: int) -> tuple[Images, Images]:
    """Training and held-out images: ``share`` of every class, at least one image of it.

    Where classes are those of pixels, it is a share of all images.

    Raises:
        DataError: a class has a single image.
    """
    trained: list[Indices] = []
    held_out: list[Indices] = []
    groups = [f"class {name!r}" for name in images.classes]
    if images.masks is not None:
        groups = [str(images.root)]
    for class_, name in enumerate(groups):
        members = np.flatnonzero(images.targets == class_)
        if len(members) < 2:
            raise DataError(
                f"{name} has one image: it needs one to train on and one to hold out; "
                f"add images, or pass held-out ones with --validation"
            )
        # A random stream for each class: adding images to one leaves the split of the others.
        order = np.random.default_rng((seed, _SPLIT_STREAM, class_)).permutation(members)
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        held_out.append(order[:count])
        trained.append(order[count:])
    train, validation = (np.sort(np.concatenate(parts)) for parts in (trained, held_out))
    return images.subset(train), images.subset(validation)


def require_same_classes(train: Images, validation: Images) -> None:
    """Raises :class:`DataError` if the two sets' classes differ."""
    if train.classes == validation.classes:
        return
    different = sorted(set(train.classes) ^ set(validation.classes))
    named = few([repr(name) for name in different], _MAX_NAMED)
    raise DataError(
        f"the class folders of {train.root} and {validation.root} differ ({named}): "
        f"both need the same ones"
    )


def fingerprint(sets: Sequence[Images]) -> str:
    """SHA-256 of the sets' relative paths: the same images in the same roles."""
    digest = hashlib.sha256()
    for images in sets:
        names = (*images.classes, "", *images.paths, "", "", *(images.masks or ()))
        # Names of files may be no text.
        digest.update("\0".join(names).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


Sample = tuple[Tensor, int]
Item = TypeVar("Item")


class Views(Dataset[Item]):
    """Random views of ``images`` in one epoch, keyed by :class:`Draw`."""

    def __init__(
        self, images: Images, recipe: Recipe, epoch: int, preprocessing: Preprocessing
    ) -> None:
        self._images = images
        self._recipe = recipe
        self._epoch = epoch
        self._preprocessing = preprocessing

    def _stream(self, draw: Draw) -> np.random.Generator:
        """What a view's augmentation draws from."""
        return stream(self._recipe.seed, self._epoch, draw.image, draw.repeat)

    def _tensor(self, view: Image.Image) -> Tensor:
        """A view as the network takes it, ``[3, H, W]`` float32."""
        preprocessing = self._preprocessing
        pixels = network_pixels(
            np.asarray(view), preprocessing.channel_order, preprocessing.normalization
        )
        return torch.from_numpy(pixels)


class TrainingSet(Views[Sample]):
    """Views with their classes."""

    def __getitem__(self, draw: Draw) -> Sample:
        """The view ``[3, H, W]`` float32, and its class."""
        photo, rng = self._images.load(draw.image), self._stream(draw)
        view = augment(photo, draw.size, self._recipe, rng)
        return self._tensor(view), int(self._images.targets[draw.image])


class WholeImages(Dataset[Item]):
    """``images`` exactly as an export preprocesses them."""

    def __init__(self, images: Images, preprocessing: Preprocessing) -> None:
        self._images = images
        self._preprocessing = preprocessing

    def __len__(self) -> int:
        return len(self._images)

    def _tensor(self, index: int) -> Tensor:
        """An image ``[3, H, W]`` float32."""
        image = self._images.load(index)
        pixels = preprocess_image(image, self._preprocessing, self._preprocessing.image_size)
        return torch.from_numpy(pixels)


class EvaluationSet(WholeImages[Sample]):
    """Images with their classes."""

    def __getitem__(self, index: int) -> Sample:
        """The image ``[3, H, W]`` float32, and its class."""
        return self._tensor(index), int(self._images.targets[index])
