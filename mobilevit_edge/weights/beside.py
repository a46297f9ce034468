"""The config that lies beside a file of weights and describes its head."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.reading import read_text
from mobilevit_edge.weights.files import MAX_CONFIG_BYTES, read_json

HeadConfig: TypeAlias = tuple[str, Mapping[str, Any]]
"""The name of a file, and its settings under dotted names: ``model.segmentation.output_stride``."""

_YAML: Final = (".yaml", ".yml")
_MAX_DEPTH: Final = 8
_MAX_SETTINGS: Final = 10_000


def find_head_config(weights: Path) -> HeadConfig | None:
    """The first of ``NAME.yaml``, ``config.yaml`` and ``config.json`` beside the file ``weights``.

    Raises:
        CheckpointError: it cannot be read, or does not hold settings.
    """
    names = [f"{stem}{suffix}" for stem in (weights.stem, "config") for suffix in _YAML]
    for name in (*names, "config.json"):
        path = weights.parent / name
        if path.is_file():
            # transformers' config.json has no nested settings that describe a head.
            return name, read_json(path) if path.suffix == ".json" else _read_yaml(path)
    return None


def _read_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    text = read_text(path, MAX_CONFIG_BYTES, CheckpointError)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {str(error)[:300]}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} does not hold settings by name")
    return _flat(content, path)


def _flat(content: Mapping[Any, Any], path: Path) -> dict[str, Any]:
    """Nested settings under dotted names; references of a YAML file may multiply them."""
    found: dict[str, Any] = {}
    waiting: list[tuple[str, int, Mapping[Any, Any]]] = [("", 0, content)]
    seen = 0
    while waiting:
        prefix, depth, mapping = waiting.pop()
        for key, value in mapping.items():
            seen += 1
            if seen > _MAX_SETTINGS or depth > _MAX_DEPTH:
                raise CheckpointError(f"{path} holds more settings than any config of a model")
            name = f"{prefix}{key}"
            if isinstance(value, Mapping):
                waiting.append((f"{name}.", depth + 1, value))
            else:
                found[name] = value
    return found
