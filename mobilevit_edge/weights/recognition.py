"""Files that are often passed as checkpoints and are none: what they are, and the way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from mobilevit_edge.disguises import is_lfs_pointer
from mobilevit_edge.weights.pickles import Inert

RESAVE: Final = (
    "re-save only the weights, in the environment that made the file, with "
    "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
)
_EXPORTED: Final = "pass the PyTorch checkpoint that it was exported from"
CONVERT: Final = "load it in that framework, or download the PyTorch weights of the same model"
_UNPACK: Final = "if it contains the checkpoint, unpack it first"


def _starts(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(beginnings)


def _is_markup(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def _is_onnx(head: bytes) -> bool:
    # Field 1 (the IR version) as a small number, then a field of text or the graph.
    return len(head) > 3 and head[0] == 0x08 and 0 < head[1] < 32 and head[2] in b"\x12\x1a\x22\x3a"


_HEADS: Final[tuple[tuple[Callable[[bytes], bool], str, str], ...]] = (
    (
        is_lfs_pointer,
        "a Git LFS pointer, which stands for a file that was not downloaded",
        "run `git lfs pull` in its folder, or download the file from the repository's page",
    ),
    (
        _is_markup,
        "a web page (HTML or XML), not the file that it links to",
        "download the file itself; a page of the Hugging Face Hub has a download link beside it",
    ),
    (_starts(b"\x89HDF\r\n\x1a\n"), "an HDF5 file, as Keras writes (.h5)", CONVERT),
    (_starts(b"GGUF"), "a GGUF file, made for llama.cpp", CONVERT),
    (lambda head: head[4:8] == b"TFL3", "a TensorFlow Lite model (.tflite)", _EXPORTED),
    (lambda head: head[4:8] in (b"ET12", b"ET13"), "an ExecuTorch program (.pte)", _EXPORTED),
    (_is_onnx, "an ONNX model, which holds a graph", _EXPORTED),
    (_starts(b"\x93NUMPY"), "a NumPy array (.npy)", RESAVE),
    (_starts(b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ"), "an archive", _UNPACK),
    (lambda head: head[257:262] == b"ustar", "a tar archive", _UNPACK),
)

_Names = Collection[str]


def _any(pattern: str) -> Callable[[_Names], bool]:
    return lambda names: any(re.search(pattern, name) for name in names)


_ARCHIVES: Final[tuple[tuple[Callable[[_Names], bool], str, str], ...]] = (
    (
        _any(r"/archive_format$|(^|/)serialized_exported_program\.json$|/models/.*\.json$"),
        "an exported program (.pt2), which holds a graph",
        _EXPORTED,
    ),
    (
        _any(r"(^|/)code/|(^|/)constants\.pkl$"),
        "a TorchScript archive, which holds code",
        "save the state dict instead: torch.save(model.state_dict(), 'weights.pt')",
    ),
    (_any(r"\.weights\.h5$"), "a Keras model (.keras)", CONVERT),
    (_any(r"com\.apple\.CoreML"), "a Core ML package", _EXPORTED),
    (_any(r"\.npy$"), "an archive of NumPy arrays (.npz)", RESAVE),
)

_KEYS: Final[tuple[tuple[Callable[[_Names], bool], str, str], ...]] = (
    (
        _any(r"\.lora_[A-Za-z]|\.lora\.(down|up)\.|_lora\.|^base_model\.model\."),
        "a LoRA adapter, or a model with one attached",
        "merge it (model.merge_and_unload() in peft) and save the merged model's state dict",
    ),
    (
        _any(r"\._packed_params|\.zero_point$"),
        "a quantized model's state dict",
        "pass the float checkpoint that it was made from, with --precision int8",
    ),
    (
        lambda names: "layer1.0.expand.conv.weight" in names,
        "a state dict under this package's own names",
        "write weights with mobilevit_edge.save_weights, which uses names that can be read again",
    ),
)


def kind_of_head(head: bytes) -> str | None:
    """What a file beginning with ``head`` is and the way out; ``None`` if it may be weights."""
    return _first(_HEADS, head)


def kind_of_archive(names: _Names) -> str | None:
    """The same for a zip archive, by the names in it."""
    return _first(_ARCHIVES, names)


def kind_of_keys(names: _Names) -> str | None:
    """The same for a state dict, by its keys."""
    return _first(_KEYS, names)


def kind_of_content(content: Mapping[Any, Any]) -> str | None:
    """The same for what a file holds besides networks, if there is none in it."""
    inner = {id(value): value for value in content.values() if isinstance(value, Mapping)}
    near = [content, *inner.values()]
    if any(str(key).startswith(("optimizer", "param_groups")) for part in near for key in part):
        return "an optimizer's state without a model beside it; pass the model's own weights"
    values = [content, *(value for part in near for value in part.values())]
    foreign = sorted({value.name for value in values if isinstance(value, Inert)})
    if any(re.match(r"numpy\.(_?core\.)", name) for name in foreign):
        return (
            "a mapping to NumPy arrays in place of tensors; convert them with torch.from_numpy "
            "and save the state dict again"
        )
    if foreign:
        return (
            f"Python objects in place of weights ({', '.join(foreign[:3])}), which are never "
            f"executed here; {RESAVE}"
        )
    return None


def _first(table: Iterable[tuple[Callable[[Any], bool], str, str]], value: object) -> str | None:
    for matches, kind, way_out in table:
        if matches(value):
            return f"{kind}; {way_out}"
    return None
