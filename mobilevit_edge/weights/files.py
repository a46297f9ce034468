"""Reading checkpoint files of unknown origin: bounded in memory, never executing their content."""

from __future__ import annotations

import json
import os
import struct
import sys
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from mobilevit_edge.disguises import HEAD_BYTES
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.reading import open_regular, read_text
from mobilevit_edge.weights import recognition, torch_files
from mobilevit_edge.weights.pickles import CONTAINERS, Inert, PickleError, interpret

MAX_CHECKPOINT_BYTES: Final = 2 * 1024**3
"""The largest model has 74 MB in fp32; a training checkpoint with optimizer and EMA has 300 MB."""
MAX_CONFIG_BYTES: Final = 4 * 1024**2

_PICKLE: Final = b"\x80"
_PADDLE_KEY: Final = "StructuredToParameterName@@"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a small file.

    Raises:
        CheckpointError: not readable, too large, or not a JSON object.
    """
    text = read_text(path, MAX_CONFIG_BYTES, CheckpointError)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return content


def read_weights_file(path: Path) -> Mapping[str, Any]:
    """The content of a checkpoint file: a mapping, possibly nested, with tensors at its leaves.

    What the file is shows in its bytes; its suffix does not matter.

    Raises:
        CheckpointError: the file is missing, damaged, too large, or of another kind.
    """
    # Larger ones get a message of their own.
    with open_regular(path, sys.maxsize, CheckpointError) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(HEAD_BYTES)
    if size == 0:
        raise CheckpointError(f"the checkpoint {path} is empty: download or copy it again")
    check_size(path, size)
    content: object
    # This comes first: a header's length may look like the beginning of another kind of file.
    if _is_safetensors(head, size):
        content = _read_safetensors(path)
    elif (other := recognition.kind_of_head(head)) is not None:
        raise CheckpointError(f"{path} is not a checkpoint but {other}")
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        content = _read_zip(path)
    elif torch_files.is_old_file(head):
        content = _read_old(path)
    elif path.suffix == ".safetensors" and not head.startswith(_PICKLE):
        content = _read_safetensors(path)
    else:
        raise CheckpointError(f"{path} is not a readable checkpoint: {_unknown(path, head)}")
    if isinstance(content, Inert) and content.is_module:
        content = _module_state(path, content)
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a state dict; {recognition.RESAVE}"
        )
    return content


def check_size(path: Path, size: int) -> None:
    """Refuse more bytes than a MobileViT checkpoint has.

    Raises:
        CheckpointError: ``size`` is above the limit.
    """
    if size > MAX_CHECKPOINT_BYTES:
        raise CheckpointError(
            f"{path} has {size / 1e9:.1f} GB; a MobileViT checkpoint stays below "
            f"{MAX_CHECKPOINT_BYTES / 1e9:.0f} GB"
        )


def _is_safetensors(head: bytes, size: int) -> bool:
    if len(head) < 9:
        return False
    (header,) = struct.unpack("<Q", head[:8])
    return bool(header < size and head[8:9] == b"{")


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is not a complete safetensors file ({error}): download or copy it again"
        ) from error


def _read_zip(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(path, archive.infolist())
            return torch_files.read_zip(archive)
    except CheckpointError:
        raise
    # Damaged or hostile bytes make any layer below raise any kind of exception.
    except Exception as error:
        raise _damaged(path, error) from error


def _read_old(path: Path) -> Any:
    try:
        return torch_files.read_old_file(path)
    # Damaged or hostile bytes make any layer below raise any kind of exception.
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
    return CheckpointError(
        f"{path} is not a readable PyTorch checkpoint ({reason}): it may be truncated; "
        f"download or copy it again"
    )


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse archives of another kind, or that unpack to more than the limit."""
    check_size(path, sum(entry.file_size for entry in entries))
    names = [entry.filename for entry in entries]
    other = recognition.kind_of_archive(names)
    if other is not None:
        raise CheckpointError(f"{path} is not a checkpoint but {other}")
    if not any(torch_files.is_content(name) for name in names):
        raise CheckpointError(
            f"{path} is a zip archive but not a PyTorch checkpoint (no data.pkl inside); "
            f"if it contains the checkpoint, unpack it first"
        )
    # torch.save never compresses, so what is in the file is what takes memory.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(
            f"{path} is a checkpoint that another program has packed again: unpack it, and zip "
            f"it without compression (zip -0), or download the original"
        )
    # Entries that overlap would take more memory than the file has bytes.
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise CheckpointError(f"{path} claims more bytes than it has: download or copy it again")


def _module_state(path: Path, module: Inert) -> Mapping[str, Any]:
    try:
        return module.module_state()[0]
    except PickleError as error:
        raise CheckpointError(
            f"{path} holds a whole model ({module.name}), but {error}; {recognition.RESAVE}"
        ) from error


def _unknown(path: Path, head: bytes) -> str:
    """What a file of no other known kind is, and the way out."""
    unreadable = "it may be truncated or another kind of file; download or copy it again"
    if not head.startswith(_PICKLE):
        return unreadable
    try:
        content = interpret(BytesIO(path.read_bytes()), CONTAINERS, lambda _: None)
    except PickleError:
        return unreadable
    if isinstance(content, dict) and _PADDLE_KEY in content:
        return f"it holds PaddlePaddle's parameters (.pdparams); {recognition.CONVERT}"
    return (
        f"it is a pickle that torch.save did not write, and code in it is never executed here; "
        f"{recognition.RESAVE}"
    )


def tensors_of(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors at the top level of ``content``."""
    return {
        key: value
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, Tensor)
    }
