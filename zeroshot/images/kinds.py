"""The kinds of image files: the suffix that each is written under, and the signature it is known by."""

from __future__ import annotations

from pathlib import Path

from zeroshot.images.metadata import PNG_SIGNATURE, ImageError

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
}
SIGNATURES = {
    PNG_SIGNATURE: "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
}
ACCEPTED = "PNG, JPEG, TIFF, WebP or BMP"


def read_bytes(path: Path) -> tuple[str, bytes]:
    """The kind ("PNG", "JPEG", "TIFF", "WEBP", "BMP") and the content of an image file, by its signature."""
    try:
        if path.is_dir():
            raise ImageError(f"{path}: is a folder, not an image file")
        with path.open("rb") as file:
            head = file.read(16)
            kind = _kind(head)
            if kind is None:
                raise ImageError(f"{path}: is {'not a' if head else 'empty, not a'} {ACCEPTED} image")
            return kind, head + file.read()
    except FileNotFoundError:
        raise ImageError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from None


def _kind(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for signature, kind in SIGNATURES.items() if head.startswith(signature)), None)
