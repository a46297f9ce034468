"""The page's table of files, and the runtime that comes with the package."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from mobilevit_edge.web import writing
from mobilevit_edge.web.site import CONTENT_POLICY, MEDIA_TYPES, PAGE_FOLDER, RUNTIME_FOLDER


def test_the_runtime_is_the_one_that_is_recorded() -> None:
    record = json.loads((RUNTIME_FOLDER / "runtime.json").read_text())
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in RUNTIME_FOLDER.iterdir()
        if path.name != "runtime.json"
    }
    assert found == record["files"]
    assert {"LICENSE.txt", "ThirdPartyNotices.txt"} < found.keys()


def test_the_page_refers_to_nothing_elsewhere() -> None:
    namespace = "http://www.w3.org/2000/svg"
    for path in PAGE_FOLDER.iterdir():
        text = path.read_text("utf-8").replace(namespace, "")
        assert not re.search(r"(https?:)?//[a-z]", re.sub(r"^\s*//.*", "", text, flags=re.M)), path
        assert path.suffix in MEDIA_TYPES, path


def test_every_import_of_a_module_is_a_file_of_the_page() -> None:
    for path in PAGE_FOLDER.glob("*.js"):
        for name in re.findall(r'from "(.*?)"', path.read_text("utf-8")):
            assert name.startswith("./"), path
            assert (PAGE_FOLDER / name).is_file(), (path, name)


def test_the_policy_allows_no_code_but_the_pages_own() -> None:
    assert CONTENT_POLICY.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
    assert not re.search(
        r"unsafe-inline|unsafe-eval'(?<!wasm-unsafe-eval')|\*|https?:", CONTENT_POLICY
    )


def test_no_script_stands_in_the_page() -> None:
    index = Path(PAGE_FOLDER / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|style=", index)


def test_what_is_replaced_in_the_page_is_there_once() -> None:
    index = (PAGE_FOLDER / "index.html").read_text("utf-8")
    for text in (writing._HEAD, writing._STYLE, writing._ICON, writing._SCRIPT, writing._END):
        assert index.count(text) == 1, text
