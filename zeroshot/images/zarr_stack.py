"""Stacks in Zarr: arrays in chunks, bare or with the axes and scales of OME-Zarr (NGFF 0.4 and 0.5).

Only the chunks of the plane that is asked for are read. A bare array comes back as one; everything else is written as
OME-Zarr with one level.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot.files import NotWrittenError, partial_name, patiently
from zeroshot.images.errors import ImageError
from zeroshot.images.extras import imported
from zeroshot.images.ome import ZARR_UNITS, in_common_unit, omero_block, values_of_omero
from zeroshot.images.stack import ArrayStack, Index, Stack, StackMetadata, StackOutput
from zeroshot.spelling import CHOOSE_ANOTHER, OutputExistsError, Wording

_PROVENANCE = "zeroshot"
_LEVEL = "0"
_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
#: The height and width of chunks.
CHUNK = 512
_NAMES = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}


def zarr_stack(path: Path, axes: str | None) -> Stack:
    """The array of a Zarr store, or that of the first level of an OME-Zarr image."""
    zarr = imported("zarr", "zarr", "Zarr")
    opened = zarr.open(str(path), mode="r")
    if isinstance(opened, zarr.Array):
        named = "".join(
            str(one)[:1].upper() for one in getattr(opened.metadata, "dimension_names", None) or ()
        )
        held: dict[str, Any] = {"zarr": dict(opened.attrs), "bare": True}
        found = axes or (named if len(named) == opened.ndim else _NAMES.get(opened.ndim))
        if found is None:
            advice = Wording("; say axes='TCZYX' or the like", "; say --axes TCZYX or the like")
            raise ImageError(f"is an array of {opened.ndim} axes without names", advice)
        return ArrayStack(opened, found, path.absolute(), StackMetadata(attributes=held))
    attributes: dict[str, Any] = dict(opened.attrs)
    described = attributes.get("ome", attributes).get("multiscales")
    if not described:
        names = ", ".join(sorted(opened.array_keys())[:5]) or "none"
        raise ImageError(f"is a Zarr group that is no image of OME-Zarr; give one of its arrays ({names})")
    level = described[0]["datasets"][0]
    array = opened[level["path"]]
    if not isinstance(array, zarr.Array):
        raise ImageError(f"has no array {level['path']!r}, which its description names")
    told = described[0].get("axes") or list(_NAMES.get(array.ndim, "").lower())
    letters = "".join(str(one["name"] if isinstance(one, Mapping) else one)[:1].upper() for one in told)
    units = {
        str(one["name"])[:1].upper(): one.get("unit")
        for one in told
        if isinstance(one, Mapping) and "name" in one
    }
    scale, unit = in_common_unit(_scale(level, letters), units)
    omero = attributes.get("ome", attributes).get("omero") or {}
    metadata = StackMetadata(
        scale=scale,
        unit=unit,
        time_unit=units.get("T"),
        **values_of_omero(omero),
        attributes={
            "zarr": {
                name: value
                for name, value in attributes.items()
                if name not in ("ome", "multiscales", "omero")
            },
            "omero": omero,
        },
    )
    return ArrayStack(array, axes or letters, path.absolute(), metadata)


def _scale(level: Mapping[str, Any], axes: str) -> dict[str, float]:
    for one in level.get("coordinateTransformations", ()):
        if one.get("type") == "scale" and len(one.get("scale", ())) == len(axes):
            return {
                axis: float(length) for axis, length in zip(axes, one["scale"], strict=True) if axis != "C"
            }
    return {}


# --- writing -------------------------------------------------------------------------------------------------


def write_zarr(output: StackOutput, planes: Iterable[np.ndarray]) -> None:
    """Write a store plane by plane, beside the target, whose name it takes when it is complete."""
    path = output.path
    partial = partial_name(path)
    try:
        target = create_store(partial, output)
        array = array_of(partial, "r+")
        lengths = output.shape[: len(output.counted)]
        for index, plane in zip(np.ndindex(*lengths), planes, strict=True):
            put(array, target, dict(zip(output.counted, index, strict=True)), plane)
        put_in_place(partial, path, output.overwrite)
    except OSError as error:
        if isinstance(error, NotWrittenError | OutputExistsError):
            raise
        raise NotWrittenError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def create_store(store: Path, output: StackOutput) -> str:
    """Make an empty store that is to become that of `output`; the axes of its array.

    Its chunks are planes of at most `CHUNK` pixels in height and width.
    """
    zarr = imported("zarr", "zarr", "Zarr")
    axes, metadata = output.axes, output.metadata
    provenance = {} if output.provenance is None else {_PROVENANCE: json.loads(output.provenance)}
    kept = {name: one for name, one in metadata.attributes.get("zarr", {}).items() if name != _PROVENANCE}
    bare = bool(metadata.attributes.get("bare"))
    target = target_axes(axes, metadata, output.path)
    sizes = dict(zip(axes, output.shape, strict=True))
    if target != axes and "S" in axes:
        sizes["C"] = sizes["S"]
    whole = tuple(sizes[one] for one in target)
    chunks = tuple(
        min(sizes[one], CHUNK) if one in "YX" else sizes[one] if one == "S" else 1 for one in target
    )
    options = {"shape": whole, "chunks": chunks, "dtype": output.dtype}
    if bare:
        zarr.create_array(store=str(store), zarr_format=2, attributes={**kept, **provenance}, **options)
        return target
    described = _multiscales(target, sizes.get("C", 0), metadata, output.enlarged, output.path.stem)
    group = zarr.open_group(
        str(store), mode="w", zarr_format=2, attributes={**kept, **described, **provenance}
    )
    group.create_array(_LEVEL, chunk_key_encoding={"name": "v2", "separator": "/"}, **options)
    return target


def target_axes(axes: str, metadata: StackMetadata, path: Path) -> str:
    """The axes of the array of a store that :func:`create_store` makes for a stack with these."""
    return axes if metadata.attributes.get("bare") else _ngff_axes(axes, path)


def array_of(store: Path, mode: str) -> Any:
    """The array of a store that was made by :func:`create_store`."""
    opened = imported("zarr", "zarr", "Zarr").open(str(store), mode=mode)
    return opened[_LEVEL] if _LEVEL in getattr(opened, "array_keys", list)() else opened


def put(array: Any, axes: str, place: Mapping[str, int | slice], plane: np.ndarray) -> None:
    """Write a plane, or the part of one that `place` names by axes, where colours may be channels."""
    if plane.ndim == 3 and "S" not in axes:  # colours as channels
        for channel in range(plane.shape[2]):
            put(array, axes, {**place, "C": channel}, plane[..., channel])
        return
    where: Index | tuple[Any, ...] = tuple(place.get(one, slice(None)) for one in axes)
    array[where] = plane


def _ngff_axes(axes: str, path: Path) -> str:
    """The axes in the order that OME-Zarr asks for: time, channel, space."""
    counted = axes.partition("Y")[0]
    if "S" in axes and "C" in axes:
        raise ImageError(f"{path}: OME-Zarr has no samples of colour beside channels; use TIFF")
    letters = set(counted) | ({"C"} if "S" in axes else set())
    return (
        "".join(one for one in counted if one not in "TCZ")
        + "".join(one for one in "TCZ" if one in letters)
        + "YX"
    )


def _multiscales(
    axes: str, channels: int, metadata: StackMetadata, enlarged: tuple[float, float], name: str
) -> dict[str, Any]:
    factors = {"X": enlarged[0], "Y": enlarged[1]}
    told = []
    for axis in axes:
        one: dict[str, Any] = {"name": axis.lower(), **({"type": _TYPES[axis]} if axis in _TYPES else {})}
        unit = {"space": metadata.unit, "time": metadata.time_unit}.get(_TYPES.get(axis, ""))
        if unit:
            one["unit"] = ZARR_UNITS.get(unit, unit)
        told.append(one)
    scale = [metadata.scale.get(axis, 1.0) / factors.get(axis, 1.0) for axis in axes]
    level = {"path": _LEVEL, "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    described: dict[str, Any] = {
        "multiscales": [{"version": "0.4", "name": name, "axes": told, "datasets": [level]}]
    }
    kept = metadata.attributes.get("omero", {})
    omero = omero_block(kept, metadata.names, metadata.colours, channels)
    return described | ({"omero": omero} if omero else {})


def put_in_place(partial: Path, path: Path, overwrite: bool) -> None:
    """Give a store that is complete its name."""
    if not os.path.lexists(path):
        patiently(os.rename, partial, path)
        return
    if not overwrite:
        raise OutputExistsError(f"{path}: exists already", CHOOSE_ANOTHER)
    # Not the name of a partial file: those are removed when a run begins.
    replaced = path.with_name(f".zeroshot-{secrets.token_hex(8)}.old")
    patiently(os.rename, path, replaced)
    try:
        patiently(os.rename, partial, path)
    except OSError:
        os.rename(replaced, path)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def zarr_provenance(path: Path) -> dict[str, Any] | None:
    """How a store was made, where it says so."""
    found = imported("zarr", "zarr", "Zarr").open(str(path), mode="r").attrs.get(_PROVENANCE)
    return dict(found) if isinstance(found, Mapping) else None
