"""Stacks in TIFF files: pages, OME-TIFF, ImageJ's hyperstacks, arrays that tifffile wrote.

What the axes are is read by tifffile. The pixels are read by our own bounded reader, plane by plane, out of a file that
is mapped into memory and never read as a whole.
"""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from zeroshot.images.axes import SAMPLES, canonical, checked_axes
from zeroshot.images.errors import ImageError
from zeroshot.images.exif import DESCRIPTION
from zeroshot.images.metadata import Metadata, clean_xmp
from zeroshot.images.ome import other_files, values_of_xml
from zeroshot.images.stack import ArrayStack, Index, Stack, StackMetadata, errors_of_file
from zeroshot.images.tiff import (
    BLACK_IS_ZERO,
    DNG_VERSION,
    ICC_TAG,
    RGB,
    SAMPLE_FORMATS,
    XMP_TAG,
    Page,
    segments_of,
)
from zeroshot.images.tiff_directories import Directory, directories, directory_at, is_picture
from zeroshot.images.tiff_segments import COMPRESSIONS
from zeroshot.spelling import Wording

#: How many directories are looked through: a stack may have many pages.
MOST_PAGES = 1 << 20
#: Tags that describe a file and are kept: make, model, software, date, artist, host, copyright.
_KEPT_TAGS = (271, 272, 305, 306, 315, 316, 33432)
_SAMPLES_PER_PIXEL = 277
#: By how much the values of all tags may overlap.
_OVERLAP = 2
_BY_HAND = Wording("; say axes='ZYX' or the like", "; say --axes ZYX or the like")


def tiff_stack(path: Path, axes: str | None) -> Stack | None:
    """The stack in a TIFF file; None where it is one picture, or the raw data of a camera.

    Parameters
    ----------
    path : pathlib.Path
    axes : str, optional
        In place of what the file says; it is a stack then in any case.

    Raises
    ------
    ImageError
        Where its pages are of different sizes, or of a kind that is not read plane by plane.
    """
    data = _mapped(path)
    others = _others(data, path)
    if axes is None and not others and not _holds_several(data):
        return None
    files = {path.name: data} | {other.name: _mapped(other) for other in others}
    for each in files.values():
        _require_sound(each)
    with tifffile.TiffFile(path) as opened:
        series = [one for one in opened.series if not one.keyframe.is_reduced] or list(opened.series)
        if len(series) > 1:
            sizes = ", ".join(" × ".join(map(str, one.shape)) for one in series[:3])
            raise ImageError(
                f"holds {len(series)} pictures of different sizes or types ({sizes}{' …' if len(series) > 3 else ''}); "
                "save those to restore as files of their own"
            )
        return _TiffStack(path, files, opened, series[0], axes).settled()


def _mapped(path: Path) -> Any:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _others(data: Any, path: Path) -> tuple[Path, ...]:
    """The other files of an OME-TIFF that has planes in several."""
    for place in directories(data):
        text = directory_at(data, place).content(DESCRIPTION) or b""
        is_ome = text.rstrip(b"\0 \n").endswith(b"OME>")
        return other_files(text.rstrip(b"\0").decode("utf-8", "replace"), path) if is_ome else ()
    return ()


def _require_sound(data: Any) -> None:
    """Refuse a file whose tags announce more than it holds, which tifffile would read as often as they say."""
    announced = 0
    for number, place in enumerate(directories(data)):
        if number >= MOST_PAGES:
            raise ImageError(f"holds more than {MOST_PAGES} pages")
        announced += directory_at(data, place).announced
        if announced > _OVERLAP * len(data):
            raise ImageError("is damaged: its tags announce more than the file holds")


def _holds_several(data: Any) -> bool:
    """Whether there is more than one plane, or one of a type that a picture does not have."""
    pages: list[int] = []
    for place in directories(data):
        if is_picture(data, place):
            pages.append(place)
        if len(pages) > 1:
            break
    if not pages:
        return False
    first = directory_at(data, pages[0])
    if DNG_VERSION in first or data[8:10] == b"CR":
        return False
    text = first.content(DESCRIPTION) or b""
    hyperstack = (
        re.search(rb"^images=(\d{1,9})\s*$", text, re.MULTILINE) if text.startswith(b"ImageJ=") else None
    )
    bits, kind = first.number(258, 1), first.number(339, 1)
    signed_or_wide = (
        SAMPLE_FORMATS.get(kind) in ("int", "uint") and bits in (8, 16, 32) and (kind == 2 or bits == 32)
    )
    return (
        len(pages) > 1
        or first.number(_SAMPLES_PER_PIXEL, 1) > 4
        or (hyperstack is not None and int(hyperstack[1]) > 1)
        or (signed_or_wide and first.number(262, BLACK_IS_ZERO) == BLACK_IS_ZERO)
    )


class _TiffStack(Stack):
    """The planes of a series, each decoded from its page, or mapped where all lie one behind the other."""

    def __init__(self, path: Path, files: dict[str, Any], opened: Any, series: Any, axes: str | None) -> None:
        keyframe = series.keyframe
        self._check(keyframe)
        self._path, self.source = path, path.absolute()
        self.others = tuple(path.absolute().with_name(name) for name in files if name != path.name)
        self.dtype = np.dtype(series.dtype).newbyteorder("=")
        home = files[keyframe.parent.filehandle.name]
        self.metadata = _metadata(home, opened, keyframe, series)
        self._data, self._order = files[path.name], opened.byteorder
        self._offset = None if self.others else series.dataoffset
        self.shape = tuple(map(int, series.shape))
        self._given = checked_axes(axes or _cleaned(series.axes, self.shape), self.shape)
        self._samples = int(keyframe.samplesperpixel)
        if self._offset is None:
            # One that is missing has no place: tifffile calls it a blank plane.
            self._places = [
                None if page is None else (files[page.parent.filehandle.name], int(page.offset))
                for page in series.pages
            ]
            self.missing = self._places.count(None)
            self._keyframe = directory_at(home, int(keyframe.offset))
            if series.axes.endswith("S") and not self._given.endswith("S"):
                # Samples that are no colours: each is a plane.
                self._given = self._given[:-3] + self._given[-1] + self._given[-3:-1]
                self.shape = (*self.shape[:-3], self.shape[-1], *self.shape[-3:-1])
        self.axes = self._given

    @staticmethod
    def _check(keyframe: Any) -> None:
        photometric = int(keyframe.photometric)
        if photometric not in (0, BLACK_IS_ZERO, RGB):
            name = getattr(keyframe.photometric, "name", photometric)
            raise ImageError(f"holds several pages of {name} colours; those of a stack are grey or RGB")
        if int(keyframe.compression) not in COMPRESSIONS:
            name = getattr(keyframe.compression, "name", keyframe.compression)
            raise ImageError(
                f"is a stack compressed with {name}, which is not read here; save it with Deflate or LZW"
            )
        if keyframe.dtype is None or keyframe.bitspersample not in (8, 16, 32, 64):
            raise ImageError(
                f"holds pages of {keyframe.bitspersample} bits a sample; a stack has 8, 16, 32 or 64"
            )
        if int(getattr(keyframe, "imagedepth", 1)) > 1:
            raise ImageError("holds volumes in tiles, which are not read here; save it page by page")

    def settled(self) -> Stack:
        """The stack, by way of an array where all lies one behind the other, or what counts planes comes later."""
        if self._offset is not None:
            dtype = self.dtype.newbyteorder(self._order)
            mapped = np.ndarray(self.shape, dtype, buffer=self._data, offset=self._offset)
            return ArrayStack(mapped, self._given, self.source, self.metadata)
        if self._given == canonical(self._given):
            return self
        raise ImageError(
            f"its planes are rows and columns, in this order: axes {self._given!r} do not fit", _BY_HAND
        )

    def plane(self, index: Index) -> np.ndarray:
        # Of a page with several planes the one that is asked for is taken.
        inner = 1 if self._samples == 1 or self.axes.endswith("S") else self._samples
        number = int(np.ravel_multi_index(index, self.lengths)) if index else 0
        page, within = divmod(number, inner)
        with errors_of_file(self._path):
            samples = self._decoded(page)
        if self.axes.endswith("S"):
            return samples
        return np.ascontiguousarray(samples[..., within])

    def _decoded(self, number: int) -> np.ndarray:
        """The samples of a page, H×W×S, as they are stored."""
        place = self._places[number] if number < len(self._places) else None
        key = self._keyframe
        samples = key.number(277, 1)
        shape = key.number(257, 0), key.number(256, 0)
        if place is None:
            return np.zeros((*shape, samples), self.dtype)
        data, offset = place
        directory = directory_at(data, offset)
        page = Page(
            directory=directory,
            height=directory.number(257, 0),
            width=directory.number(256, 0),
            samples=directory.number(277, 1),
            bits=directory.number(258, 1),
            sample_format=SAMPLE_FORMATS.get(directory.number(339, 1), "unknown"),
            photometric=directory.number(262, BLACK_IS_ZERO),
            compression=directory.number(259, 1),
            is_planar=directory.number(284, 1) == 2 and samples > 1,
        )
        if (page.height, page.width, page.samples, page.dtype) != (*shape, samples, self.dtype):
            raise ImageError(f"is damaged: page {number + 1} is not like the others")
        segments, places, sizes = segments_of(page)
        return segments.samples(data, places, sizes)


def _cleaned(axes: str, shape: tuple[int, ...]) -> str:
    """Axes as ours are: samples that are no colours are channels, and what has no name is numbered."""
    is_colour = axes.endswith("S") and shape[-1] in SAMPLES
    if not is_colour:
        axes = axes.replace("S", "P" if "C" in axes else "C")
    free = iter(one for one in "QPVWUABDE" if one not in axes)
    return "".join(next(free) if axes.index(one) < place else one for place, one in enumerate(axes))


def _metadata(data: Any, opened: Any, keyframe: Any, series: Any) -> StackMetadata:
    directory = directory_at(data, int(keyframe.offset))
    resolution = None
    both = [directory.fractions(tag, 1) for tag in (282, 283)]
    if all(both) and all(one[0] > 0 for one in both):
        resolution = [both[0][0], both[1][0], directory.readable_number(296, 2)]
    texts = {tag: _text(directory, tag) for tag in _KEPT_TAGS}
    kept: dict[str, Any] = {"tags": {tag: text for tag, text in texts.items() if text}}
    if resolution is not None:
        kept["resolution"] = resolution
    kept["photometric"] = int(keyframe.photometric)
    general = Metadata(icc=directory.content(ICC_TAG) or None, xmp=clean_xmp(directory.content(XMP_TAG)))
    imagej = dict(opened.imagej_metadata) if opened.is_imagej and opened.imagej_metadata else None
    plain = series.kind in ("uniform", "generic") and imagej is None
    ome = opened.ome_metadata if opened.is_ome else None
    return StackMetadata(
        ome=ome,
        **({} if ome is None else values_of_xml(ome)),
        imagej=imagej,
        description=_text(directory, DESCRIPTION) or "" if plain else None,
        general=general,
        attributes=kept,
    )


def _text(directory: Directory, tag: int) -> str | None:
    content = directory.content(tag)
    text = (content or b"").rstrip(b"\0").decode("utf-8", "replace")
    return text or None
