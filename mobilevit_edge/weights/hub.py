"""Downloading a checkpoint from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mobilevit_edge.errors import CheckpointError, MissingPackageError
from mobilevit_edge.weights.names import INDEX_SUFFIX
from mobilevit_edge.weights.sources import HubSource

_CONFIGS: Final = ("config.json", "preprocessor_config.json")
_WEIGHTS: Final = (
    ("model.safetensors",),
    (f"model.safetensors{INDEX_SUFFIX}", "model-*-of-*.safetensors"),
    ("pytorch_model.bin",),
    (f"pytorch_model.bin{INDEX_SUFFIX}", "pytorch_model-*-of-*.bin"),
)
"""What to look for, in this order: the first of each row, with the others of the row."""


def download(source: HubSource) -> Path:
    """The local folder of a repository with its configs and weights, cached if possible.

    Where ``source`` names a file, that file's path instead. The endpoint, the token and the cache
    folder are huggingface_hub's own settings (``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME``).

    Raises:
        MissingPackageError: huggingface_hub is not installed.
        CheckpointError: the repository is unknown, unreachable, or has no weights file.
    """
    try:
        from httpx2 import HTTPError
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError
    except ImportError as error:
        raise MissingPackageError("huggingface_hub") from error

    rows = _WEIGHTS if source.file is None else ((source.file,),)
    try:
        for row in rows:
            # This uses the cache when the hub cannot be reached.
            folder = snapshot_download(
                source.repository, revision=source.revision, allow_patterns=[*row, *_CONFIGS]
            )
            found = Path(folder) / row[0]
            if found.is_file():
                return found.parent if source.file is None else found
    except HFValidationError as error:
        raise CheckpointError(
            f"{source.repository!r} is not a repository name: expected hub:ORG/REPO"
        ) from error
    except (HTTPError, OSError) as error:
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CheckpointError(
            f"cannot download {source}: {first_line[:500]}; "
            f"check the name and the network, or download the folder and pass its path"
        ) from error
    wanted = [row[0] for row in rows if not row[0].endswith(INDEX_SUFFIX)]
    raise CheckpointError(
        f"{source} holds no {' and no '.join(wanted)}; download the file you want and pass its path"
    )
