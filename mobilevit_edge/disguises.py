"""What a file is that has another name: by its first bytes."""

from __future__ import annotations

from typing import Final

HEAD_BYTES: Final = 512
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
)
_HTML: Final = (b"<!doctype html", b"<html", b"<head")


def is_heif(head: bytes) -> bool:
    """Whether a file that begins so is HEIC or HEIF, as phones make them."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def is_lfs_pointer(head: bytes) -> bool:
    """Whether a file that begins so is what Git LFS leaves in place of one not downloaded."""
    return head.startswith(b"version https://git-lfs")


def disguise(head: bytes) -> str | None:
    """What a file that begins so really is, with what to do; ``None`` for anything else."""
    if is_lfs_pointer(head):
        return "a Git LFS pointer, not the file it stands for: run git lfs pull"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_HTML):
        return "a web page, not a download: fetch the file itself"
    return None
