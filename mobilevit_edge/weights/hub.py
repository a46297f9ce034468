"""Downloading a checkpoint from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mobilevit_edge.errors import CheckpointError, MissingPackageError

_CONFIGS: Final = ("config.json", "preprocessor_config.json")
_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")


def download(repository: str) -> Path:
    """The local folder of ``ORG/REPO`` with its configs and one weights file, cached if possible.

    The endpoint, the token and the cache folder are huggingface_hub's own settings
    (``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME``).

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

    try:
        for weights in _WEIGHTS:
            # This uses the cache when the hub cannot be reached.
            folder = Path(snapshot_download(repository, allow_patterns=[weights, *_CONFIGS]))
            if (folder / weights).is_file():
                return folder
    except HFValidationError as error:
        raise CheckpointError(
            f"{repository!r} is not a repository name: expected hub:ORG/REPO"
        ) from error
    except (HTTPError, OSError) as error:
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CheckpointError(
            f"cannot download hub:{repository}: {first_line}; "
            f"check the name and the network, or download the folder and pass its path"
        ) from error
    raise CheckpointError(
        f"hub:{repository} holds neither {' nor '.join(_WEIGHTS)}; "
        f"download the file you want and pass its path"
    )
