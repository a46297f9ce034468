"""Writing weights in the naming scheme of another codebase."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from torch import Tensor

from mobilevit_edge.files import write_atomically
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.weights.naming import NAMINGS, Naming, source_keys, with_base_prefix


def named_weights(model: MobileViT, naming: Naming) -> dict[str, Tensor]:
    """The model's state dict under the names of ``naming``."""
    weights: dict[str, Tensor] = {}
    for key, tensor in model.state_dict().items():
        names = source_keys(key, model.spec, naming)
        # A scalar (the batch counter) cannot be chunked, not even into one.
        slices = tensor.chunk(len(names)) if len(names) > 1 else (tensor,)
        for name, part in zip(names, slices, strict=True):
            weights[with_base_prefix(name, model.spec, naming)] = part.detach().contiguous()
    return weights


def save_weights(model: MobileViT, path: str | Path, *, naming: Naming = "cvnets") -> None:
    """Write the weights to ``path``, bit for bit.

    The suffix chooses the format: ``.safetensors``, or ``.pt`` / ``.pth`` for ``torch.save``.

    Raises:
        ValueError: unknown naming or suffix.
        OutputError: the file cannot be written; what was there before is untouched.
    """
    if naming not in NAMINGS:
        raise ValueError(f"unknown naming {naming!r}; choose one of {', '.join(NAMINGS)}")
    path = Path(path)
    weights = named_weights(model, naming)
    match path.suffix:
        case ".safetensors":
            from safetensors.torch import save

            write_atomically(path, lambda temporary: temporary.write_bytes(save(weights)))
        case ".pt" | ".pth":
            buffer = io.BytesIO()
            torch.save(weights, buffer)
            write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getvalue()))
        case suffix:
            raise ValueError(f"cannot write {suffix!r} files; use .safetensors, .pt or .pth")
