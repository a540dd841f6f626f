"""The kinds of image files: the suffix that each is written under, and the signature it is known by."""

from __future__ import annotations

import os
from pathlib import Path

from zeroshot.files import require_file
from zeroshot.images.errors import ImageError
from zeroshot.images.metadata import PNG_SIGNATURE
from zeroshot.words import counted

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
#: Files of microscopes, which are read as stacks, and how they begin; an old ND2 is a JPEG 2000.
MICROSCOPE_SUFFIXES = (".czi", ".lif", ".nd2")
_MICROSCOPE_SIGNATURES = {b"ZISRAWFILE": ".czi", b"\xda\xce\xbe\n": ".nd2"}
_JPEG_2000 = b"\0\0\0\x0cjP  "
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")
_RAW_SIGNATURES = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb")
#: More than the largest picture takes that is read, in four channels of 64 bits.
LARGEST_FILE = 8 << 30
ACCEPTED = "PNG, JPEG, TIFF, WebP or BMP"
#: What a file beside these is called that is named as one of a kind.
_CALLED = {"AVIF": "an AVIF image", "HEIC": "a HEIC image", "JXL": "a JPEG XL image", "FITS": "a FITS file"}
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
    _JPEG_2000: "JPEG 2000; convert it to PNG",
    b"\xff\x4f\xff\x51": "JPEG 2000; convert it to PNG",
    b"\x76\x2f\x31\x01": "OpenEXR; save it as a float TIFF",
    b"\x93NUMPY": "a NumPy array; load it in Python and pass the array, or save it as TIFF",
    b"\x89HDF": "HDF5; read it with h5py and pass the array, or save it as TIFF",
    b"PK\x03\x04": "an archive; unpack it",
    b"\x1f\x8b": "compressed by gzip; unpack it",
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
            raise ImageError(f"{path}: {incomplete_zarr(path) or 'is a folder, not an image file'}")
        require_file(path)
        with path.open("rb") as file:
            head = file.read(16)
            kind = _kind(head, path)
            if kind is None:
                raise ImageError(f"{path}: {_refusal(head, path)}")
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


def _refusal(head: bytes, path: Path) -> str:
    """What is wrong with a file whose first 16 bytes are of no kind that is read."""
    named = _named_kind(path)
    wanted = named or f"a {ACCEPTED} image"
    if not head:
        return f"is empty, not {wanted}"
    told = next((what for signature, what in STRANGERS.items() if head.startswith(signature)), None)
    if told is not None:
        what, _, advice = told.partition("; ")
        return f"is {what}, not {wanted}: {advice}"
    if head[4:8] == b"ftyp":
        brand = head[8:12].decode("latin-1")
        return f"is of the brand {brand!r}, such as videos have, not a picture in AVIF or HEIC"
    if named is None:
        return f"is not {wanted}"
    if len(head) < 16:
        return f"is named as {named}, but ends after {counted(len(head), 'byte')}: it was cut off"
    if not any(head):
        return f"is named as {named}, but begins with zeros, as a copy or a download that was cut off does"
    return f"is named as {named}, but does not begin as one: it is damaged, or of another kind"


def _named_kind(path: Path) -> str | None:
    """What a file is by its name, in words; None where it is none of those that need their own."""
    suffix = path.suffix.lower()
    if suffix in STACK_SUFFIXES:
        return "a Zarr store, a folder"
    if suffix in MICROSCOPE_SUFFIXES:
        return f"a microscope file ({suffix})"
    if suffix in RAW_SUFFIXES:
        return f"a raw photograph ({suffix})"
    return _CALLED.get(SUFFIXES.get(suffix, ""))


def incomplete_zarr(path: Path) -> str | None:
    """What is wrong with a folder that is named as a Zarr store and is none; None where it has another name."""
    if path.suffix.lower() not in STACK_SUFFIXES or is_zarr(path):
        return None
    return f"is named as a Zarr store, but has none of {', '.join(_ZARR_FILES)}: it is incomplete"


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
    if microscope_suffix(head) is not None or (path.suffix.lower() == ".nd2" and head.startswith(_JPEG_2000)):
        return "MICROSCOPE"
    if head.startswith(_RAW_SIGNATURES) or head[4:12] == b"ftypcrx ":
        return "RAW"
    if path.suffix.lower() in RAW_SUFFIXES and SIGNATURES.get(head[:4]) == "TIFF":
        return "RAW"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and head[8:12] in BRANDS:
        return BRANDS[head[8:12]]
    return next((kind for signature, kind in SIGNATURES.items() if head.startswith(signature)), None)
