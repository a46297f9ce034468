"""The page in real Chromium: its modules compute what Python computes, and people can use it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import zlib
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from benchmarks.devices.browser.address import Address
from benchmarks.devices.browser.headless import BROWSER_NAMES, BrowserName
from benchmarks.devices.browser.reception import Reception
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.formats.golden import golden_image
from mobilevit_edge.formats.manifest import manifest_to_json
from mobilevit_edge.formats.report import LatencyRow, Report
from mobilevit_edge.input_contract import contract_of
from mobilevit_edge.web.site import MEDIA_TYPES, SiteContent, SiteFile, make_site
from tests.support.browsers import SCRIPTS, TOKEN, as_json, found_by
from tests.support.dense_vectors import box_cases, mask_cases
from tools.make_vectors import answer_cases, preprocessing_cases

FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
browsers = pytest.mark.parametrize("browser", BROWSER_NAMES)
CODE = MEDIA_TYPES[".js"]
DENSE = SCRIPTS / "dense.js"
BLOCKS = (0, 1, 55, 56, 63, 64, 65, 119, 120, 1000)


@pytest.fixture
def bundle(exported: Path) -> Bundle:
    return read_bundle(exported)


def manifest_of(bundle: Bundle) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(manifest_to_json(bundle.manifest))
    return manifest


def judgements(bundle: Bundle) -> list[tuple[dict[str, Any], bool]]:
    """Outputs for the golden image, and whether they pass."""
    manifest = manifest_of(bundle)
    golden = bundle.manifest.golden
    good = np.full(bundle.manifest.model.outputs, min(e.value for e in golden.expected) - 1)
    for expected in golden.expected:
        good[expected.index] = expected.value
    other = next(i for i in range(len(good)) if i not in {e.index for e in golden.expected})

    def changed(index: int, value: float) -> list[float]:
        outputs = good.copy()
        outputs[index] = value
        return list(outputs)

    first = golden.expected[0]
    cases = [
        (list(good), True),
        (changed(first.index, first.value + 2 * golden.tolerance), False),
        (changed(other, first.value + 1), False),
        (list(good[:-1]), False),
    ]
    made = [({"manifest": manifest, "outputs": list(map(float, o))}, ok) for o, ok in cases]
    without = [
        [None if i == missing else value for i, value in enumerate(good)]
        for missing in (first.index, other)
    ]
    return [*made, *(({"manifest": manifest, "outputs": outputs}, False) for outputs in without)]


@browsers
def test_modules_compute_what_python_computes(bundle: Bundle, browser: BrowserName) -> None:
    judged = judgements(bundle)
    pixels = golden_image(bundle.manifest.golden, bundle.manifest.model.image_size)
    masks = list(mask_cases())
    vectors = {
        "preprocessing": list(preprocessing_cases()),
        "answers": list(answer_cases()),
        "hashes": [
            {
                "length": length,
                "hash": hashlib.sha256(bytes((i * 7 + 3) % 256 for i in range(length))).hexdigest(),
            }
            for length in BLOCKS
        ],
        "golden": {
            "manifest": manifest_of(bundle),
            "pixels": base64.b64encode(pixels.tobytes()).decode(),
        },
        "judgements": [case for case, _ in judged],
        # Milliseconds of an inference, and of the clock's step.
        "clocks": [(5, 0.005), (20, 0.1), (20, 1), (0.4, 1)],
        "dense": {"masks": masks, "boxes": list(box_cases())},
    }
    files = make_site({"small": bundle}, SiteContent())
    site = {**files, "vectors.json": as_json(vectors), "dense.js": SiteFile(CODE, DENSE)}
    found = found_by(browser, site, "vectors.js")
    assert len(found["preprocessing"]) == 180
    assert all(found["preprocessing"])
    assert all(found["answers"])
    assert all(found["hashes"])
    assert found["golden"]
    assert found["judgements"] == [passes for _, passes in judged]
    assert found["clocks"] == [1, 1, 5, 100]
    # No random logits of these vectors are so near each other that the order of a sum decides.
    assert [case["tied"] for case in masks] == [0] * 50
    assert found["masks"] == [0] * 50
    assert found["boxes"] == [True] * 12


def photos(megapixels: int) -> dict[str, bytes]:
    """Image files of many kinds: colors, orientations, profiles, and sizes up to one."""
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((611, 427))
    made: dict[str, bytes] = {}

    def save(name: str, image: Image.Image, **options: Any) -> None:
        stream = io.BytesIO()
        image.save(stream, name.rpartition(".")[2].replace("jpg", "jpeg"), **options)
        made[name] = stream.getvalue()

    # Red and green change places: whoever applies this profile is far off.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"turned{orientation}.jpg", smooth, exif=exif)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        save(f"chroma{subsampling.replace(':', '')}.jpg", smooth, subsampling=subsampling)
    for kind in ("jpg", "png", "webp"):
        options = {"lossless": True} if kind == "webp" else {}
        save(f"profile.{kind}", smooth, icc_profile=swapped, **options)
        save(f"plain.{kind}", smooth, **options)
    save("progressive.jpg", smooth, progressive=True)
    save("gray.jpg", smooth.convert("L"))
    save("gray.png", smooth.convert("L"))
    save("palette.png", smooth.convert("P"))
    save("strip.png", smooth.resize((5, 900)))
    save("pixel.png", smooth.resize((1, 1)))
    sideways = Image.Exif()
    sideways[0x0112] = 6
    # Four to three, as a phone's.
    large = smooth.resize((isqrt(megapixels * 750_000) * 4 // 3, isqrt(megapixels * 750_000)))
    save("large.jpg", large, exif=sideways, icc_profile=display_p3())
    save("p3.jpg", smooth, icc_profile=display_p3())
    save("p3.png", smooth, icc_profile=display_p3())
    opaque = smooth.convert("RGBA")
    save("opaque.png", opaque)
    veiled = opaque.copy()
    veiled.putalpha(smooth.convert("L").point(lambda value: 128 + value // 2))
    save("veiled.png", veiled)
    made["damaged.jpg"] = made["plain.jpg"][:300]
    made["text.png"] = b"no picture"
    # What a header says is refused before anything is decoded.
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    made["bomb.png"] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + header + check
    return made


def display_p3() -> bytes:
    """A profile with the colors of Display P3: applied, it moves photos by tens of levels."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    colors = {
        b"rXYZ": (0.51512, 0.2412, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.1571, 0.06657, 0.78407),
    }
    for name, values in colors.items():
        # The table of tags has name, place and length; there stand a type, zeros, three numbers.
        at = struct.unpack(">I", profile[profile.index(name) + 4 :][:4])[0] + 8
        numbers = struct.pack(">3i", *(round(value * 65536) for value in values))
        profile = profile[:at] + numbers + profile[at + 12 :]
    return profile


@browsers
def test_photos_become_the_pixels_that_python_makes_of_them(
    bundle: Bundle, tmp_path: Path, browser: BrowserName
) -> None:
    # All three engines read 48 megapixels so; it takes them seconds.
    files = photos(megapixels=48 if browser == "chromium" else 12)
    refused = {
        "damaged.jpg": "cannot read",
        "text.png": "cannot read",
        "bomb.png": "the picture has 60000x60000 pixels",
    }
    contract = contract_of(bundle.manifest.input, bundle.manifest.model.image_size)
    expected = {}
    near = {}
    for name, content in files.items():
        if name not in refused:
            (tmp_path / name).write_bytes(content)
            pixels = contract.load(tmp_path / name)
            expected[name] = hashlib.sha256(pixels.tobytes()).hexdigest()
            if name == "veiled.png":
                near[name] = base64.b64encode(pixels.tobytes()).decode()
    asked = {
        "names": list(files),
        "near": near,
        "size": bundle.manifest.model.image_size,
        "input": manifest_of(bundle)["input"],
    }
    served = {name: SiteFile("application/octet-stream", data) for name, data in files.items()}
    site = {**make_site({"small": bundle}, SiteContent()), **served, "photos.json": as_json(asked)}
    told = found_by(browser, site, "photos.js")
    found = told["found"]
    for name, reason in refused.items():
        assert reason in found.pop(name)
    # Half transparent pixels lose up to a level, whatever a browser is asked for.
    assert found.pop("veiled.png") <= 2
    expected.pop("veiled.png")
    assert found == expected
    # A photo of any size passes through memory in strips.
    assert told["strip"] <= 2**24


def site_to_use(bundle: Bundle) -> dict[str, SiteFile]:
    stream = io.BytesIO()
    Image.new("RGB", (90, 70), (200, 90, 40)).save(stream, "png")
    files = make_site({"small": bundle}, SiteContent(collects=True))
    return {**files, "photo.png": SiteFile("image/png", stream.getvalue())}


def use(bundle: Bundle, **options: Any) -> tuple[dict[str, Any], Report]:
    """What a person finds, and the report that was sent."""
    kept: list[Report] = []
    served = {file.sha256 for file in bundle.manifest.files}
    receivers = {"report": Reception(served, kept.append).take_report}
    found = found_by("chromium", site_to_use(bundle), "use.js", receivers=receivers, **options)
    (report,) = kept
    return found, report


def test_a_person_tests_classifies_measures_and_sends(bundle: Bundle, tmp_path: Path) -> None:
    from converters.classifier import Classifier

    found, report = use(bundle, extra=FAKE_CAMERA)
    assert (found["secure"], found["isolated"], found["foreign"]) == (True, True, [])
    assert "Passed: differs by" in found["models"]
    assert "ONNX Runtime Web" in found["facts"]

    (tmp_path / "photo.png").write_bytes(site_to_use(bundle)["photo.png"].read())
    answers = Classifier(bundle).classify([tmp_path / "photo.png"], 5)
    (prediction,) = answers.predictions
    assert found["classes"] == [
        f"{score.label}{100 * score.probability:.1f} %" for score in prediction.classes
    ]
    assert found["status"].endswith(" ms for the model")
    assert "cannot read notes.txt" in found["refusal"]
    assert found["cameraStatus"].endswith(" ms for the model")

    ((name, *figures),) = found["rows"]
    assert name == "small"
    assert all(float(figure) > 0 for figure in figures[:4])
    assert found["sent"] == "Sent: the computer has the report."
    (run,) = report.runs
    (row,) = run.rows
    assert isinstance(row, LatencyRow)
    assert [len(series.samples_ns) for series in row.series] == [5, 5]
    # The page is isolated: two threads are two.
    assert {(row.threads, series.threads) for series in row.series} == {(2, 2)}
    assert run.clock_step_ns is not None
    assert run.clock_step_ns <= 100_000
    assert {"onnxruntime-web", "Chrome", "user agent"} == set(run.versions)


def test_over_plain_http_there_are_photos_and_one_thread(bundle: Bundle) -> None:
    """As on a phone in the network: by a name that browsers do not take for this machine."""
    address = Address("http", "127.0.0.1", 0, TOKEN, extra_names=("phone.test",))
    mapped = ("--host-resolver-rules=MAP phone.test 127.0.0.1",)
    found, report = use(bundle, address=address, extra=(*mapped, *FAKE_CAMERA))
    assert (found["secure"], found["isolated"], found["camera"]) == (False, False, False)
    assert "camera needs https" in found["cameraNote"]
    assert found["classes"]
    assert "1 thread instead of 2" in found["warnings"]
    (run,) = report.runs
    assert [flag.kind for flag in run.flags] == ["threads_not_in_effect"]
    (row,) = run.rows
    assert isinstance(row, LatencyRow)
    assert {series.threads for series in row.series} == {1}
    # 0.1 ms, for which an inference of this small model may be too short.
    step = run.clock_step_ns
    assert step is not None
    assert step >= 90_000
    for series in row.series:
        assert series.inferences_per_sample * min(series.warm_up_ns) >= 99 * step


def test_over_https_there_is_everything(bundle: Bundle) -> None:
    pytest.importorskip("cryptography")
    from benchmarks.devices.browser.certificate import certificate_context

    address = Address("https", "127.0.0.1", 0, TOKEN, extra_names=("phone.test",))
    # What a person does who goes on past the warning.
    past = ("--host-resolver-rules=MAP phone.test 127.0.0.1", "--ignore-certificate-errors")
    context = certificate_context(address.names)
    found, report = use(bundle, address=address, context=context, extra=(*past, *FAKE_CAMERA))
    assert (found["secure"], found["isolated"], found["camera"]) == (True, True, True)
    assert (found["warnings"], report.runs[0].flags) == ("", ())
