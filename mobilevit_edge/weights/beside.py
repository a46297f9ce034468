"""The config that lies beside a file of weights and describes its head."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.reading import read_text
from mobilevit_edge.weights.files import read_json

if TYPE_CHECKING:
    import yaml

HeadConfig: TypeAlias = tuple[str, Mapping[str, Any]]
"""The name of a file, and its settings under dotted names: ``model.segmentation.output_stride``."""

_YAML: Final = (".yaml", ".yml")
_MAX_YAML_BYTES: Final = 128 * 1024
"""Five times what CVNets writes; a megabyte takes PyYAML 20 seconds."""
_MAX_DEPTH: Final = 8
_MAX_SETTINGS: Final = 10_000
_MAX_SCALAR: Final = 1000
"""Characters of one value: YAML's whole numbers to the base 60 take time by their square."""
_MERGE: Final = "tag:yaml.org,2002:merge"


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
    text = read_text(path, _MAX_YAML_BYTES, CheckpointError)
    try:
        content = _loader()(text).get_single_data()
    # What YAML's own constructors of numbers and dates meet first is any kind of exception.
    except Exception as error:
        raise CheckpointError(
            f"cannot read {path}: {str(error)[:300] or repr(error)}; correct or remove it"
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} does not hold settings by name")
    return _flat(content, path)


def _loader() -> type[yaml.SafeLoader]:
    """YAML's safe loader, without what lets a short file take long."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            # Merged mappings of merged mappings multiply by as many as each level names.
            if any(key.tag == _MERGE for key, _ in node.value):
                raise yaml.constructor.ConstructorError(
                    None, None, "merge keys (<<) are not read", node.start_mark
                )
            super().flatten_mapping(node)

        def construct_scalar(self, node: yaml.ScalarNode) -> Any:
            if len(node.value) > _MAX_SCALAR:
                raise yaml.constructor.ConstructorError(
                    None, None, f"a value has more than {_MAX_SCALAR} characters", node.start_mark
                )
            return super().construct_scalar(node)

    return Loader


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
