"""TIFF: up to 8 bits through Pillow, 16-bit and float pixels through tifffile.

Neither alone is enough. Pillow cannot read or write 16-bit colour; tifffile needs the imagecodecs package for
LZW, the commonest compression. So the compressed segments of deep images that tifffile cannot open by itself
are handed to the libtiff inside Pillow, each as a small 8-bit image whose bytes are the samples' bytes.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from zeroshot.images.decoding import check_single, check_size
from zeroshot.images.metadata import (
    DESCRIPTIVE_TAGS,
    ORIENTATION,
    PROVENANCE_MARK,
    PROVENANCE_TIFF_TAG,
    ImageError,
    Metadata,
    clean_xmp,
    descriptive_exif,
    edit_exif,
    exif_of_tiff,
)
from zeroshot.images.pillow import (
    Reading,
    colour_channels,
    open_with_pillow,
    pixels_of,
    save_with_pillow,
    valid_dpi,
)

XMP_TAG, ICC_TAG = 700, 34675
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
ASSOCIATED, UNASSOCIATED = 1, 2
DEEP_DTYPES = ("uint16", "float16", "float32", "float64")


def read_tiff(data: bytes) -> Reading:
    """The picture in a TIFF file; errors as :func:`zeroshot.images.formats.read`."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = _single_page(tiff)
        _check_complete(page, len(data))
        metadata = _metadata(page, data)
        tag = page.tags.get(ORIENTATION)
        orientation = tag.value if tag is not None and tag.value in range(1, 9) else 1
        if np.dtype(page.dtype).itemsize == 1:
            pixels, remarks = _shallow_pixels(data, page)
        else:
            pixels, remarks = _deep_pixels(page)
    return pixels, metadata, int(orientation), remarks


def _single_page(tiff: tifffile.TiffFile) -> Any:
    """The one picture of the file, beside reduced copies and masks; its header checked."""
    pages: list[Any] = [p for p in tiff.pages if not int(p.subfiletype) & 0b101] or [tiff.pages[0]]  # type: ignore[union-attr]
    check_single(len(pages), "pages")
    page = pages[0]
    if tiff.is_imagej:
        check_single(int((tiff.imagej_metadata or {}).get("images", 1)), "images of an ImageJ stack")
    check_single(int(page.imagedepth), "slices of a volume")
    check_size(page.imagewidth, page.imagelength)
    if page.dtype is None:
        raise ImageError("has samples of no usual depth; accepted are 8- and 16-bit integers and floats")
    return page


def _check_complete(page: Any, size: int) -> None:
    end = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    if end > size:
        raise ImageError(f"is truncated: {end} bytes announced, {size} there")


def _metadata(page: Any, data: bytes) -> Metadata:
    exif = exif_of_tiff(data)
    value = {tag: page.tags[tag].value for tag in (XMP_TAG, ICC_TAG) if tag in page.tags}
    xmp, icc = value.get(XMP_TAG), value.get(ICC_TAG)
    return Metadata(
        icc=bytes(icc) if icc is not None else None,
        exif=edit_exif(exif, {ORIENTATION: 1}) if exif else None,
        xmp=clean_xmp(bytes(xmp)) if isinstance(xmp, bytes | tuple) else None,
        dpi=_dpi(page),
        lossy=page.compression in (6, 7),  # JPEG
    )


def _dpi(page: Any) -> tuple[float, float] | None:
    unit = page.tags.get("ResolutionUnit")
    per_inch = {2: 1.0, 3: 2.54}.get(int(unit.value) if unit is not None else 2)
    both = [page.tags.get(name) for name in ("XResolution", "YResolution")]
    if per_inch is None or None in both:
        return None
    fractions = [tag.value for tag in both if tag is not None]
    return valid_dpi([n / d * per_inch if d else 0 for n, d in fractions])


def _shallow_pixels(data: bytes, page: Any) -> tuple[np.ndarray, list[str]]:
    """Pixels of at most 8 bits a sample, as they are stored: Pillow would turn them upright by itself."""
    tag = page.tags.get(ORIENTATION)
    if tag is not None:
        order = "<H" if data[:2] == b"II" else ">H"
        patched = bytearray(data)
        struct.pack_into(order, patched, tag.valueoffset, 1)
        data = bytes(patched)
    image = open_with_pillow(data)
    image.load()
    return pixels_of(image)


def _deep_pixels(page: Any) -> tuple[np.ndarray, list[str]]:
    """Pixels of 16 bits or more a sample, as H×W or H×W×C in native byte order."""
    dtype = np.dtype(page.dtype).newbyteorder("=")
    photometric = int(page.photometric)
    if dtype.name not in DEEP_DTYPES or photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        raise ImageError(
            f"holds {dtype.name} samples as {getattr(page.photometric, 'name', photometric)}; "
            "accepted are grey and RGB in 8- or 16-bit integers or floats"
        )
    kept, remarks = _kept_channels(page)
    pixels = _decoded(page, dtype).astype(dtype, copy=False)[..., :kept]
    if photometric == WHITE_IS_ZERO:
        inverted = (np.iinfo(dtype).max if dtype.kind == "u" else dtype.type(1)) - pixels[..., :1]
        pixels = np.concatenate([inverted.astype(dtype), pixels[..., 1:]], axis=2)
    if kept in (2, 4) and int(page.extrasamples[0]) == ASSOCIATED:
        pixels = _without_premultiplication(pixels)
    return pixels[..., 0] if kept == 1 else pixels, remarks


def _kept_channels(page: Any) -> tuple[int, list[str]]:
    """How many of the samples are grey or RGB and alpha; a remark where one has no declared meaning."""
    colours = 3 if int(page.photometric) == RGB else 1
    extra = page.samplesperpixel - colours
    if extra == 0:
        return colours, []
    if extra == 1 and page.extrasamples and int(page.extrasamples[0]) in (ASSOCIATED, UNASSOCIATED):
        return colours + 1, []
    if extra == 1 and colours == 3:
        return 3, ["the fourth channel is not marked as alpha and is left out"]
    raise ImageError(
        f"holds {page.samplesperpixel} channels; accepted are grey or RGB, each with or without one channel "
        "marked as alpha"
    )


def _without_premultiplication(pixels: np.ndarray) -> np.ndarray:
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1.0
    alpha = pixels[..., -1:].astype(np.float64) / top
    colours = np.divide(pixels[..., :-1], alpha, out=np.zeros(pixels[..., :-1].shape), where=alpha > 0)
    if pixels.dtype.kind == "u":
        colours = np.clip(np.rint(colours), 0, top)
    return np.concatenate([colours.astype(pixels.dtype), pixels[..., -1:]], axis=2)


def _decoded(page: Any, dtype: np.dtype) -> np.ndarray:
    """All samples as H×W×S."""
    try:
        samples = page.asarray()
    except (ValueError, KeyError) as error:
        if "imagecodecs" not in str(error):
            raise
        samples = _decoded_through_libtiff(page, dtype)
    samples = samples.reshape(_stored_shape(page))
    return np.moveaxis(samples, 0, -1) if int(page.planarconfig) == 2 else samples


def _stored_shape(page: Any) -> tuple[int, int, int]:
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    return (samples, height, width) if int(page.planarconfig) == 2 else (height, width, samples)


def _decoded_through_libtiff(page: Any, dtype: np.dtype) -> np.ndarray:
    """The samples in the order they are stored, decompressed strip by strip or tile by tile."""
    planes = page.samplesperpixel if int(page.planarconfig) == 2 else 1
    depth = page.samplesperpixel // planes
    high, wide = (
        (page.tilelength, page.tilewidth)
        if page.is_tiled
        else (min(page.rowsperstrip, page.imagelength), page.imagewidth)
    )
    down, across = -(-page.imagelength // high), -(-page.imagewidth // wide)
    canvas = np.zeros((planes, page.imagelength, page.imagewidth, depth), dtype)
    for index, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        plane, place = divmod(index, down * across)
        top, left = place // across * high, place % across * wide
        rows = high if page.is_tiled else min(high, page.imagelength - top)
        page.parent.filehandle.seek(offset)
        raw = _decompressed(page.parent.filehandle.read(count), rows, wide * depth * dtype.itemsize, page)
        segment = _without_predictor(raw, (rows, wide, depth), dtype, page)
        part = canvas[plane, top : top + rows, left : left + wide]
        part[...] = segment[: part.shape[0], : part.shape[1]]
    return canvas


def _decompressed(segment: bytes, rows: int, row_bytes: int, page: Any) -> np.ndarray:
    """The bytes of one segment, by presenting it to Pillow as an 8-bit grey TIFF of its own."""
    tags = [
        (256, 4, row_bytes),
        (257, 4, rows),
        (258, 3, 8),
        (259, 3, int(page.compression)),
        (262, 3, BLACK_IS_ZERO),
        (266, 3, int(page.fillorder)),
        (273, 4, 8 + 2 + 12 * 10 + 4),
        (277, 3, 1),
        (278, 4, rows),
        (279, 4, len(segment)),
    ]
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    header = b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4)
    return np.asarray(Image.open(io.BytesIO(header + segment), formats=("TIFF",)))


def _without_predictor(
    raw: np.ndarray, shape: tuple[int, int, int], dtype: np.dtype, page: Any
) -> np.ndarray:
    """Undo the differencing along rows (2: of samples; 3: of the bytes of floats, sorted by significance)."""
    predictor = int(page.predictor)
    rows, wide, depth = shape
    if predictor == 3:
        summed = np.cumsum(raw.reshape(rows, -1, depth), axis=1, dtype=np.uint8).reshape(
            rows, dtype.itemsize, wide * depth
        )
        return np.ascontiguousarray(summed.swapaxes(1, 2)).view(dtype.newbyteorder(">")).reshape(shape)
    stored = np.ascontiguousarray(raw).view(dtype.newbyteorder(page.parent.byteorder)).reshape(shape)
    if predictor == 2:
        integers = stored.view(stored.dtype.str[0] + f"u{dtype.itemsize}")
        summed = np.cumsum(integers, axis=1, dtype=f"u{dtype.itemsize}")
        return summed.view(dtype)
    if predictor != 1:
        raise ImageError(f"is compressed with the unknown predictor {predictor}")
    return stored


def encode_tiff(pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    """An uncompressed TIFF; what it keeps is said in :mod:`zeroshot.images.formats`."""
    tags = _descriptive_tags(metadata)
    text = None if provenance is None else PROVENANCE_MARK.decode() + provenance
    icc = metadata.icc_for(colour_channels(pixels))
    if pixels.dtype == np.uint8:
        if metadata.xmp is not None:
            tags[XMP_TAG] = metadata.xmp
        if text is not None:
            tags[PROVENANCE_TIFF_TAG] = text
        return save_with_pillow(pixels, "TIFF", exif=tags, icc_profile=icc, dpi=metadata.dpi)
    extra: list[tuple[int, str, int, bytes, bool]] = [
        (tag, "s", 0, str(tags[tag]).encode(), True) for tag in DESCRIPTIVE_TAGS if tag in tags
    ]
    if metadata.xmp is not None:
        extra.append((XMP_TAG, "B", len(metadata.xmp), metadata.xmp, True))
    if text is not None:
        extra.append((PROVENANCE_TIFF_TAG, "s", 0, text.encode(), True))
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        pixels,
        photometric="minisblack" if colour_channels(pixels) == 1 else "rgb",
        planarconfig=None if pixels.ndim == 2 else "contig",
        extrasamples=["unassalpha"] if pixels.ndim == 3 and pixels.shape[2] in (2, 4) else None,
        iccprofile=icc,
        resolution=metadata.dpi,
        resolutionunit=None if metadata.dpi is None else "INCH",
        software=False,
        metadata=None,
        extratags=sorted(extra),
    )
    return buffer.getvalue()


def _descriptive_tags(metadata: Metadata) -> Image.Exif:
    """The tags that an EXIF block brings into a TIFF, without those of another file's pixels."""
    tags, whole = Image.Exif(), Image.Exif()
    if metadata.exif is not None:
        whole.load(b"Exif\0\0" + metadata.exif)
        pruned = descriptive_exif(whole)
        if pruned is not None:
            tags.load(b"Exif\0\0" + pruned)
    return tags
