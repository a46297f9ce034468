"""The commands as a user meets them: exit codes, messages, and nothing left after a failure."""

from __future__ import annotations

import errno
import json
import os
import pickle
import resource
import shutil
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.formats.manifest import manifest_from_json
from mobilevit_edge.installation import install_command
from mobilevit_edge.specs import SPECS
from tests.support.exports import (
    Bundles,
    Checkpoints,
    Command,
    ConvertsTo,
    Finished,
    state_of,
)

ONNX = ("--target", "onnx")
RANDOM = (*ONNX, "--weights", "random", "--model", "mobilevit_xxs")
SMALL = (*ONNX, "--image-size", "64")
EXPORT = "import sys; from converters.cli import export_main; sys.exit(export_main(sys.argv[1:]))"


def script(name: str) -> list[str]:
    """The installed command; its module's function where the script is not beside Python."""
    path = Path(sys.executable).parent / f"mobilevit-{name}"
    return [str(path)] if path.is_file() else [sys.executable, "-c", EXPORT.replace("export", name)]


def refused(finished: Finished, code: int, *phrases: str) -> None:
    """One message with every phrase on stderr, nothing on stdout, no traceback."""
    assert finished.code == code, finished.err
    assert finished.out == ""
    assert "Traceback" not in finished.err
    assert "error: " in finished.err
    for phrase in phrases:
        assert phrase in finished.err


# Usage.


@pytest.mark.parametrize(
    ("arguments", "phrases"),
    [
        (("--raw-input",), ("--target", "--weights", "--list")),
        (("--weights", "random"), ("--target",)),
        (ONNX, ("--weights",)),
        (("--target", "tflite", "--weights", "random"), ("tflite", "coreml", "onnx")),
        ((*ONNX, "--weights", "random"), ("--model",)),
        ((*ONNX, "--weights", "random", "--model", "resnet50"), ("resnet50", "mobilevit_xxs")),
        (
            (*ONNX, "--weights", "random", "--model", "mobilevit_xxs", "--precision", "int3"),
            ("int3",),
        ),
        ((*ONNX, "--weights", "random", "--color", "red"), ("--color",)),
        ((*ONNX, "--weights", "random", "--resize", "squeeze"), ("squeeze", "crop")),
        ((*ONNX, "--weights", "random", "--channel-order", "GBR"), ("GBR", "RGB")),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_possible(
    export: Command,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    phrases: tuple[str, ...],
) -> None:
    monkeypatch.chdir(place)
    refused(export(*arguments), 2, *phrases)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    "size",
    [
        *("31", "0", "-64", "64.5", "64.0", "abc", "", "x", "64x", "64x64x64", "64x31", "1e3"),
        *("6 4", "99999", "64x2049", "\uff19\uff16", "9" * 5000),
    ],
)
def test_an_image_size_that_cannot_be_is_a_usage_error(
    export: Command, place: Path, size: str
) -> None:
    finished = export(
        *ONNX, "--weights", "random", "--model", "mobilevit_xxs", f"--image-size={size}",
        "--output", place / "bundle",
    )  # fmt: skip
    refused(finished, 2, "image size")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("batch", ["0", "-1", "1.5", "many", "9" * 5000])
def test_a_batch_that_is_no_positive_number_is_a_usage_error(export: Command, batch: str) -> None:
    refused(export(*ONNX, "--weights", "random", f"--batch={batch}"), 2, "--batch")


def test_a_batch_beyond_any_memory_is_refused_not_a_defect(export: Command, place: Path) -> None:
    finished = export(
        *SMALL, "--weights", "random", "--model", "mobilevit_xxs", "--batch", 10**12,
        "--output", place / "bundle",
    )  # fmt: skip
    assert finished.code in (2, 5), finished.err
    assert "defect of this program" not in finished.err


def test_the_list_names_all_models(export: Command) -> None:
    finished = export("--list")
    assert finished.code == 0, finished.err
    shown = [line for line in finished.out.splitlines() if "mobilevit" in line]
    assert len(SPECS) == 19
    for name, spec in SPECS.items():
        (row,) = [line for line in shown if name in line.split()]
        assert spec.published is not None
        assert f"{spec.published.top1:.1f}" in row


def test_the_list_as_json_is_one_object_with_all_models(export: Command) -> None:
    finished = export("--list", "--json")
    models = json.loads(finished.out)["models"]
    assert [model["name"] for model in models] == list(SPECS)
    assert all(model["parameters"] > 1e6 and model["top1"] > 60 for model in models)
    assert finished.err == ""


# Checkpoints.


class Malice:
    """Unpickled, it creates the file at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def malicious_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Malice(path.with_name("owned")), protocol=2))


def truncated(path: Path) -> None:
    torch.save(state_of("v2"), path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "no checkpoint")


def other_network(path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(1000)}, path)


def nan_weight(path: Path) -> None:
    state = state_of("v2")
    state["conv_1.block.conv.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, path)


def missing_tensor(path: Path) -> None:
    state = state_of("v2")
    del state["layer_3.0.block.red_1x1.block.conv.weight"]
    torch.save(state, path)


CHECKPOINTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "No such file"),
    "empty": (lambda path: path.touch(), "empty"),
    "a folder": (lambda path: path.mkdir(), "no weights"),
    "truncated": (truncated, "weights.pt"),
    "random bytes": (lambda path: path.write_bytes(os.urandom(9999)), "weights.pt"),
    "a malicious pickle": (malicious_pickle, "never executed"),
    "another zip": (other_zip, "not a PyTorch checkpoint"),
    "another network": (other_network, "conv1.weight"),
    "a number": (lambda path: torch.save(3, path), "not a state dict"),
    "a NaN weight": (nan_weight, "conv_1.block.conv.weight holds NaN"),
    "a missing tensor": (missing_tensor, "layer_3.0.block.red_1x1.block.conv.weight"),
}


@pytest.mark.parametrize("fault", CHECKPOINTS)
def test_a_bad_checkpoint_is_refused_with_its_fault_and_never_executed(
    export: Command, tmp_path: Path, place: Path, fault: str
) -> None:
    make, phrase = CHECKPOINTS[fault]
    path = tmp_path / "weights.pt"
    make(path)
    finished = export(*SMALL, "--weights", path, "--output", place / "bundle")
    refused(finished, 4, phrase)
    assert not (tmp_path / "owned").exists()
    assert list(place.iterdir()) == []


def test_the_wrong_model_for_a_checkpoint_is_refused_with_the_differences(
    export: Command, checkpoint: Checkpoints
) -> None:
    finished = export(*SMALL, "--weights", checkpoint("v2"), "--model", "mobilevitv2_100")
    refused(finished, 4, "mobilevitv2_100", "wrong shape")


# Labels and photos.


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (None, "labels.txt"),
        ("", "no labels"),
        ("\n \n", "no labels"),
        ("\n".join("abc"), "3 labels"),
        ("a\nb\n\nd\ne\nf\ng\nh\ni\nj", "line 3 is empty"),
        ("\x00\udcff", "UTF-8"),
    ],
    ids=["missing", "empty", "blank", "too few", "gap", "not text"],
)
def test_bad_labels_are_refused_with_their_fault(
    export: Command,
    checkpoint: Checkpoints,
    tmp_path: Path,
    place: Path,
    content: str | None,
    phrase: str,
) -> None:
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    finished = export(
        *SMALL, "--weights", checkpoint("v2"), "--labels", path, "--output", place / "bundle"
    )
    refused(finished, 4, phrase)
    assert list(place.iterdir()) == []


def test_imagenet_labels_for_ten_outputs_are_refused(
    export: Command, checkpoint: Checkpoints
) -> None:
    finished = export(*SMALL, "--weights", checkpoint("v2"), "--labels", "imagenet")
    refused(finished, 4, "1000 labels", "10 outputs")


def huge_png(path: Path) -> Path:
    """A PNG whose header says 20000x20000 RGB, with hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize(
    ("make", "phrase"),
    [
        (lambda path: None, "no image"),
        (lambda path: path.mkdir(), "no images"),
        (lambda path: path.write_text("text"), "photo.png"),
        (huge_png, "photo.png"),
    ],
    ids=["missing", "empty folder", "text", "huge header"],
)
def test_bad_photos_to_verify_with_are_refused_before_the_conversion(
    export: Command,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
    tmp_path: Path,
    place: Path,
    make: Callable[[Path], object],
    phrase: str,
) -> None:
    converted: list[Path] = []
    converts_to(converted.append)
    path = tmp_path / "photo.png"
    make(path)
    finished = export(
        *SMALL, "--weights", checkpoint("v2"), "--verify", path, "--output", place / "bundle"
    )
    refused(finished, 4, phrase)
    assert converted == []
    assert list(place.iterdir()) == []


def test_a_photo_of_one_pixel_verifies(
    export: Command,
    bundle: Bundles,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
    tmp_path: Path,
    place: Path,
) -> None:
    model = (bundle("v1") / "model.onnx").read_bytes()
    converts_to(lambda path: path.write_bytes(model))
    Image.new("RGB", (1, 1), (200, 100, 50)).save(tmp_path / "one.png")
    finished = export(
        *SMALL, "--weights", checkpoint("v1"), "--verify", tmp_path / "one.png",
        "--output", place / "bundle",
    )  # fmt: skip
    assert finished.code == 0, finished.err
    verification = read_bundle(place / "bundle").manifest.verification
    assert verification is not None
    assert "one.png" in {case.name for case in verification.cases}


def test_a_huge_header_costs_predict_no_memory(bundle: Bundles, tmp_path: Path) -> None:
    code = """
import resource, sys
from converters.cli import predict_main
bundle, small, huge = sys.argv[1:]
assert predict_main([bundle, small]) == 0
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
code = predict_main([bundle, huge])
print("KiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
sys.exit(code)
"""
    Image.new("RGB", (64, 64)).save(tmp_path / "small.png")
    huge = huge_png(tmp_path / "huge.png")
    finished = subprocess.run(
        [sys.executable, "-c", code, bundle("v1"), tmp_path / "small.png", huge],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == 4, finished.stderr
    # Decoded, it takes 1.2 GB.
    assert int(finished.stdout.split("KiB")[1]) < 100_000


def test_predicting_a_missing_image_ends_with_4(
    bundle: Bundles, predict: Command, tmp_path: Path
) -> None:
    refused(predict(bundle("v1"), tmp_path / "none.jpg", "--json"), 4, "none.jpg")


# Where the output goes.


def test_an_output_that_is_a_file_is_refused_and_kept(
    export: Command, checkpoint: Checkpoints, place: Path
) -> None:
    (place / "file").write_text("mine")
    finished = export(*SMALL, "--weights", checkpoint("v2"), "--output", place / "file")
    refused(finished, 4, "is a file")
    assert (place / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json"])
def test_a_folder_that_holds_anything_but_a_bundle_is_refused_and_kept(
    export: Command,
    bundle: Bundles,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
    place: Path,
    name: str,
) -> None:
    model = (bundle("v1") / "model.onnx").read_bytes()
    converts_to(lambda path: path.write_bytes(model))
    # Web apps and browser extensions have a manifest.json of their own.
    (place / "app").mkdir()
    (place / "app" / name).write_text('{"name": "my app", "start_url": "/"}')
    (place / "app" / "index.html").write_text("mine")
    finished = export(*SMALL, "--weights", checkpoint("v1"), "--output", place / "app")
    assert sorted(p.name for p in (place / "app").iterdir()) == sorted([name, "index.html"])
    refused(finished, 4, "holds something else and is not touched")


@pytest.mark.parametrize("name", ["file/bundle", "file/deep/bundle", "/proc/bundle"])
def test_an_output_that_cannot_be_made_is_refused(
    export: Command, checkpoint: Checkpoints, place: Path, name: str
) -> None:
    (place / "file").write_text("mine")
    finished = export(*SMALL, "--weights", checkpoint("v2"), "--output", place / name)
    refused(finished, 4, "cannot")
    assert [p.name for p in place.iterdir()] == ["file"]


def test_an_empty_working_folder_can_be_the_output_or_is_refused(
    export: Command,
    bundle: Bundles,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = (bundle("v1") / "model.onnx").read_bytes()
    weights = checkpoint("v1")
    converts_to(lambda path: path.write_bytes(model))
    monkeypatch.chdir(place)
    finished = export(*SMALL, "--weights", weights, "--output", ".")
    if finished.code == 0:
        read_bundle(place)
    else:
        refused(finished, 4)
        assert list(place.iterdir()) == []


def test_a_failed_run_leaves_no_new_folders_on_the_way_to_the_output(
    export: Command, checkpoint: Checkpoints, converts_to: ConvertsTo, place: Path
) -> None:
    converts_to(lambda path: path.write_bytes(b"no model"))
    finished = export(*SMALL, "--weights", checkpoint("v1"), "--output", place / "a" / "b")
    refused(finished, 5)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("older", [False, True], ids=["fresh", "over an older bundle"])
def test_a_full_disk_is_reported_and_leaves_everything_as_it_was(
    export: Command,
    bundle: Bundles,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
    place: Path,
    older: bool,
) -> None:
    model = (bundle("v1") / "model.onnx").read_bytes()
    weights = checkpoint("v1")
    if older:
        shutil.copytree(bundle("v1"), place / "bundle")
    converts_to(lambda path: path.write_bytes(model))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(model) // 2, limits[1]))
        finished = export(*SMALL, "--weights", weights, "--output", place / "bundle")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    refused(finished, 4, "cannot write")
    assert [p.name for p in place.iterdir()] == (["bundle"] if older else [])
    if older:
        read_bundle(place / "bundle")


@pytest.mark.parametrize("file", ["labels.txt", "manifest.json"])
def test_a_disk_that_fills_after_the_model_is_reported_too(
    export: Command,
    bundle: Bundles,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
) -> None:
    model = (bundle("v1") / "model.onnx").read_bytes()
    weights = checkpoint("v1")
    converts_to(lambda path: path.write_bytes(model))
    opened = Path.open

    def full(self: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if self.name == file and mode.startswith("w"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(self, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", full)
    finished = export(*SMALL, "--weights", weights, "--output", place / "bundle")
    refused(finished, 4, "No space left on device")
    assert list(place.iterdir()) == []


INTERRUPTED = """
import os, signal, sys, time
import converters.targets.onnx.conversion as conversion
from converters.cli import export_main
def convert(module, job, plan, path, progress):
    path.write_bytes(b"half a model")
    os.kill(os.getpid(), int(sys.argv[1]))
    time.sleep(60)
conversion.convert = convert
# A background job inherits an ignored SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(export_main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_in_the_middle_leaves_the_older_bundle_and_nothing_else(
    bundle: Bundles, place: Path, number: signal.Signals, code: int
) -> None:
    older = shutil.copytree(bundle("v1"), place / "bundle")
    finished = subprocess.run(
        [
            *(sys.executable, "-c", INTERRUPTED, str(int(number))),
            *(*SMALL, "--weights", "demo", "--output", older),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == code, finished.stderr
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    assert [p.name for p in place.iterdir()] == ["bundle"]
    assert read_bundle(older).manifest == bundle.manifest("v1")


# Packages, streams and what is printed.


@pytest.mark.parametrize("package", ["onnxruntime", "onnx", "onnxscript"])
def test_a_missing_package_ends_with_3_and_names_the_extra(
    export: Command,
    checkpoint: Checkpoints,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    finished = export(*SMALL, "--weights", checkpoint("v1"), "--output", place / "bundle")
    refused(finished, 3, package, install_command("onnx"))
    assert list(place.iterdir()) == []


def test_list_and_help_need_neither_torch_nor_any_backend() -> None:
    code = """
import sys
for name in ("torch", "onnx", "onnxscript", "onnxruntime"):
    sys.modules[name] = None
from converters.cli import export_main, predict_main
assert export_main(["--list"]) == 0
predict_main(["--help"])
"""
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert "exit codes" not in finished.stderr


def test_json_is_one_object_on_stdout_and_equals_the_manifest(
    bundle: Bundles,
) -> None:
    path, finished = bundle("v1"), bundle.printed("v1")
    printed = json.loads(finished.out)
    assert printed["bundle"] == str(path)
    assert printed["manifest"] == json.loads((path / "manifest.json").read_text())
    manifest_from_json(json.dumps(printed["manifest"]))
    assert finished.err == ""


def test_the_summary_says_what_was_made_and_what_to_do_next(
    export: Command,
    bundle: Bundles,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
    place: Path,
) -> None:
    model = (bundle("v1") / "model.onnx").read_bytes()
    weights = checkpoint("v1")
    converts_to(lambda path: path.write_bytes(model))
    output = place / "[bold]my[/bold] bundle"
    finished = export(*SMALL, "--weights", weights, "--output", output)
    assert finished.code == 0, finished.err
    joined = " ".join(finished.out.split())
    for phrase in (f"OK {output}", "tiny_mobilevit_xxs, 10 classes", "v1.pt, cvnets naming", "BGR"):
        assert phrase in joined
    assert "next: mobilevit-predict" in joined


def test_a_graph_that_normalizes_is_not_called_one_that_does_not(
    export: Command,
    bundle: Bundles,
    checkpoint: Checkpoints,
    converts_to: ConvertsTo,
    place: Path,
) -> None:
    model = (bundle("v1_mean_raw") / "model.onnx").read_bytes()
    converts_to(lambda path: path.write_bytes(model))
    given = ("--weights", checkpoint("v1"), "--normalize", "imagenet", "--raw-input")
    finished = export(*SMALL, *given, "--output", place / "bundle")
    assert finished.code == 0, finished.err
    joined = " ".join(finished.out.split())
    assert "bilinear, bytes as they are" in joined
    assert "not normalized" not in joined


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_without_unicode_still_gets_its_answer(
    bundle: Bundles, photo: Path, encoding: str
) -> None:
    finished = subprocess.run(
        [*script("predict"), bundle("v1"), photo],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert b"class_" in finished.stdout


@pytest.mark.parametrize("extra", [[], ["--json"]], ids=["table", "json"])
def test_a_reader_that_goes_away_is_no_error(extra: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        finished = subprocess.run(
            [*script("export"), "--list", *extra],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert finished.stderr == ""
    assert finished.returncode == 0
