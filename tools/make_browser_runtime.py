"""Write ONNX Runtime Web into the package, from the archive that npm publishes.

    npm pack onnxruntime-web@1.30.0
    python -m tools.make_browser_runtime onnxruntime-web-1.30.0.tgz

The archive must have the recorded hash. The WebAssembly is compressed; the license texts are those
of the ``onnxruntime`` package installed here, which is the same project.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import sys
import tarfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from mobilevit_edge.console import run_command
from mobilevit_edge.errors import ToolchainError
from mobilevit_edge.web.site import RUNTIME_FOLDER
from tools.command import tool_parser

VERSION: Final = "1.30.0"
ARCHIVE_SHA256: Final = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
MODULES: Final = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort.jspi.min.mjs",
    "ort-wasm-simd-threaded.jspi.mjs",
)
BINARIES: Final = ("ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.jspi.wasm")
"""Of the processor's build, and of the one with WebGPU."""
LICENSES: Final = ("LICENSE", "ThirdPartyNotices.txt")


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("archive", type=Path, metavar="ARCHIVE")
    return parser


def command(arguments: Namespace) -> None:
    """Check the archive, and write the folder.

    Raises:
        ToolchainError: it is another archive, or the license texts are not installed.
    """
    content = arguments.archive.read_bytes()
    if hashlib.sha256(content).hexdigest() != ARCHIVE_SHA256:
        raise ToolchainError(f"{arguments.archive} is not onnxruntime-web {VERSION} as published")
    with tarfile.open(arguments.archive) as archive:
        members = {
            name: archive.extractfile(f"package/dist/{name}") for name in (*MODULES, *BINARIES)
        }
        files = {name: member.read() for name, member in members.items() if member is not None}
    # No time stamp and no name: the same bytes wherever it is made.
    for name in BINARIES:
        files[f"{name}.gz"] = gzip.compress(files.pop(name), 9, mtime=0)
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        raise ToolchainError("the license texts come with the package onnxruntime: install it")
    for name in LICENSES:
        files[name if name.endswith(".txt") else f"{name}.txt"] = (
            Path(spec.origin).parent / name
        ).read_bytes()
    for name, data in files.items():
        (RUNTIME_FOLDER / name).write_bytes(data)
    record = {
        "name": "onnxruntime-web",
        "version": VERSION,
        "archive_sha256": ARCHIVE_SHA256,
        "files": {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)},
    }
    (RUNTIME_FOLDER / "runtime.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
