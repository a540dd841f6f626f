"""TIFF files, uncompressed: through Pillow for 8 bits, through tifffile for 16-bit and float pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from zeroshot.images.exif import DESCRIPTIVE_TAGS, descriptive_exif
from zeroshot.images.metadata import PROVENANCE_MARK, PROVENANCE_TIFF_TAG, Metadata
from zeroshot.images.pillow import colour_channels, save_with_pillow
from zeroshot.images.tiff import XMP_TAG


def encode_tiff(pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    """An uncompressed TIFF; what it keeps is said in :mod:`zeroshot.images.formats`."""
    if pixels.dtype == np.uint8:
        tags = _descriptive_tags(metadata)
        text = None if provenance is None else PROVENANCE_MARK.decode() + provenance
        icc = metadata.icc_for(colour_channels(pixels))
        if metadata.xmp is not None:
            tags[XMP_TAG] = metadata.xmp
        if text is not None:
            tags[PROVENANCE_TIFF_TAG] = text
        return save_with_pillow(pixels, "TIFF", exif=tags, icc_profile=icc, dpi=metadata.dpi)
    buffer = io.BytesIO()
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    tifffile.imwrite(buffer, pixels, **tiff_options(channels, metadata, provenance))
    return buffer.getvalue()


def tiff_options(channels: int, metadata: Metadata, provenance: str | None) -> dict[str, Any]:
    """What tifffile is told of a file with so many channels of any depth."""
    tags = _descriptive_tags(metadata)
    extra: list[tuple[int, str, int, bytes, bool]] = [
        (tag, "s", 0, str(tags[tag]).encode(), True) for tag in DESCRIPTIVE_TAGS if tag in tags
    ]
    if metadata.xmp is not None:
        extra.append((XMP_TAG, "B", len(metadata.xmp), metadata.xmp, True))
    if provenance is not None:
        extra.append((PROVENANCE_TIFF_TAG, "s", 0, PROVENANCE_MARK + provenance.encode(), True))
    colours = 1 if channels < 3 else 3
    return {
        "photometric": "minisblack" if colours == 1 else "rgb",
        "planarconfig": None if channels == 1 else "contig",
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
        "iccprofile": metadata.icc_for(colours),
        "resolution": metadata.dpi,
        "resolutionunit": None if metadata.dpi is None else "INCH",
        "software": False,
        "metadata": None,
        "extratags": sorted(extra),
    }


def _descriptive_tags(metadata: Metadata) -> Image.Exif:
    """The tags that an EXIF block brings into a TIFF, without those of another file's pixels."""
    tags, whole = Image.Exif(), Image.Exif()
    if metadata.exif is not None:
        whole.load(b"Exif\0\0" + metadata.exif)
        pruned = descriptive_exif(whole)
        if pruned is not None:
            tags.load(b"Exif\0\0" + pruned)
    return tags
