"""Under which name an image is written: that of the file it comes from, in a format that loses nothing."""

from __future__ import annotations

from pathlib import Path

from zeroshot.images.kinds import MICROSCOPE_SUFFIXES, RAW_SUFFIXES

#: Suffixes of formats that lose nothing and hold what a restored image carries.
_LOSSLESS = (".png", ".tif", ".tiff", ".fits", ".fit", ".fts", ".zarr")


def lossless(source: Path) -> str:
    """The name of the file, in a format that loses nothing."""
    name = written_name(source)
    return name if Path(name).suffix.lower() in _LOSSLESS else source.stem + ".png"


def written_name(source: Path) -> str:
    """The name of the file, with another suffix where it is of a kind that is only read: raw, CZI and their like."""
    is_read_only = source.suffix.lower() in (*MICROSCOPE_SUFFIXES, *RAW_SUFFIXES)
    return source.stem + ".tif" if is_read_only else source.name
