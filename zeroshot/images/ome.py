"""What OME says of a stack, in the XML of a TIFF file and the attributes of a Zarr store: files, lengths, channels."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeroshot.images.errors import ImageError

#: Units of length as OME-XML writes them, as OME-Zarr does, and in metres.
_UNITS = (
    ("m", "meter", 1.0),
    ("mm", "millimeter", 1e-3),
    ("µm", "micrometer", 1e-6),
    ("nm", "nanometer", 1e-9),
    ("Å", "angstrom", 1e-10),
)
_TIMES = (("s", "second"), ("ms", "millisecond"), ("min", "minute"), ("h", "hour"))
XML_UNITS = {written: short for short, written, _ in _UNITS} | {written: short for short, written in _TIMES}
ZARR_UNITS = {short: written for written, short in XML_UNITS.items()} | {"um": "micrometer"}
_METRES = {name: metres for *names, metres in _UNITS for name in names}


def other_files(text: str, path: Path) -> tuple[Path, ...]:
    """The other files, beside the one at `path` with this OME-XML, that have planes of its stack.

    Raises
    ------
    ImageError
        In one line, where one is missing or in another folder, or `path` is a part that another file describes.
    """
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError:
        return ()
    part = root.find("{*}BinaryOnly")
    if part is not None and str(part.get("MetadataFile")).lower().endswith((".tif", ".tiff")):
        raise ImageError(f"has planes of a stack that {part.get('MetadataFile')} describes; give that file")
    own, names = root.get("UUID"), []
    for told in root.iterfind(".//{*}TiffData/{*}UUID"):
        name = told.get("FileName")
        if name is None or (told.text == own if own is not None else name.lower() == path.name.lower()):
            continue
        names.append(name)
    others = []
    for name in dict.fromkeys(names):
        if Path(name).name != name:
            raise ImageError(f"has planes in another folder ({name}); put its files side by side")
        other = path.with_name(name)
        if not other.is_file():
            raise ImageError(f"has planes in {name}, which is missing; put all its files side by side")
        others.append(other)
    return tuple(others)


def values_of_xml(text: str) -> dict[str, Any]:
    """What OME-XML says, by the names that :class:`~zeroshot.images.stack.StackMetadata` has for it."""
    try:
        pixels = ElementTree.fromstring(text.encode()).find(".//{*}Image/{*}Pixels")
    except ElementTree.ParseError:
        pixels = None
    if pixels is None:
        return {}
    lengths = {
        axis: (pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        for axis in "XYZ"
    }
    told = {axis: (float(length), unit) for axis, (length, unit) in lengths.items() if length}
    unit = told.get("X", (0.0, "µm"))[1]
    scale = {axis: length * _ratio(own, unit) for axis, (length, own) in told.items()}
    step = pixels.get("TimeIncrement")
    if step:
        scale["T"] = float(step)
    channels = pixels.findall("{*}Channel")
    names = tuple(one.get("Name") or "" for one in channels)
    colours = tuple(_from_signed(one.get("Color")) for one in channels)
    return {
        "scale": scale,
        "unit": unit,
        "time_unit": pixels.get("TimeIncrementUnit", "s") if step else None,
        "names": names if any(names) else (),
        "colours": colours if any(colours) else (),
    }


def _ratio(unit: str, other: str) -> float:
    """How many of the other unit one is; 1 where they are not known."""
    if unit == other or unit not in _METRES or other not in _METRES:
        return 1.0
    return _METRES[unit] / _METRES[other]


def in_common_unit(
    scale: Mapping[str, float], units: Mapping[str, str | None]
) -> tuple[dict[str, float], str | None]:
    """Lengths by axis, each in a unit of its own, in that of the rows' pixels, which is told."""
    common = units.get("X")
    converted = {
        axis: length * _ratio(units[axis] or "", common or "") if axis in "YZ" and units.get(axis) else length
        for axis, length in scale.items()
    }
    return converted, common


def _from_signed(colour: str | None) -> str:
    """RRGGBB from the number of 32 bits, with a sign, that OME-XML has for red, green, blue and alpha."""
    try:
        return "" if colour is None else f"{int(colour) % 2**32 >> 8:06X}"
    except ValueError:
        return ""


def as_signed(colour: str) -> int:
    """The number for an opaque colour RRGGBB."""
    value = int(colour, 16) << 8 | 0xFF
    return value - 2**32 if value >= 2**31 else value


def values_of_omero(block: Mapping[str, Any]) -> dict[str, Any]:
    """Names and colours of the channels, of the block that OME-Zarr calls omero."""
    channels = [one for one in block.get("channels", ()) if isinstance(one, Mapping)]
    names = tuple(str(one.get("label", "")) for one in channels)
    colours = tuple(str(one.get("color", "")) for one in channels)
    is_told = any(colours) and all(len(one) == 6 and _is_hexadecimal(one) for one in colours)
    return {"names": names if any(names) else (), "colours": colours if is_told else ()}


def _is_hexadecimal(text: str) -> bool:
    return all(letter in "0123456789abcdefABCDEF" for letter in text)


def omero_block(
    kept: Mapping[str, Any], names: tuple[str, ...], colours: tuple[str, ...], count: int
) -> dict[str, Any]:
    """The block for so many channels: the one that the input had, or what is known of them; {} where nothing is."""
    channels = kept.get("channels", ())
    if len(channels) == count:
        return dict(kept)
    told: list[dict[str, Any]] = [{} for _ in range(count)]
    for label, values in (("label", names), ("color", colours)):
        if len(values) == count:
            for one, value in zip(told, values, strict=True):
                one[label] = value
    return {"channels": told} if any(told) else {}
