"""CZI, the files of Zeiss's microscopes: a scene as a stack, read plane by plane by pylibCZIrw.

What it is made of, tiles and levels of a pyramid, is put together by the library: a plane is a scene as a whole, in
full resolution.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot.images.errors import ImageError
from zeroshot.images.extras import imported
from zeroshot.images.scenes import chosen_scene
from zeroshot.images.stack import Index, Stack, StackMetadata, errors_of_file

_TYPES = {
    "Gray8": np.uint8,
    "Gray16": np.uint16,
    "Gray32Float": np.float32,
    "Bgr24": np.uint8,
    "Bgr48": np.uint16,
}
#: What counts planes, in the order of a stack: views, phases, rotations, illuminations, then time, channels, depth.
_COUNTED = "VHRITCZ"
_MICROMETRES = 1e6  # in a metre


def czi_stack(path: Path, scene: int | str | None) -> Stack:
    """A scene of a file.

    Parameters
    ----------
    path : pathlib.Path
    scene : int, str or None
        Which, by its number, from 1, or its name; by default the first.

    Raises
    ------
    ImageError
        In one line, where pylibCZIrw is missing, there is no such scene, or its pixels are of kinds that do not go
        together.
    """
    czi = imported("pylibCZIrw.czi", "microscopes", "a microscope file (.czi)")
    return _CziStack(path, czi.CziReader(str(path)), scene)


class _CziStack(Stack):
    """The planes of a scene, out of a file that stays open."""

    def __init__(self, path: Path, document: Any, scene: int | str | None) -> None:
        self._document, self.source = document, path.absolute()
        root = ElementTree.fromstring(document.raw_metadata)
        places = dict(sorted(document.scenes_bounding_rectangle_no_pyramid.items()))
        names = _names_of_scenes(root, list(places)) or ["the whole"]
        number, self.remarks = chosen_scene(names, scene, "scene")
        self.scene = names[number] if len(names) > 1 else None
        # Read by its number: what lies over it may be of another scene.
        self._scene: int | None = list(places)[number] if places else None
        self._place: Any = (
            document.total_bounding_rectangle_no_pyramid if self._scene is None else places[self._scene]
        )
        bounds = document.total_bounding_box_no_pyramid
        lengths = {axis: end - start for axis in _COUNTED for start, end in [bounds.get(axis, (0, 1))]}
        counted = "".join(axis for axis in _COUNTED if lengths[axis] > 1)
        kinds = {document.get_channel_pixel_type(channel) for channel in range(lengths["C"])}
        self.dtype, colour = _common_type(kinds)
        self.axes = counted + ("YXS" if colour else "YX")
        self.shape = (
            *(lengths[axis] for axis in counted),
            self._place.h,
            self._place.w,
            *((3,) if colour else ()),
        )
        self.metadata = _metadata(root, lengths["C"])

    def plane(self, index: Index) -> np.ndarray:
        place = dict(zip(self.counted, index, strict=True))
        with errors_of_file(Path(str(self.source))):
            pixels = self._document.read(roi=self._place, plane=place, scene=self._scene)
        if self.axes.endswith("S"):
            pixels = pixels[..., ::-1]  # they are blue, green and red
        return np.ascontiguousarray(pixels.reshape(self.plane_shape), self.dtype)


def _common_type(kinds: set[str]) -> tuple[np.dtype, bool]:
    """The type that holds the values of all channels, and whether they are colours."""
    colours = {kind.startswith("Bgr") for kind in kinds}
    unknown = kinds - set(_TYPES)
    if unknown:
        raise ImageError(
            f"holds {', '.join(sorted(unknown))} pixels; those that are read are {', '.join(_TYPES)}"
        )
    if len(colours) > 1:
        raise ImageError("holds channels in grey beside one in colour; export them as files of their own")
    return np.result_type(*(_TYPES[kind] for kind in kinds)), colours.pop()


def _names_of_scenes(root: ElementTree.Element, numbers: list[int]) -> list[str]:
    """The names of scenes with those of the wells or shapes they lie in; numbers, from 1, where that is not enough."""
    told = {}
    for one in root.iterfind(".//Information/Image/Dimensions/S/Scenes/Scene"):
        shape = one.find("Shape")
        told[one.get("Index")] = "-".join(
            filter(None, (one.get("Name"), None if shape is None else shape.get("Name")))
        )
    names = [told.get(str(number), "") for number in numbers]
    return names if all(names) and len(set(names)) == len(names) else [str(one + 1) for one in numbers]


def _metadata(root: ElementTree.Element, channels: int) -> StackMetadata:
    scale = {}
    for one in root.iterfind("./Metadata/Scaling/Items/Distance"):
        length = _number(one.findtext("Value"))
        if one.get("Id") in ("X", "Y", "Z") and length > 0:
            scale[str(one.get("Id"))] = length * _MICROMETRES
    step = _number(root.findtext(".//Information/Image/Dimensions/T/Positions/Interval/Increment"))
    if step > 0:
        scale["T"] = step
    names, colours = [""] * channels, [""] * channels
    for described in (
        ".//Information/Image/Dimensions/Channels/Channel",
        "./Metadata/DisplaySetting/Channels/Channel",
    ):
        for place, one in enumerate(root.findall(described)[:channels]):
            names[place] = names[place] or one.get("Name") or ""
            colours[place] = colours[place] or _colour(one.findtext("Color"))
    return StackMetadata(
        scale=scale,
        unit="µm",
        time_unit="s" if "T" in scale else None,
        names=tuple(names) if all(names) else (),
        colours=tuple(colours) if all(colours) else (),
    )


def _number(text: str | None) -> float:
    try:
        value = float(text or "nan")
    except ValueError:
        return 0.0
    return value if np.isfinite(value) else 0.0


def _colour(text: str | None) -> str:
    """RRGGBB of #AARRGGBB."""
    digits = (text or "").removeprefix("#")
    is_told = len(digits) == 8 and all(one in "0123456789abcdefABCDEF" for one in digits)
    return digits[2:].upper() if is_told else ""
