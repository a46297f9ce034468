"""Reading checkpoint files of unknown origin: bounded in memory, never executing their content."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from mobilevit_edge.errors import CheckpointError

MAX_CHECKPOINT_BYTES: Final = 2 * 1024**3
"""The largest model has 74 MB in fp32; a training checkpoint with optimizer and EMA has 300 MB."""
MAX_CONFIG_BYTES: Final = 4 * 1024**2

_REFUSED_GLOBAL: Final = re.compile(r"nsupported (?:global: )?GLOBAL ([\w.]+)")
"""What torch says it refused; its advice to switch the protection off is not passed on."""
_WEIGHT_SUFFIXES: Final = (".safetensors", ".pt", ".pth", ".bin")
_RESAVE_HINT: Final = (
    "re-save only the weights, in the environment that made the file, with "
    "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a small file.

    Raises:
        CheckpointError: not readable, too large, or not a JSON object.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise CheckpointError(f"{path} is larger than {MAX_CONFIG_BYTES} bytes: not a config")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return content


def find_weights_file(folder: Path) -> Path:
    """The weights inside a Hugging Face folder: safetensors first, then PyTorch's own format.

    Raises:
        CheckpointError: there is none, or several to choose from.
    """
    for preferred in ("model.safetensors", "pytorch_model.bin"):
        if (folder / preferred).is_file():
            return folder / preferred
    for suffix in _WEIGHT_SUFFIXES:
        found = sorted(folder.glob(f"*{suffix}"))
        if len(found) == 1:
            return found[0]
        if found:
            raise CheckpointError(
                f"{folder} holds several {suffix} files ({', '.join(f.name for f in found)}); "
                f"name the one you want"
            )
    raise CheckpointError(
        f"{folder} holds no weights: expected a file ending in {', '.join(_WEIGHT_SUFFIXES)}"
    )


def read_weights_file(path: Path) -> Mapping[str, Any]:
    """The content of a checkpoint file: a mapping, possibly nested, with tensors at its leaves.

    Raises:
        CheckpointError: the file is missing, damaged, too large, or would need code to be run.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error.strerror}") from error
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file")
    if size == 0:
        raise CheckpointError(f"the checkpoint {path} is empty: download or copy it again")
    _check_size(path, size)
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a state dict; {_RESAVE_HINT}"
        )
    return content


def _check_size(path: Path, size: int) -> None:
    if size > MAX_CHECKPOINT_BYTES:
        raise CheckpointError(
            f"{path} has {size / 1e9:.1f} GB; a MobileViT checkpoint stays below "
            f"{MAX_CHECKPOINT_BYTES / 1e9:.0f} GB"
        )


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is not a complete safetensors file ({error}): download or copy it again"
        ) from error


def _read_torch(path: Path) -> Any:
    _check_zip(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    # Damaged or hostile bytes make any layer of the unpickler raise any kind of exception.
    except Exception as error:
        refused = _REFUSED_GLOBAL.search(str(error))
        if refused is not None:
            raise CheckpointError(
                f"{path} holds Python objects besides tensors ({refused[1]}), which are never "
                f"executed here; {_RESAVE_HINT}"
            ) from error
        raise CheckpointError(
            f"{path} is not a readable PyTorch checkpoint: it may be truncated or another kind of "
            f"file; download or copy it again"
        ) from error


def _check_zip(path: Path) -> None:
    """Refuse archives that unpack to more than the limit, or that hold TorchScript code."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is a damaged zip archive ({error})") from error
    _check_size(path, sum(entry.file_size for entry in entries))
    names = [entry.filename for entry in entries]
    if any("/code/" in name for name in names):
        raise CheckpointError(
            f"{path} is a TorchScript archive, which holds code; save the state dict instead: "
            f"torch.save(model.state_dict(), 'weights.pt')"
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise CheckpointError(
            f"{path} is a zip archive but not a PyTorch checkpoint (no data.pkl inside); "
            f"if it contains the checkpoint, unpack it first"
        )


def tensors_of(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors at the top level of ``content``."""
    return {
        key: value
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, Tensor)
    }
