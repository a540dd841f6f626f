"""The coefficients of a JPEG as they lie under the upright picture: of a file, or found again in decoded pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zeroshot.compression.entropy import quantised_coefficients
from zeroshot.compression.header import header_of
from zeroshot.images.errors import ImageError
from zeroshot.images.formats import with_sound_exif
from zeroshot.images.kinds import read_bytes
from zeroshot.images.pillow import metadata_of, open_with_pillow


@dataclass(frozen=True, eq=False)
class JpegCoefficients:
    """Quantised coefficients in the grid of their blocks, and the picture's place in it.

    Attributes
    ----------
    height, width : int
        Size of the picture.
    quantised : tuple of numpy.ndarray
        For each component (rows of blocks, columns of blocks, 8, 8) whole numbers, in whole units.
    tables : tuple of numpy.ndarray
        The quantisation steps of each component, 8 × 8.
    sampling : tuple of (int, int)
        How many pixels a sample of each component covers, down and right.
    offset : (int, int)
        Row and column of the first unit at which the picture begins.
    is_whole : bool
        Whether blocks at the border of the picture hold its edge repeated, as encoders make them; False where they
        were cut through.
    is_ycbcr : bool
        Whether the components are Y, Cb, Cr.
    """

    height: int
    width: int
    quantised: tuple[np.ndarray, ...]
    tables: tuple[np.ndarray, ...]
    sampling: tuple[tuple[int, int], ...]
    offset: tuple[int, int] = (0, 0)
    is_whole: bool = True
    is_ycbcr: bool = True

    def upright(self, orientation: int) -> JpegCoefficients:
        """The coefficients of the picture turned as :func:`zeroshot.images.pillow.turn_upright` turns its pixels.

        The blocks and what is in them change places, and the odd frequencies along a mirrored axis their sign.
        """
        found = self
        if orientation in (5, 6, 7, 8):
            found = found._transposed()
        if orientation in (2, 3, 6, 7):
            found = found._transposed()._upside_down()._transposed()
        if orientation in (3, 4, 7, 8):
            found = found._upside_down()
        return found

    def _transposed(self) -> JpegCoefficients:
        return replace(
            self,
            height=self.width,
            width=self.height,
            quantised=tuple(np.ascontiguousarray(part.transpose(1, 0, 3, 2)) for part in self.quantised),
            tables=tuple(table.T for table in self.tables),
            sampling=tuple((right, down) for down, right in self.sampling),
            offset=self.offset[::-1],
        )

    def _upside_down(self) -> JpegCoefficients:
        sign = np.array([1, -1] * 4, np.int16)[:, None]
        whole = 8 * self.quantised[0].shape[0] * self.sampling[0][0]
        return replace(
            self,
            quantised=tuple(np.ascontiguousarray(part[::-1] * sign) for part in self.quantised),
            offset=(whole - self.offset[0] - self.height, self.offset[1]),
        )


def read_coefficients(path: str | Path) -> JpegCoefficients:
    """The coefficients of a JPEG file under its upright picture.

    Raises
    ------
    ImageError
        In one line: where the file cannot be read, or is a JPEG of a kind whose coefficients are of no use here.
    """
    path = Path(path)
    kind, data = read_bytes(path)
    if kind != "JPEG":
        raise ImageError(f"{path}: is a {kind} file, not a JPEG")
    try:
        header = header_of(data)
        if header.colour == "cmyk":
            raise ImageError("is a CMYK JPEG; convert it to RGB and give the quality that it was saved with")
        down, right = header.largest_factors
        parts = header.components
        if any(down % part.vertical or right % part.horizontal for part in parts):
            raise ImageError("has sampling factors that do not divide each other, which is not restored")
        if any(factor not in (1, 2, 4) for pair in header.sampling for factor in pair):
            raise ImageError("has chroma subsampled by 3, which is not restored")
        if header.sampling[0] != (1, 1):
            raise ImageError("has less luma than chroma, which is not restored")
        stored = JpegCoefficients(
            header.height,
            header.width,
            tuple(quantised_coefficients(data, header)),
            tuple(header.tables),
            header.sampling,
            is_ycbcr=header.colour == "ycbcr",
        )
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    _, orientation = metadata_of(open_with_pillow(with_sound_exif(data), "JPEG"))
    return stored.upright(orientation)
