"""The kinds of image files: the suffix that each is written under, and the signature it is known by."""

from __future__ import annotations

import os
from pathlib import Path

from zeroshot.files import require_file
from zeroshot.images.errors import ImageError
from zeroshot.images.metadata import PNG_SIGNATURE

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".avif": "AVIF",
    ".heic": "HEIC",
    ".heif": "HEIC",
    ".jxl": "JXL",
    ".fits": "FITS",
    ".fit": "FITS",
    ".fts": "FITS",
}
SIGNATURES = {
    PNG_SIGNATURE: "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"\xff\x0a": "JXL",
    b"\0\0\0\x0cJXL ": "JXL",
    b"SIMPLE  =": "FITS",
}
#: How raw photographs are named, which may be built like TIFF files.
RAW_SUFFIXES = (
    *(".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".raf", ".orf", ".rw2", ".pef", ".srw"),
    *(".raw", ".rwl", ".3fr", ".fff", ".iiq", ".kdc", ".dcr", ".mos", ".mef", ".erf", ".x3f"),
)
#: What only stacks are written as: a folder.
STACK_SUFFIXES = {".zarr": "ZARR"}
#: Files of microscopes, which are read as stacks.
MICROSCOPE_SUFFIXES = (".czi", ".lif", ".nd2")
_MICROSCOPE_SIGNATURES = {b"ZISRAWFILE": ".czi", b"\xda\xce\xbe\n": ".nd2"}
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")
_RAW_SIGNATURES = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb")
#: More than the largest picture takes that is read, in four channels of 64 bits.
LARGEST_FILE = 8 << 30
ACCEPTED = "PNG, JPEG, TIFF, WebP or BMP"
# The brands of files in the container that AVIF and HEIC share.
BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"hevc", b"heim", b"mif1"), "HEIC"
)
# What else is taken for an image now and then: what it is, and what to do with it.
STRANGERS = {
    b"GIF8": "a GIF; convert its picture to PNG",
    b"%!PS": "PostScript; convert it to PNG",
    b"%PDF": "a PDF; convert the page to PNG",
    b"8BPS": "a Photoshop document; save it as TIFF",
    b"\0\0\0\x0cjP  ": "JPEG 2000; convert it to PNG",
    b"\xff\x4f\xff\x51": "JPEG 2000; convert it to PNG",
    b"\x76\x2f\x31\x01": "OpenEXR; save it as a float TIFF",
    b"\x93NUMPY": "a NumPy array; load it in Python and pass the array, or save it as TIFF",
    b"\x89HDF": "HDF5; read it with h5py and pass the array, or save it as TIFF",
    b"PK\x03\x04": "an archive; unpack it",
    b"<svg": "a drawing (SVG); convert it to PNG",
    b"<?xml": "XML; give the image itself",
    b"<!DOCTYPE": "a web page; the download of the image has failed",
    b"<html": "a web page; the download of the image has failed",
    b"version https:/": "a pointer of Git LFS; fetch the file itself with git lfs pull",
}


def read_bytes(path: Path) -> tuple[str, bytes]:
    """The kind of an image file by its signature, a key of `READERS` in formats.py, and its bytes."""
    try:
        if path.is_dir():
            raise ImageError(f"{path}: is a folder, not an image file")
        require_file(path)
        with path.open("rb") as file:
            head = file.read(16)
            kind = _kind(head, path)
            if kind is None:
                raise ImageError(f"{path}: {_refusal(head)}")
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                raise ImageError(
                    f"{path}: is larger than {LARGEST_FILE >> 30} GiB, the limit for one picture"
                )
            return kind, head + file.read()
    except FileNotFoundError:
        raise ImageError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from None


def kind_of_source(path: Path) -> str | None:
    """The kind of a file by its signature; None where it is unknown, or there is no file that can be read."""
    if is_zarr(path):
        return "ZARR"
    try:
        require_file(path)
        with path.open("rb") as file:
            return _kind(file.read(16), path)
    except OSError:
        return None


def _refusal(head: bytes) -> str:
    told = next((what for signature, what in STRANGERS.items() if head.startswith(signature)), None)
    if told is not None:
        what, _, advice = told.partition("; ")
        return f"is {what}, not a {ACCEPTED} image: {advice}"
    return f"is {'not a' if head else 'empty, not a'} {ACCEPTED} image"


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store, and no folder of images."""
    return path.is_dir() and any((path / name).is_file() for name in _ZARR_FILES)


def microscope_suffix(head: bytes) -> str | None:
    """Under which suffix files of microscopes with these first bytes are known."""
    if head[:4] == b"p\0\0\0" and head[8:9] == b"*":
        return ".lif"
    return next(
        (suffix for signature, suffix in _MICROSCOPE_SIGNATURES.items() if head.startswith(signature)), None
    )


def _kind(head: bytes, path: Path) -> str | None:
    if microscope_suffix(head) is not None:
        return "MICROSCOPE"
    if head.startswith(_RAW_SIGNATURES) or head[4:12] == b"ftypcrx ":
        return "RAW"
    if path.suffix.lower() in RAW_SUFFIXES and SIGNATURES.get(head[:4]) == "TIFF":
        return "RAW"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and head[8:12] in BRANDS:
        return BRANDS[head[8:12]]
    # Old files of Nikon are JPEG 2000, and what is too damaged to be known is refused by its reader.
    named = "MICROSCOPE" if path.suffix.lower() in MICROSCOPE_SUFFIXES else None
    return next((kind for signature, kind in SIGNATURES.items() if head.startswith(signature)), named)
