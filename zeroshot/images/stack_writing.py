"""Stacks to TIFF files, plane by plane, with what the input said of them: OME-TIFF, ImageJ's hyperstacks, pages."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile

from zeroshot.files import NotWrittenError, write_atomically
from zeroshot.images.decoding import library_errors
from zeroshot.images.errors import ImageError
from zeroshot.images.files import check_output
from zeroshot.images.fits import write_fits
from zeroshot.images.kinds import STACK_SUFFIXES, SUFFIXES
from zeroshot.images.metadata import PROVENANCE_MARK, PROVENANCE_TIFF_TAG, provenance_text
from zeroshot.images.ome import XML_UNITS, as_signed
from zeroshot.images.stack import StackMetadata, StackOutput
from zeroshot.images.tiff import XMP_TAG
from zeroshot.images.writing import ImageNotWrittenError
from zeroshot.images.zarr_stack import write_zarr

#: A file beyond this size needs offsets of 64 bits, which ImageJ's hyperstacks do not have.
_LARGEST_TIFF = 2**32 - 2**25
_IMAGEJ_TYPES, _IMAGEJ_ORDER = ("uint8", "uint16", "float32"), "TZCYXS"
#: What tifffile works out by itself of a hyperstack.
_IMAGEJ_DERIVED = ("ImageJ", "images", "channels", "slices", "frames", "hyperstack")
_WHITE_IS_ZERO = 0
_KINDS = {**SUFFIXES, **STACK_SUFFIXES}
_INCH = 2


def check_stack_output(path: str | os.PathLike, *, overwrite: bool, source: Path | None = None) -> None:
    """Whether a stack can be written there, as far as that shows before the work.

    Raises
    ------
    ImageError
        In one line.
    """
    path = Path(path)
    if path.suffix.lower() not in _suffixes():
        raise ImageError(f"{path}: a stack is written as one of {', '.join(_suffixes())}")
    check_output(path, overwrite=overwrite, source=source, suffixes=_suffixes())


def save_planes(
    planes: Iterable[np.ndarray],
    axes: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    path: str | os.PathLike,
    *,
    metadata: StackMetadata | None = None,
    enlarged: tuple[float, float] = (1.0, 1.0),
    overwrite: bool = False,
    source: Path | None = None,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write a stack whose planes come one by one; the file appears under its name when it is complete.

    Parameters
    ----------
    planes : iterable of numpy.ndarray
        H×W or H×W×S of this dtype, in the order of the axes.
    axes, shape
        Of the whole: what counts planes, then Y, X and perhaps S.
    path : path
        Its suffix names the format.
    metadata : StackMetadata, optional
        What the input carried.
    enlarged : tuple of float
        How many times as many columns and rows there are as in the input: pixels are as much smaller.
    overwrite, source, provenance
        As for :func:`zeroshot.images.save`.

    Raises
    ------
    ImageError
        In one line, where it cannot be written; nothing is left behind.
    """
    path = Path(path)
    check_stack_output(path, overwrite=overwrite, source=source)
    text = None if provenance is None else provenance_text(provenance)
    output = StackOutput(path, axes, shape, dtype, metadata or StackMetadata(), enlarged, overwrite, text)
    try:
        WRITERS[_KINDS[path.suffix.lower()]](output, planes)
    except NotWrittenError as error:
        raise ImageNotWrittenError(str(error)) from None


def _suffixes() -> list[str]:
    return [suffix for suffix, kind in _KINDS.items() if kind in WRITERS]


def _write_tiff(output: StackOutput, planes: Iterable[np.ndarray]) -> None:
    axes, metadata, enlarged = output.axes, output.metadata, output.enlarged
    stored = np.dtype(np.uint8) if output.dtype.kind == "b" else output.dtype
    size = int(np.prod(output.shape, dtype=np.int64)) * stored.itemsize
    kind, told = _told(output, stored, size)
    tags = [
        (tag, "s", 0, text_of.encode(), True) for tag, text_of in metadata.attributes.get("tags", {}).items()
    ]
    if metadata.general.xmp is not None:
        tags.append((XMP_TAG, "B", len(metadata.general.xmp), metadata.general.xmp, True))  # type: ignore[arg-type]
    if output.provenance is not None:
        tags.append((PROVENANCE_TIFF_TAG, "s", 0, PROVENANCE_MARK + output.provenance.encode(), True))
    colour = axes.endswith("S")
    dark = not colour and metadata.attributes.get("photometric") == _WHITE_IS_ZERO
    options = {
        "photometric": "rgb" if colour else "miniswhite" if dark else "minisblack",
        "planarconfig": "contig" if colour else None,
        "extrasamples": ["unassalpha"] if colour and output.shape[-1] == 4 else None,
        "iccprofile": metadata.general.icc_for(3 if colour else 1),
        "software": False,
        "extratags": sorted(tags),
        **_resolution(metadata, enlarged),
        **told,
    }

    def content(file: BinaryIO) -> None:
        # Errors of the planes are those of who makes them.
        with tifffile.TiffWriter(
            tifffile.FileHandle(file, name="stack.tif", offset=0, size=0),
            bigtiff=size > _LARGEST_TIFF,
            ome=kind == "ome",
            imagej=kind == "imagej",
        ) as writer:
            writer.write(_stored(planes, stored), shape=output.shape, dtype=stored, **options)

    with library_errors(output.path, "cannot be written"):
        write_atomically(output.path, content, overwrite=output.overwrite)


def _stored(planes: Iterable[np.ndarray], dtype: np.dtype) -> Iterator[np.ndarray]:
    for plane in planes:
        yield (
            plane.astype(np.uint8) * np.uint8(255)
            if plane.dtype == bool
            else np.ascontiguousarray(plane, dtype)
        )


def _told(output: StackOutput, dtype: np.dtype, size: int) -> tuple[str, dict[str, Any]]:
    """The kind of TIFF, and what tifffile is told of its axes."""
    axes, shape, metadata, enlarged = output.axes, output.shape, output.metadata, output.enlarged
    fits_imagej = "".join(one for one in _IMAGEJ_ORDER if one in axes) == axes and size <= _LARGEST_TIFF
    if metadata.imagej is not None and dtype.name in _IMAGEJ_TYPES and fits_imagej:
        kept = {name: value for name, value in metadata.imagej.items() if name not in _IMAGEJ_DERIVED}
        return "imagej", {"metadata": {**kept, "axes": axes}}
    if metadata.ome is not None:
        changed = _renewed_ome(metadata.ome, axes, shape, enlarged)
        if changed is not None:
            return "plain", {"metadata": None, "description": changed}
    if metadata.description is not None:
        return "plain", {"metadata": None, "description": metadata.description.encode() or None}
    if set(axes) <= set("TZCYXS") and dtype != np.float16:  # which OME does not know
        return "ome", {"metadata": {"axes": axes, **_ome_values(axes, shape, metadata, enlarged)}}
    return "shaped", {"metadata": {"axes": axes}}


def _ome_values(
    axes: str, shape: tuple[int, ...], metadata: StackMetadata, enlarged: tuple[float, float]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    factors = {"X": enlarged[0], "Y": enlarged[1], "Z": 1.0}
    for axis, factor in factors.items():
        if metadata.scale.get(axis):
            values[f"PhysicalSize{axis}"] = metadata.scale[axis] / factor
            values[f"PhysicalSize{axis}Unit"] = XML_UNITS.get(metadata.unit or "", metadata.unit or "µm")
    if metadata.scale.get("T"):
        values["TimeIncrement"] = metadata.scale["T"]
        if metadata.time_unit:
            values["TimeIncrementUnit"] = XML_UNITS.get(metadata.time_unit, metadata.time_unit)
    channels: dict[str, list[Any]] = {
        "Name": list(metadata.names),
        "Color": [as_signed(colour or "FFFFFF") for colour in metadata.colours],
    }
    count = shape[axes.index("C")] if "C" in axes else None
    told = {name: each for name, each in channels.items() if len(each) == count}
    if told:
        values["Channel"] = told
    return values


def _renewed_ome(text: str, axes: str, shape: tuple[int, ...], enlarged: tuple[float, float]) -> bytes | None:
    """OME-XML for the pages of a file of its own, in the order of these axes; None where it cannot say them.

    The planes of the input may lie in other files and in another order: where they are is said anew.
    """
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError:
        return None
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    images = root.findall(f"{space}Image")
    counted = axes.partition("Y")[0]
    if len(images) != 1 or set(counted) - set("TZC"):
        return None
    pixels = images[0].find(f"{space}Pixels")
    if pixels is None:
        return None
    lengths = dict(zip(axes, shape, strict=True))
    samples = lengths.get("S", 1)
    named = [int(one.get("SamplesPerPixel") or 1) for one in pixels.findall(f"{space}Channel")]
    if (named and set(named) != {samples}) or int(pixels.get("SizeC") or 1) != lengths.get("C", 1) * samples:
        return None
    fastest = counted[::-1]
    pixels.set("DimensionOrder", "XY" + fastest + "".join(one for one in "CZT" if one not in fastest))
    for axis in "XYZT":
        pixels.set(f"Size{axis}", str(lengths.get(axis, 1)))
    for axis, factor in zip("XY", enlarged, strict=True):
        length = pixels.get(f"PhysicalSize{axis}")
        if length and factor != 1:
            pixels.set(f"PhysicalSize{axis}", repr(float(length) / factor))
    pixels.attrib.pop("BigEndian", None)
    root.attrib.pop("UUID", None)
    for name in ("TiffData", "BinData", "MetadataOnly"):
        for part in pixels.findall(f"{space}{name}"):
            pixels.remove(part)
    count = int(np.prod(shape[: len(counted)], dtype=np.int64))
    place = max((at + 1 for at, one in enumerate(pixels) if one.tag == f"{space}Channel"), default=0)
    pixels.insert(place, ElementTree.Element(f"{space}TiffData", {"IFD": "0", "PlaneCount": str(count)}))
    if space:
        ElementTree.register_namespace("", space[1:-1])
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>'
        + ElementTree.tostring(root, encoding="us-ascii").split(b"?>", 1)[-1]
    )


def _resolution(metadata: StackMetadata, enlarged: tuple[float, float]) -> Mapping[str, Any]:
    if "resolution" in metadata.attributes:
        across, down, unit = metadata.attributes["resolution"]
    elif metadata.general.dpi is not None:
        across, down, unit = *metadata.general.dpi, _INCH
    else:
        return {}
    return {"resolution": (across * enlarged[0], down * enlarged[1]), "resolutionunit": unit}


WRITERS = {"TIFF": _write_tiff, "FITS": write_fits, "ZARR": write_zarr}
