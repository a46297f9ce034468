"""The page with bundles as a table of files: nothing that is not in it can be asked for.

``page/`` is the application (plain modules, no build step), ``runtime/`` ONNX Runtime Web, written
by ``tools/make_browser_runtime.py``. A site has both, and of each bundle the manifest, the labels
and the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mobilevit_edge import __version__
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.formats.manifest import LABELS_FILE, MANIFEST_FILE, manifest_to_json

PAGE_FOLDER: Final = Path(__file__).parent / "page"
RUNTIME_FOLDER: Final = Path(__file__).parent / "runtime"
INDEX: Final = "index.html"
CONTENT: Final = "site.json"
"""What the page reads first: which bundles there are, and what it is asked to do."""

CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "connect-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""Nothing from elsewhere, and no code but the page's own."""

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
_BYTES: Final = "application/octet-stream"


@dataclass(frozen=True)
class SiteFile:
    """A file of a site: its bytes, or where they are."""

    media_type: str
    content: bytes | Path

    def read(self) -> bytes:
        """The bytes."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


@dataclass(frozen=True)
class SiteContent:
    """What a page is asked to do.

    Attributes:
        collects: whether its server takes reports.
        plan: the numbers of a measurement by name; ``None`` for the page's own.
        device: what is known of the device that opens it: ``name`` and ``processor``.
    """

    collects: bool = False
    plan: Mapping[str, int | bool] | None = None
    device: Mapping[str, str] | None = None


def make_site(bundles: Mapping[str, Bundle], content: SiteContent) -> dict[str, SiteFile]:
    """The files of a page with bundles, by their addresses relative to the page.

    Raises:
        UsageError: a bundle is not one that browsers run; the message says why.
    """
    described: dict[str, Any] = {
        "version": __version__,
        "bundles": list(bundles),
        "collects": content.collects,
        "plan": content.plan,
        "device": content.device,
    }
    files = {INDEX: _file(PAGE_FOLDER / INDEX)}
    for folder in (PAGE_FOLDER, RUNTIME_FOLDER):
        for path in sorted(folder.iterdir()):
            if path.name != INDEX:
                files[f"{folder.name}/{path.name}"] = _file(path)
    files[CONTENT] = SiteFile(MEDIA_TYPES[".json"], json.dumps(described).encode())
    for name, bundle in bundles.items():
        check_bundle(bundle)
        files |= _bundle_files(f"bundles/{name}", bundle)
    return files


def check_bundle(bundle: Bundle) -> None:
    """Refuse what the page cannot run.

    Raises:
        UsageError: another target, several images at once, or a model in several files.
    """
    manifest = bundle.manifest
    if manifest.target != "onnx":
        raise UsageError(
            f"{bundle.path} is for {manifest.target}; browsers run onnx bundles: export it with "
            f"--target onnx"
        )
    if (manifest.input.shape[0] or 1) != 1:
        raise UsageError(f"{bundle.path} takes several images at once: export it with --batch 1")
    if not bundle.model_path.is_file():
        raise UsageError(f"the model of {bundle.path} is a folder; browsers run a single file")


def _bundle_files(folder: str, bundle: Bundle) -> dict[str, SiteFile]:
    """The manifest as this version writes it, whatever its version was, and what it names."""
    manifest = SiteFile(MEDIA_TYPES[".json"], manifest_to_json(bundle.manifest).encode())
    labels = "\n".join(bundle.labels).encode()
    return {
        f"{folder}/{MANIFEST_FILE}": manifest,
        f"{folder}/{LABELS_FILE}": SiteFile(MEDIA_TYPES[".txt"], labels),
        f"{folder}/{bundle.model_path.name}": _file(bundle.model_path),
    }


def _file(path: Path) -> SiteFile:
    return SiteFile(MEDIA_TYPES.get(path.suffix, _BYTES), path)
