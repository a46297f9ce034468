"""Files that are no images, or none that can be answered."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from converters.cli import predict_main
from tests.bad_inputs.conftest import Refuses
from tests.test_places import NO_FILES


def encoded(format_: str, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (64, 64)).save(buffer, format_)
    return buffer.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG file that claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


CONTENTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not an image"),
    "text": (b"not an image", "not an image"),
    "noise": (bytes((37 * i * i + 11 * i) % 256 for i in range(4096)), "not an image"),
    "half a JPEG": (encoded("JPEG")[:400], "cannot read"),
    "half a PNG": (encoded("PNG")[:60], "cannot read"),
    "half a WebP": (encoded("WEBP")[:30], ""),
    "half a GIF": (encoded("GIF")[:20], ""),
    "half a TIFF": (encoded("TIFF")[:100], ""),
    "half a BMP": (encoded("BMP")[:100], ""),
    "the head of a JPEG": (b"\xff\xd8\xff\xe0", "not an image"),
    "the head of a PNG": (b"\x89PNG\r\n\x1a\n", ""),
    "a giant PNG": (png_of(60_000, 60_000), "megapixels"),
    "a PNG beyond any size": (png_of(2**31 - 1, 2**31 - 1), ""),
    "a PNG without width": (png_of(0, 10), ""),
    "a PNG with less data than it says": (png_of(500, 500), ""),
    "numbers without a range": (encoded("TIFF", "F"), "no defined brightness"),
    "HEIC": (b"\0\0\0\x18ftypheic" + b"\0" * 100, "pillow-heif"),
    "HEIF of another brand": (b"\0\0\0\x18ftypmif1" + b"\0" * 100, "pillow-heif"),
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "git lfs pull",
    ),
    "a web page": (b"\n <!DOCTYPE html><html></html>", "a web page"),
    "a web page with a byte order mark": (b"\xef\xbb\xbf<HTML>", "a web page"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    "a film": (b"\0\0\0\x18ftypisom" + b"\0" * 100, "not an image"),
    "a zip file": (b"PK\x03\x04" + b"\0" * 100, "not an image"),
    "PDF": (b"%PDF-1.7\n", "not an image"),
    "EPS, which Ghostscript would run": (encoded("EPS"), "not an image"),
}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ""])
@pytest.mark.parametrize("content", CONTENTS)
def test_a_file_that_is_no_image(
    good: Path, tmp_path: Path, refuses: Refuses, content: str, suffix: str
) -> None:
    path = tmp_path / f"image{suffix}"
    data, reason = CONTENTS[content]
    path.write_bytes(data)
    message = refuses(predict_main, good, path)
    assert str(path) in message
    assert reason in message


@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
def test_something_else_than_a_file(
    good: Path, tmp_path: Path, refuses: Refuses, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "image.jpg")
    assert "image.jpg" in refuses(predict_main, good, tmp_path / "image.jpg")


@pytest.mark.parametrize(
    "name", ["\x1b[2J.jpg", "a\nb.jpg", "a\rb.jpg", "a\u202eb.jpg", "\udcff.jpg", "[bold].jpg"]
)
def test_a_name_that_acts_on_a_terminal(
    good: Path, tmp_path: Path, refuses: Refuses, name: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    refuses(predict_main, good, tmp_path / name)


def test_a_folder_of_files_that_are_no_images(good: Path, tmp_path: Path, refuses: Refuses) -> None:
    (tmp_path / "images").mkdir()
    for number in range(200):
        (tmp_path / "images" / f"{number}.jpg").touch()
    refuses(predict_main, good, tmp_path / "images")
