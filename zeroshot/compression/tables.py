"""Quantisation tables: the order in which files hold them, and those that the quality 1 to 100 stands for."""

from __future__ import annotations

import numpy as np

from zeroshot.checks import is_number

#: The place in row order of each coefficient of a block in the order of a file.
ZIGZAG = np.array(
    sorted(range(64), key=lambda n: (n // 8 + n % 8, n // 8 if (n // 8 + n % 8) % 2 else n % 8)),
    dtype=np.intp,
)

#: ITU-T T.81, tables K.1 and K.2.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_CHROMINANCE = np.full((8, 8), 99)
_CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


def tables_of_quality(quality: float) -> tuple[np.ndarray, np.ndarray]:
    """The tables of luminance and chrominance, 8 × 8, that the Independent JPEG Group's library takes for a quality.

    Those of the standard, scaled by 50/q below q = 50 and by 2 − q/50 above, rounded, and within 1 to 255.

    Raises
    ------
    ValueError
        Where the quality is no whole number from 1 to 100.
    """
    if not (is_number(quality) and quality == int(quality) and 1 <= quality <= 100):
        raise ValueError(f"quality must be a whole number from 1 to 100, got {quality!r}")
    quality = int(quality)
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    luminance, chrominance = (
        np.clip((table * percent + 50) // 100, 1, 255) for table in (_LUMINANCE, _CHROMINANCE)
    )
    return luminance, chrominance


def quality_of(luminance: np.ndarray) -> int:
    """The quality whose table of luminance is nearest, in the mean of the ratios of the steps."""
    distance = [np.abs(np.log(luminance / tables_of_quality(quality)[0])).mean() for quality in range(1, 101)]
    return 1 + int(np.argmin(distance))


def is_of_quality(tables: list[np.ndarray]) -> bool:
    """Whether the tables are those of a quality of the Independent JPEG Group."""
    known = tables_of_quality(quality_of(tables[0]))
    return all(np.array_equal(table, known[min(index, 1)]) for index, table in enumerate(tables))
