"""JPEG: what the file says of its quality and chroma, or the traces of an earlier JPEG in the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zeroshot.compression.header import jpeg_header, subsampling_of
from zeroshot.compression.traces import traces_of
from zeroshot.images import Picture
from zeroshot.images.kinds import read_bytes
from zeroshot.inspection.finding import Finding

#: Below that quality blocks and ringing can be seen.
VISIBLE = 88


@dataclass(frozen=True)
class Compression(Finding):
    """A JPEG compression, present or past.

    Attributes
    ----------
    is_file : bool
        Whether the file is a JPEG; else its pixels have the traces of one.
    quality : int or None
        On libjpeg's scale from 1 to 100; None: there is none.
    subsampling : str
        Of the chroma, such as "4:2:0"; "" for grey.
    grid : tuple of int
        Row and column within a block of 8 × 8 at which the picture begins.
    cmyk : bool
        Whether it is a JPEG of CMYK, whose coefficients are not restored.
    """

    topic: ClassVar[str] = "compression"
    is_file: bool
    quality: int | None
    subsampling: str
    grid: tuple[int, int]
    cmyk: bool = False

    @property
    def is_visible(self) -> bool:
        """Whether it is strong enough to be worth undoing, and can be."""
        return self.quality is not None and self.quality < VISIBLE and not self.cmyk

    @property
    def sentence(self) -> str:
        if self.quality is None:
            return ""
        chroma = f", chroma {self.subsampling}" if self.subsampling else ""
        if self.is_file:
            return f"a JPEG of quality {self.quality}{chroma}"
        shifted = "" if self.grid == (0, 0) else f", cropped since: its blocks begin at {self.grid}"
        return f"it was a JPEG of about quality {self.quality}{chroma}{shifted}"


def compression_of(picture: Picture) -> Compression:
    """What the file says where it is a JPEG, else what the pixels of its first image tell."""
    nothing = Compression(1.0, False, None, "", (0, 0))
    if picture.source is not None and read_bytes(picture.source)[0] == "JPEG":
        header = jpeg_header(picture.source)
        cmyk = header.colour == "cmyk"
        return Compression(1.0, True, header.quality, header.subsampling, (0, 0), cmyk)
    pixels = 255 * picture.colours[0].movedim(0, -1).squeeze(-1).cpu().numpy()
    traces = traces_of(pixels)
    if traces is None:
        return nothing
    chroma = subsampling_of(traces.sampling[1]) if len(traces.sampling) > 1 else ""
    down, along = traces.offset
    return Compression(min(1.0, traces.confidence), False, traces.quality, chroma, (down, along))
