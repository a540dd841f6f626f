"""TIFF: one picture of a file, grey, RGB, a palette or CMYK, with what its directory says of it.

Reading goes through our own bounded reader of directories and strips; Pillow decodes the lossy and bilevel
compressions.
"""

from __future__ import annotations

import itertools
import json
import re
import struct
from typing import NamedTuple

import numpy as np
from PIL import Image

from zeroshot.images.decoding import check_single, check_size
from zeroshot.images.errors import ImageError
from zeroshot.images.exif import (
    DESCRIPTION,
    ORIENTATION,
    X_RESOLUTION,
    Y_RESOLUTION,
    edit_exif,
    exif_of_tiff,
)
from zeroshot.images.metadata import Metadata, clean_xmp
from zeroshot.images.pillow import (
    Reading,
    cmyk_to_rgb,
    open_with_pillow,
    pixels_of,
    valid_dpi,
)
from zeroshot.images.tiff_directories import (
    MOST_DIRECTORIES,
    Directory,
    alone,
    directories,
    directory_at,
    is_picture,
)
from zeroshot.images.tiff_segments import COMPRESSIONS, Segments
from zeroshot.spelling import Wording

XMP_TAG, ICC_TAG, DNG_VERSION, SOFTWARE, COLOUR_MAP, SUB_DIRECTORIES = 700, 34675, 50706, 305, 320, 330
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
PHOTOMETRIC_NAMES = {
    4: "a transparency mask",
    8: "CIE L*a*b* colours",
    9: "ICC L*a*b* colours",
    10: "ITU L*a*b* colours",
    32803: "a colour filter array (the raw data of a camera)",
    32844: "LogL luminances",
    32845: "LogLuv colours",
    34892: "linear raw data of a camera",
}
ASSOCIATED, UNASSOCIATED = 1, 2
OLD_JPEG, JPEG = 6, 7
# CCITT 2, 3, 4 and its word-aligned variant, JPEG, WebP.
LEFT_TO_PILLOW = (2, 3, 4, 32771, OLD_JPEG, JPEG, 50001)
COMPRESSION_NAMES = {
    32809: "ThunderScan",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34676: "SGI Log",
    34677: "SGI Log 24",
    34712: "JPEG 2000",
    34887: "LERC",
    34933: "PNG",
    34934: "JPEG XR",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
SAMPLE_FORMATS = {1: "uint", 2: "int", 3: "float", 4: "uint", 5: "complex int", 6: "complex"}
ACCEPTED_SAMPLES = "unsigned integers of 1 to 16 bits and floats of 16, 32 or 64 bits"
LARGEST_TILE_FOR_PILLOW = 1 << 24
MOST_SAMPLES = 0xFFFF


class Page(NamedTuple):
    """What the tags of a directory say of its pixels."""

    directory: Directory
    height: int
    width: int
    samples: int
    bits: int
    sample_format: str
    photometric: int
    compression: int
    is_planar: bool

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels as they are returned."""
        if self.sample_format in ("float", "int") or self.bits > 16:
            return np.dtype(f"{self.sample_format[0]}{self.bits // 8}")
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)


def read_tiff(data: bytes) -> Reading:
    """The picture in a TIFF file; errors as :func:`zeroshot.images.formats.read`."""
    directory = _single_directory(data)
    page = _page(directory)
    kept, remarks = _kept_channels(page)
    remarks += _remarks_on_stacks(page)
    if page.compression in COMPRESSIONS:
        pixels = _pixels(page, kept)
    else:
        pixels, more = _pixels_through_pillow(page)
        remarks += more
    if page.photometric == CMYK:
        profile = directory.content(ICC_TAG)
        pixels = np.asarray(cmyk_to_rgb(Image.fromarray(pixels, "CMYK"), profile))
        remarks.append("CMYK was converted to RGB; the result is RGB")
    orientation = directory.readable_number(ORIENTATION, 1)
    return pixels, _metadata(page), orientation if orientation in range(1, 9) else 1, remarks


def _single_directory(data: bytes) -> Directory:
    """The directory of the one picture in the file, beside reduced copies and masks of it."""
    places = list(itertools.islice(directories(data), MOST_DIRECTORIES))
    if not places:
        raise ImageError("is damaged or truncated: it has no directory")
    if len(places) == MOST_DIRECTORIES:
        raise ImageError(
            f"holds {MOST_DIRECTORIES} pages or more; save the one to restore as a file of its own"
        )
    pictures = [place for place in places if is_picture(data, place)]
    check_single(len(pictures), "pages")
    directory = directory_at(data, (pictures or places)[0])
    if DNG_VERSION in directory or data[8:10] == b"CR" or (not pictures and SUB_DIRECTORIES in directory):
        raise ImageError(
            "is a raw photograph (DNG, NEF, CR2 and their like); give it the suffix of its "
            "camera, such as .dng, and 'zeroshot demosaic' restores it"
        )
    return directory


def _page(directory: Directory) -> Page:
    width, height = directory.number(256, 0), directory.number(257, 0)
    check_size(width, height)
    samples = directory.number(277, 1)
    bits = {int(b) for b in directory.numbers(258, most=samples)} or {1}
    formats = {int(f) for f in directory.numbers(339, most=samples)} or {1}
    if not 1 <= samples <= MOST_SAMPLES:
        raise ImageError(f"holds {samples} samples a pixel; accepted are 1 to 4")
    if len(bits) > 1 or len(formats) > 1:
        raise ImageError("holds samples of different depths; accepted are samples of one depth")
    depth, sample_format = bits.pop(), SAMPLE_FORMATS.get(formats.pop(), "unknown")
    photometric = directory.number(262, RGB if samples >= 3 else BLACK_IS_ZERO)
    compression = directory.number(259, 1)
    _check_samples(depth, sample_format, photometric)
    check_single(directory.number(32997, 1), "slices of a volume")
    if compression not in COMPRESSIONS and compression not in LEFT_TO_PILLOW:
        name = COMPRESSION_NAMES.get(compression, f"method {compression}")
        raise ImageError(f"is compressed with {name}, which is not read here; save it with LZW or Deflate")
    planar = directory.number(284, 1) == 2 and samples > 1
    return Page(directory, height, width, samples, depth, sample_format, photometric, compression, planar)


def _check_samples(bits: int, sample_format: str, photometric: int) -> None:
    if photometric not in COLOURS:
        name = PHOTOMETRIC_NAMES.get(photometric, f"colours of the kind {photometric}")
        raise ImageError(
            f"holds {name}; accepted are grey, RGB, palettes, CMYK and YCbCr: convert it to RGB first"
        )
    fits = (sample_format == "uint" and 1 <= bits <= 16) or (
        sample_format == "float" and bits in (16, 32, 64)
    )
    if photometric in (PALETTE, CMYK, YCBCR):
        fits = sample_format == "uint" and bits <= 8 and (photometric == PALETTE or bits == 8)
        accepted = "unsigned integers of 8 bits for palettes, CMYK and YCbCr"
    else:
        accepted = ACCEPTED_SAMPLES
    if not fits:
        advice = (
            "shift and scale it to uint16, or convert it to float32 and give the values of black and white"
            if sample_format in ("int", "uint")
            else "convert it to float32"
        )
        raise ImageError(f"holds {sample_format}{bits} samples; accepted are {accepted}: {advice}")


def _remarks_on_stacks(page: Page) -> list[str]:
    """Refuse the stacks that some programs write as one page; a remark where it may be one.

    ImageJ writes large stacks so, and users of tifffile arrays whose first axis has a length of 3 or 4.
    """
    text = page.directory.content(DESCRIPTION) or b""
    if text.startswith(b"ImageJ="):
        counted = re.search(rb"^images=(\d{1,9})\s*$", text, re.MULTILINE)
        check_single(int(counted[1]) if counted else 1, "images of an ImageJ stack")
    is_array = _axes(text) == 3 or (page.directory.content(SOFTWARE) or b"").startswith(b"tifffile")
    if not (page.is_planar and is_array):
        return []
    size = f"{page.samples} × {page.height} × {page.width}"
    if page.samples == 4:
        pages = Wording("; say axes='ZYX' where they are pages", "; say --axes ZYX where they are pages")
        raise ImageError(
            f"holds an array of {size}, which may be 4 pages or RGB and alpha in separate planes", pages,
            ", or save the colours with their channels last",
        )  # fmt: skip
    return [f"holds an array of {size} that is marked as RGB, and is read so"]


def _axes(description: bytes) -> int:
    """How many axes the array had that tifffile says it wrote; 0 where it says nothing."""
    try:
        shape = json.loads(description.rstrip(b"\0")).get("shape")
    except (ValueError, AttributeError, RecursionError):
        return 0
    return len(shape) if isinstance(shape, list) else 0


def _kept_channels(page: Page) -> tuple[int, list[str]]:
    """How many of the samples are colours and alpha; a remark where one has no declared meaning.

    Raises
    ------
    ImageError
        Where there are further samples.
    """
    colours = COLOURS[page.photometric]
    extra = page.samples - colours
    if extra == 0:
        return colours, []
    kinds = [int(kind) for kind in page.directory.numbers(338, most=extra)] if extra > 0 else []
    if extra == 1 and kinds and kinds[0] in (ASSOCIATED, UNASSOCIATED) and page.photometric in (0, 1, 2):
        return colours + 1, []
    if extra == 1 and page.photometric == RGB:
        return 3, ["the fourth channel is not marked as alpha and is left out"]
    what = {RGB: "RGB", CMYK: "CMYK", YCBCR: "YCbCr", PALETTE: "a palette"}.get(page.photometric, "grey")
    names = {ASSOCIATED: "alpha", UNASSOCIATED: "alpha"}
    told = " and ".join(sorted({names.get(kind, "unspecified") for kind in kinds} or {"unspecified"}))
    held = f"{what} and {extra} more ({told})" if extra > 0 else f"too few for {what}"
    raise ImageError(
        f"holds {page.samples} channels, {held}; accepted are grey or RGB, each with or without one channel marked as "
        "alpha: save the channels to restore as files of their own"
    )


def segments_of(page: Page) -> tuple[Segments, np.ndarray, np.ndarray]:
    """The layout of the strips or tiles, where they begin and how long they are."""
    directory = page.directory
    is_tiled = 322 in directory
    if is_tiled:
        wide, high = directory.number(322, 0), directory.number(323, 0)
        places = directory.numbers(324 if 324 in directory else 273)
        sizes = directory.numbers(325 if 325 in directory else 279)
    else:
        wide, high = page.width, min(directory.number(278, page.height) or page.height, page.height)
        places, sizes = directory.numbers(273), directory.numbers(279)
    if min(wide, high) < 1 or (places < 0).any() or (sizes < 0).any():
        raise ImageError("is damaged: its strips or tiles have no size")
    segments = Segments(
        height=page.height,
        width=page.width,
        planes=page.samples if page.is_planar else 1,
        depth=1 if page.is_planar else page.samples,
        high=high,
        wide=wide,
        is_tiled=is_tiled,
        bits=page.bits,
        dtype=page.dtype,
        order=directory.layout.order,
        compression=page.compression,
        predictor=directory.number(317, 1),
        fill_order=directory.number(266, 1),
    )
    if not sizes.size and places.size == 1 and page.compression == 1:  # uncompressed files may leave them out
        sizes = np.array([segments.row_bytes * page.height])
    return segments, places, sizes


def _pixels(page: Page, kept: int) -> np.ndarray:
    """The pixels as H×W or H×W×C: widened to 8 or 16 bits, black at 0, alpha not multiplied into the colours."""
    segments, places, sizes = segments_of(page)
    pixels = segments.samples(page.directory.data, places, sizes)[..., :kept]
    if page.photometric == PALETTE:
        return _resolved_palette(page, pixels[..., 0])
    if page.photometric == YCBCR:
        return _ycbcr_to_rgb(page, pixels)
    top = _top(pixels.dtype)
    if page.bits not in (8, 16) and page.sample_format == "uint":
        scale = np.rint(np.arange(1 << page.bits) * (float(top) / ((1 << page.bits) - 1)))
        pixels = scale.astype(pixels.dtype)[pixels]
    if page.photometric == WHITE_IS_ZERO:
        inverted = (top - pixels[..., :1]).astype(pixels.dtype)
        pixels = np.concatenate([inverted, pixels[..., 1:]], axis=2)
    if kept in (2, 4) and page.directory.number(338, 0) == ASSOCIATED:
        pixels = _without_premultiplication(pixels)
    return pixels[..., 0] if kept == 1 else pixels


def _top(dtype: np.dtype) -> np.generic:
    return dtype.type(np.iinfo(dtype).max if dtype.kind == "u" else 1)


def _resolved_palette(page: Page, indices: np.ndarray) -> np.ndarray:
    size = 1 << page.bits
    table = page.directory.numbers(COLOUR_MAP, most=3 * size)
    if len(table) < 3 * size:
        raise ImageError(f"is damaged: its palette has {len(table)} of {3 * size} numbers")
    # 16 bits as the standard says, or 8 as some old programs wrote.
    wide = table.reshape(3, size).T >> (8 if table.max() > 255 else 0)
    return wide.astype(np.uint8)[indices]


def _ycbcr_to_rgb(page: Page, pixels: np.ndarray) -> np.ndarray:
    """RGB of uncompressed or losslessly compressed Y Cb Cr, as TIFF 6.0, section 21 says."""
    directory = page.directory
    subsampling = directory.numbers(530, most=2).tolist() or [2, 2]
    if any(factor != 1 for factor in subsampling):
        raise ImageError("holds YCbCr colours of reduced resolution without JPEG; convert it to RGB first")
    red, green, blue = directory.fractions(529, 3) or [0.299, 0.587, 0.114]
    reference = directory.fractions(532, 6)
    if len(reference) < 6 or any(reference[i] == reference[i + 1] for i in (0, 2, 4)) or not green:
        reference = [0, 255, 128, 255, 128, 255]
    black, white = np.array(reference[::2]), np.array(reference[1::2])
    full = np.array([255, 127, 127])
    y, cb, cr = np.moveaxis((pixels.astype(np.float32) - black) * full / (white - black), -1, 0)
    r, b = cr * (2 - 2 * red) + y, cb * (2 - 2 * blue) + y
    g = (y - blue * b - red * r) / green
    return np.clip(np.rint(np.stack([r, g, b], axis=2)), 0, 255).astype(np.uint8)


def _without_premultiplication(pixels: np.ndarray) -> np.ndarray:
    top = float(_top(pixels.dtype))
    alpha = pixels[..., -1:].astype(np.float64) / top
    colours = np.divide(pixels[..., :-1], alpha, out=np.zeros(pixels[..., :-1].shape), where=alpha > 0)
    if pixels.dtype.kind == "u":
        colours = np.clip(np.rint(colours), 0, top)
    return np.concatenate([colours.astype(pixels.dtype), pixels[..., -1:]], axis=2)


def _pixels_through_pillow(page: Page) -> tuple[np.ndarray, list[str]]:
    """Pixels of at most 8 bits a sample, as they are stored: Pillow would turn them upright by itself."""
    segments, places, sizes = segments_of(page)
    if page.bits > 8 or page.sample_format != "uint":
        held = f"{page.sample_format}{page.bits}"
        raise ImageError(f"holds {held} samples in a compression of which 8 bits are read only")
    segments.check(places, sizes, len(page.directory.data))
    if segments.high * segments.wide > max(page.height * page.width, LARGEST_TILE_FOR_PILLOW):
        raise ImageError(
            f"is damaged: a tile of {segments.wide} × {segments.high} for {page.width} × {page.height}"
        )
    data = bytearray(alone(page.directory))
    if ORIENTATION in page.directory:
        kind, _, place = page.directory.entries[ORIENTATION]
        struct.pack_into(page.directory.layout.order + ("I" if kind == 4 else "H"), data, place, 1)
    image = open_with_pillow(bytes(data), "TIFF")
    image.load()
    if image.mode == "CMYK":
        return np.asarray(image), []
    return pixels_of(image)


def _metadata(page: Page) -> Metadata:
    directory = page.directory
    exif = exif_of_tiff(alone(directory))
    return Metadata(
        icc=directory.content(ICC_TAG) or None,
        exif=edit_exif(exif, {ORIENTATION: 1}) if exif else None,
        xmp=clean_xmp(directory.content(XMP_TAG)),
        dpi=_dpi(directory),
        lossy=page.compression in (OLD_JPEG, JPEG),
    )


def _dpi(directory: Directory) -> tuple[float, float] | None:
    per_inch = {2: 1.0, 3: 2.54}.get(directory.readable_number(296, 2))
    both = [directory.fractions(tag, 1) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    if per_inch is None or not all(both):
        return None
    return valid_dpi([fraction[0] * per_inch for fraction in both])
