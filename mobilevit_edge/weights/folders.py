"""The weights in a folder, and weights in several files with an index."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.files import sha256_of
from mobilevit_edge.printable import few
from mobilevit_edge.weights.files import check_size, read_json, read_weights_file
from mobilevit_edge.weights.names import INDEX_SUFFIX, WEIGHT_SUFFIXES

_MAX_SHOWN, _MAX_NAME = 6, 100
_PREFERRED: Final = (
    "model.safetensors",
    f"model.safetensors{INDEX_SUFFIX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{INDEX_SUFFIX}",
)
_TRAINING_STATE: Final = re.compile(r"(optimizer|scheduler|scaler|rng_state|training_args)(_\d+)?")
"""Names, without suffix, of what trainers write beside the weights."""


def find_weights_file(folder: Path) -> Path:
    """The weights inside a folder, or their index: Hugging Face's names first.

    Raises:
        CheckpointError: there is none, or several to choose from.
    """
    for preferred in _PREFERRED:
        if (folder / preferred).is_file():
            return folder / preferred
    for suffix in WEIGHT_SUFFIXES:
        found = sorted(
            path for path in folder.glob(f"*{suffix}") if not _TRAINING_STATE.fullmatch(path.stem)
        )
        if len(found) == 1:
            return found[0]
        if found:
            named = few([file.name for file in found], _MAX_SHOWN)
            raise CheckpointError(
                f"{folder} holds several {suffix} files ({named}); name the one you want"
            )
    raise CheckpointError(
        f"{folder} holds no weights: expected a file ending in {', '.join(WEIGHT_SUFFIXES)}"
    )


def read_weights(path: Path) -> tuple[Mapping[str, Any], str]:
    """The content of a weights file, or of all files of an index, and its SHA-256.

    The hash of several files is that of their hashes, one a line in the order of their names.

    Raises:
        CheckpointError: unreadable, incomplete, or the index names a file elsewhere.
    """
    if not path.name.endswith(INDEX_SUFFIX):
        return read_weights_file(path), sha256_of(path)
    shards = _shards(path)
    check_size(path, sum(shard.stat().st_size for shard in shards if shard.is_file()))
    content: dict[str, Any] = {}
    for shard, names in shards.items():
        tensors = read_weights_file(shard)
        missing = [name for name in names if name not in tensors]
        if missing:
            named = few([name[:_MAX_NAME] for name in missing], _MAX_SHOWN)
            raise CheckpointError(
                f"{shard} lacks {named}, which {path.name} looks for there; download both again"
            )
        content |= {name: tensors[name] for name in names}
    lines = "".join(f"{sha256_of(shard)}\n" for shard in shards)
    return content, hashlib.sha256(lines.encode()).hexdigest()


def _shards(index: Path) -> dict[Path, list[str]]:
    """The files of an index, by name, with the names of the tensors in each."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(v, str) for v in places.values()):
        raise CheckpointError(f"{index} is not an index of weights: it has no weight_map")
    shards: dict[Path, list[str]] = {}
    for name, file in sorted(places.items(), key=lambda place: place[1]):
        if file != Path(file).name or "\\" in file or file in ("", ".", ".."):
            raise CheckpointError(
                f"{index} names the file {file[:200]!r}; its files must lie beside it"
            )
        shards.setdefault(index.parent / file, []).append(name)
    return shards
