"""Raw photographs: what the sensor measured, with what turns it into colours; by way of rawpy (LibRaw).

The mosaic is linear in the light: 0 is black and 1 the white of the sensor. Nothing of LibRaw's own processing is used,
but to find the matrix of a camera where it is told in no other way.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageCms

from zeroshot.images.decoding import check_size, library_errors
from zeroshot.images.errors import ImageError
from zeroshot.images.exif import ORIENTATION, edit_exif, exif_of_tiff
from zeroshot.images.extras import imported
from zeroshot.images.kinds import kind_of_source
from zeroshot.images.metadata import Metadata

#: XYZ of linear sRGB, D65 (IEC 61966-2-1).
XYZ_OF_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
#: The periods of the layouts of filters that there are: Bayer, Quad-Bayer, X-Trans.
_PERIODS = (1, 2, 4, 6, 8)
_TURNS = {0: 0, 3: 2, 5: 1, 6: 3}
_TIFF_HEADS = (b"II*\0", b"MM\0*")
_LARGEST_FOR_EXIF = 1 << 29
_LARGEST_COUNT = 65535
#: How many pixels a matrix is found from, and by how much each may be off, in shares of white.
_LEAST_PIXELS, _ROUNDING = 256, 1e-3


@dataclass(frozen=True, eq=False)
class RawPhotograph:
    """What a raw file holds.

    Attributes
    ----------
    mosaic : numpy.ndarray
        (H, W), float32: the values less black, as a share of the way to white; noise goes below 0.
    pattern : tuple of str
        The rows of the repeated layout of filters, from the first pixel on: ("RG", "GB").
    gains : tuple of float
        The white balance of red, green and blue: what makes grey grey, 1 for green.
    matrix : numpy.ndarray
        (3, 3): linear sRGB of camera colours after the white balance; its rows sum to 1.
    turns : int
        Quarter turns to the left that make the picture upright.
    metadata : Metadata
    source : pathlib.Path
    levels : tuple of float
        Black and white in counts of the sensor.
    """

    mosaic: np.ndarray
    pattern: tuple[str, ...]
    gains: tuple[float, float, float]
    matrix: np.ndarray
    turns: int
    metadata: Metadata
    source: Path
    levels: tuple[float, float]


def is_raw(image: Any) -> bool:
    """Whether this is the path of a raw photograph."""
    return isinstance(image, str | Path) and kind_of_source(Path(image)) == "RAW"


def read_raw(path: str | Path) -> RawPhotograph:
    """The mosaic of a raw file, and what turns it into colours.

    Raises
    ------
    ImageError
        In one line: without rawpy, where the file cannot be read, has no mosaic (a linear DNG, three layers) or
        filters that are not red, green and blue.
    """
    path = Path(path)
    rawpy = imported("rawpy", "raw", "a raw photograph")
    with (
        library_errors(path, "is damaged or truncated, or of a camera that LibRaw does not know"),
        rawpy.imread(str(path)) as raw,
    ):
        if raw.raw_type != rawpy.RawType.Flat:
            raise ImageError(
                f"{path}: has no mosaic, but colours at every pixel; convert it to TIFF and denoise that"
            )
        if raw.num_colors != 3 or set(raw.color_desc.decode()) != set("RGB"):
            seen = raw.color_desc.decode()
            raise ImageError(
                f"{path}: has filters of the colours {seen}; those that are restored are red, green and blue"
            )
        height, width = raw.raw_image_visible.shape
        check_size(width, height)
        colours = np.asarray(raw.raw_colors_visible)
        pattern = _pattern(colours, raw.color_desc.decode())
        if pattern is None:
            raise ImageError(f"{path}: has filters in no layout that repeats within {_PERIODS[-1]} pixels")
        black = np.asarray(raw.black_level_per_channel, np.float32)
        white = _white(raw)
        values = np.asarray(raw.raw_image_visible, np.float32)
        dark = black[np.minimum(colours, len(black) - 1)]
        mosaic = (values - dark) / np.maximum(white[np.minimum(colours, len(white) - 1)] - dark, 1)
        return RawPhotograph(
            mosaic=mosaic.astype(np.float32),
            pattern=pattern,
            gains=_gains(raw),
            matrix=_matrix(raw, rawpy),
            turns=_TURNS.get(int(raw.sizes.flip), 0),
            metadata=_metadata(path),
            source=path.absolute(),
            levels=(float(black.mean()), float(white.mean())),
        )


def _pattern(colours: np.ndarray, description: str) -> tuple[str, ...] | None:
    """The rows of the smallest layout that repeats over the sensor; None where there is none."""
    for period in _PERIODS:
        if min(colours.shape) < period:
            return None
        tile = colours[:period, :period]
        height, width = (side // period * period for side in colours.shape)
        blocks = colours[:height, :width].reshape(height // period, period, width // period, period)
        if (blocks == tile[None, :, None, :]).all():
            return tuple("".join(description[index] for index in row) for row in tile.tolist())
    return None


def _white(raw: Any) -> np.ndarray:
    """The count of a saturated pixel of each filter."""
    told = raw.camera_white_level_per_channel
    levels = np.asarray(told if told is not None else [], np.float32)
    return levels if len(levels) and levels.min() > 0 else np.full(4, float(raw.white_level), np.float32)


def _gains(raw: Any) -> tuple[float, float, float]:
    for told in (raw.camera_whitebalance, raw.daylight_whitebalance):
        gains = np.asarray(told[:3], np.float64)
        if np.isfinite(gains).all() and gains.min() > 0:
            red, green, blue = (gains / gains[1]).tolist()
            return red, green, blue
    return 1.0, 1.0, 1.0


def _matrix(raw: Any, rawpy: Any) -> np.ndarray:
    """Linear sRGB of camera colours that were balanced, so that grey stays grey."""
    told = np.asarray(raw.color_matrix, np.float64)[:, :3]
    if np.isfinite(told).all() and np.abs(told.sum(axis=1) - 1).max() < 0.05:
        return told / told.sum(axis=1, keepdims=True)
    camera = np.asarray(raw.rgb_xyz_matrix, np.float64)[:3] @ XYZ_OF_SRGB
    if np.isfinite(camera).all() and abs(np.linalg.det(camera)) > 1e-6:
        return np.linalg.inv(camera / camera.sum(axis=1, keepdims=True))
    return _matrix_of_libraw(raw, rawpy)


def _matrix_of_libraw(raw: Any, rawpy: Any) -> np.ndarray:
    """The matrix of a camera for which LibRaw has one that it does not tell, as for the first digital ones of Kodak.

    It is the linear map from the camera's colours to sRGB in LibRaw's own development; none where it has none either.
    """
    linear = {
        "half_size": True,
        "gamma": (1, 1),
        "no_auto_bright": True,
        "output_bps": 16,
        "use_camera_wb": True,
    }
    try:
        camera, srgb = (
            raw.postprocess(output_color=space, **linear).reshape(-1, 3).astype(np.float64) / _LARGEST_COUNT
            for space in (rawpy.ColorSpace.raw, rawpy.ColorSpace.sRGB)
        )
    except rawpy.LibRawError:
        return np.eye(3)
    within = ((camera > 0) & (camera < 1) & (srgb > 0) & (srgb < 1)).all(axis=1)
    if within.sum() < _LEAST_PIXELS:
        return np.eye(3)
    fitted, _, rank, _ = np.linalg.lstsq(camera[within], srgb[within], rcond=1e-4)
    found = fitted.T
    is_map = rank == 3 and np.abs(camera[within] @ fitted - srgb[within]).max() < _ROUNDING
    if not is_map or np.abs(found - np.eye(3)).max() < _ROUNDING:
        return np.eye(3)
    return found / found.sum(axis=1, keepdims=True)


def _metadata(path: Path) -> Metadata:
    """What the file says of the photograph, where it is built like a TIFF."""
    with path.open("rb") as file:
        data = file.read(_LARGEST_FOR_EXIF) if file.read(4) in _TIFF_HEADS and file.seek(0) == 0 else b""
    exif = exif_of_tiff(data) if data else None
    return Metadata(exif=edit_exif(exif, {ORIENTATION: 1}) if exif else None)


# --- rendering ----------------------------------------------------------------------------------------------


def rendered(colours: np.ndarray, photograph: RawPhotograph, rendering: str) -> np.ndarray:
    """Camera colours (H, W, 3), balanced and linear, as 16 bits, upright.

    Parameters
    ----------
    colours : numpy.ndarray
    photograph : RawPhotograph
    rendering : {"srgb", "linear"}
        sRGB by the camera's matrix and the curve of that standard; or the camera's colours as they are, linear in the
        light, with 65535 for the white of the sensor.
    """
    values = colours.clip(0, 1)
    if rendering == "srgb":
        linear = (values @ photograph.matrix.T).clip(0, 1)
        values = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rot90(np.rint(65535 * values).astype(np.uint16), photograph.turns)


def rendered_metadata(photograph: RawPhotograph, rendering: str) -> Metadata:
    """What goes with a rendered picture: that of the file, and the profile of sRGB."""
    metadata = photograph.metadata
    if rendering != "srgb":
        return metadata
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Without the date on which it was made: the same run gives the same bytes.
    profile = profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]
    return Metadata(icc=profile, exif=metadata.exif)


def refuse_raw(data: bytes) -> Any:
    """Refuse a raw photograph where one picture is wanted."""
    raise ImageError(
        "is a raw photograph, a mosaic in front of the sensor: 'zeroshot demosaic' and 'zeroshot denoise' restore it"
    )
