"""LIF, the files of Leica's microscopes: one of their images as a stack.

What there is in a file is read by liffile; the pixels lie in it as they are, and are mapped into memory, not read as a
whole. A plane is a frame of the scan: its two innermost axes, which need not be Y and X.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeroshot.images.axes import SAMPLES
from zeroshot.images.errors import ImageError
from zeroshot.images.extras import imported
from zeroshot.images.scenes import chosen_scene
from zeroshot.images.stack import ArrayStack, Stack, StackMetadata

#: Axes of wavelengths, as liffile calls them.
_WAVELENGTHS = {"λ": "emission", "Λ": "excitation"}
#: What an axis is called that has no letter, or one that is taken; tifffile calls wavelengths E.
_FREE = "EQPVWUABDFGHIJK"
_COLOURS = {
    "red": "FF0000",
    "green": "00FF00",
    "blue": "0000FF",
    "cyan": "00FFFF",
    "magenta": "FF00FF",
    "yellow": "FFFF00",
    "gray": "FFFFFF",
}
_MICROMETRES = 1e6  # in a metre
_NANOMETRES = 1e9


def lif_stack(path: Path, scene: int | str | None) -> Stack:
    """An image of a file, whose planes are read when they are asked for.

    Parameters
    ----------
    path : pathlib.Path
    scene : int, str or None
        Which image, by its number, from 1, or its name; by default the first that holds intensities.

    Raises
    ------
    ImageError
        In one line, where liffile is missing, or the image is none of planes.
    """
    liffile = imported("liffile", "microscopes", "a microscope file (.lif)")
    with liffile.LifFile(path) as opened:
        images = list(opened.images)
        first = next((place for place, one in enumerate(images) if not one.is_flim), 0)
        number, remarks = chosen_scene([one.path for one in images], scene, "image", first)
        image = images[number]
        _require_pixels(image, path)
        named = named_axes(image.dims, image.sizes)
        # Copied where it is written to: liffile turns blue, green, red about in place.
        array = image.asarray(mode="c", out="memmap")
        metadata = _metadata(image, named)
    stack = ArrayStack(array, named.axes, path.absolute(), metadata)
    stack.scene = image.path if len(images) > 1 else None
    stack.remarks = (*remarks, *named.remarks)
    return stack


def _require_pixels(image: Any, path: Path) -> None:
    if image.is_flim:
        raise ImageError(
            f"its image {image.path!r} holds arrival times of photons (FLIM), no intensities; export these from LAS X"
        )
    try:
        block = image.memory_block
    except (KeyError, ValueError):
        block = None
    if block is None or block.offset + block.size > path.stat().st_size:
        raise ImageError(f"is truncated: it ends before the pixels of its image {image.path!r} do")
    if not block.size:
        raise ImageError(f"its image {image.path!r} has no pixels; it was not recorded")
    channels = image.xml_element.findall("./Data/Image/ImageDescription/Channels/ChannelDescription")
    depths = {(one.get("DataType"), -(-int(one.get("Resolution", 8)) // 8)) for one in channels}
    if len(depths) > 1:
        raise ImageError(
            f"the channels of its image {image.path!r} have different depths; export each as a TIFF"
        )


@dataclass(frozen=True)
class NamedAxes:
    """What the axes of an image are called here.

    Attributes
    ----------
    axes : str
        A letter for each.
    given : tuple of str
        What Leica calls them, in the same order.
    remarks : tuple of str
        What the user should know about the difference.
    """

    axes: str
    given: tuple[str, ...]
    remarks: tuple[str, ...]


def named_axes(dims: Sequence[str], sizes: Mapping[str, int]) -> NamedAxes:
    """The axes of an image, of which the two innermost but for channels and samples are those of a plane.

    Parameters
    ----------
    dims : sequence of str
        As liffile names them: X, Y, Z, T, C, S, λ (emission), Λ (excitation), M (tiles), …
    sizes : mapping of str to int
        How long each is.

    Raises
    ------
    ImageError
        Where there is no plane.
    """
    scanned = [one for one in dims if one != "S" and not one.startswith("C")]
    if len(scanned) < 2:
        size = " × ".join(str(sizes[one]) for one in dims)
        raise ImageError(f"holds a line or a point ({''.join(dims)}, {size}), not planes of rows and columns")
    rows, columns = scanned[-2:]
    letters: dict[str, str] = {}
    remarks = []
    if {rows, columns} != {"Y", "X"}:
        letters |= {rows: "Y", columns: "X"}
        stepped = [one for one in scanned[:-2] if one in "YX" and "Z" not in scanned[:-2]]
        if stepped:
            letters[stepped[0]] = "Z"
        told = f"; {stepped[0]}, along which they are stacked, is called Z" if stepped else ""
        remarks.append(f"its planes are {columns}{rows} scans, whose rows ({rows}) are called Y{told}")
    if "S" in dims:
        letters["S"] = "S" if sizes["S"] in SAMPLES else "P" if "C" in dims else "C"
    for wavelength, kind in _WAVELENGTHS.items():
        if wavelength in dims and wavelength not in letters:
            letters[wavelength] = "E" if "C" in dims or "C" in letters.values() else "C"
            as_what = "channels" if letters[wavelength] == "C" else f"axis {letters[wavelength]}"
            remarks.append(f"the {sizes[wavelength]} wavelengths of its {kind} are its {as_what}")
    if "M" in scanned[:-2]:
        remarks.append(
            f"the {sizes['M']} tiles of its mosaic, axis M, are planes of their own, and stay apart"
        )
    for one in dims:
        if one not in letters:
            known = len(one) == 1 and one.isascii() and one.isalpha() and one not in letters.values()
            taken = {*letters.values(), *dims}
            letters[one] = one if known else next(free for free in _FREE if free not in taken)
    return NamedAxes("".join(letters[one] for one in dims), tuple(dims), tuple(remarks))


# --- what is said of the pixels -----------------------------------------------------------------------------


def _metadata(image: Any, named: NamedAxes) -> StackMetadata:
    scale = {}
    for axis, given in zip(named.axes, named.given, strict=True):
        places = image.coords.get(given)
        if places is None or len(places) < 2:
            continue
        step = abs(float(places[-1] - places[0])) / (len(places) - 1)
        if step and axis in "ZYX" and given in "ZYX":
            scale[axis] = step * _MICROMETRES
        elif step and axis == given == "T":
            scale[axis] = step
    names, colours = _channels(image, named)
    return StackMetadata(
        scale=scale, unit="µm", time_unit="s" if "T" in scale else None, names=names, colours=colours
    )


def _channels(image: Any, named: NamedAxes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and colours of the channels, as far as they are known."""
    given = dict(zip(named.axes, named.given, strict=True)).get("C")
    if given in _WAVELENGTHS:
        places = image.coords.get(given)
        return () if places is None else tuple(f"{one * _NANOMETRES:.4g} nm" for one in places), ()
    element = image.xml_element
    told = element.findall("./Data/Image/ImageDescription/Channels/ChannelDescription")
    count = image.sizes.get(given, 1)
    if len(told) != count:
        return (), ()
    tables = [one.get("LUTName", "") for one in told]
    names = _dyes(element, told, count) or [
        " ".join(filter(None, _wide_field(element).get(table, ()))) or table for table in tables
    ]
    colours = tuple(_COLOURS.get(table.lower(), "") for table in tables)
    return tuple(names) if all(names) else (), colours if all(colours) else ()


def _dyes(element: Any, channels: Sequence[Any], count: int) -> list[str]:
    """What is stained, of each channel: its own dye, or that of the detector behind it; [] where it is not said."""
    own = [
        next((each.findtext("Value", "") for each in one if each.findtext("Key") == "DyeName"), "")
        for one in channels
    ]
    if all(own):
        return own
    setting = "./Data/Image/Attachment[@Name='HardwareSetting']/ATLConfocalSettingDefinition/"
    active = [one for one in element.findall(f"{setting}DetectorList/Detector") if one.get("IsActive") == "1"]
    if len(active) != count:
        return []
    dyes = {one.get("Channel"): one.get("DyeName") for one in element.findall(f"{setting}Spectro/MultiBand")}
    return [(dyes.get(one.get("Channel")) or one.get("Name", "")).removeprefix("Leica/") for one in active]


def _wide_field(element: Any) -> dict[str, tuple[str, str]]:
    """The contrast and the filter cube of channels, by their colour table."""
    told = reversed(element.findall(".//WideFieldChannelInfo"))
    return {
        one.get("LUT", ""): (one.get("ContrastingMethodName", ""), one.get("FluoCubeName", ""))
        for one in told
    }
