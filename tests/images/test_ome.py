"""OME: stacks spread over several files, and what is said of their channels and lengths."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import numpy as np
import pytest
import tifffile

import zeroshot
from tests.cli.commands import run
from zeroshot.images import ImageError
from zeroshot.images.ome import as_signed, values_of_xml
from zeroshot.images.stack import stack_of
from zeroshot.stacks import restore_stack

COUNTS = np.random.default_rng(0).integers(100, 900, (3, 2, 24, 32), dtype=np.uint16)
NAMES = [f"cells_Z{depth}.ome.tif" for depth in range(3)]


def spread(folder: Path, counts: np.ndarray = COUNTS) -> list[Path]:
    """One file for each depth, of two channels; each has the whole description."""
    ids = [f"urn:uuid:{uuid.UUID(int=number + 1)}" for number in range(len(counts))]
    data = "".join(
        f'<TiffData FirstZ="{depth}" FirstC="{channel}" IFD="{channel}" PlaneCount="1">'
        f'<UUID FileName="{name}">{id}</UUID></TiffData>'
        for depth, (name, id) in enumerate(zip(NAMES, ids, strict=True))
        for channel in range(2)
    )
    for name, id, planes in zip(NAMES, ids, counts, strict=True):
        text = (
            f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{id}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="32" SizeY="24" '
            'SizeC="2" SizeZ="3" SizeT="1" PhysicalSizeX="0.2" PhysicalSizeY="200" PhysicalSizeYUnit="nm">'
            '<Channel ID="Channel:0:0" Name="DAPI" Color="65535" SamplesPerPixel="1"/>'
            '<Channel ID="Channel:0:1" Name="GFP" Color="16711935" SamplesPerPixel="1"/>'
            f"{data}</Pixels></Image></OME>"
        )
        tifffile.imwrite(
            folder / name, planes, photometric="minisblack", metadata=None, description=text.encode()
        )
    return [folder / name for name in NAMES]


@pytest.mark.parametrize("first", [0, 2])
def test_a_stack_over_several_files_is_read_from_any_of_them(tmp_path: Path, first: int) -> None:
    files = spread(tmp_path)
    stack = stack_of(files[first])
    assert stack is not None
    assert (stack.axes, stack.shape) == ("ZCYX", (3, 2, 24, 32))
    assert sorted(path.name for path in stack.others) == sorted(set(NAMES) - {NAMES[first]})
    for index in stack.indices():
        np.testing.assert_array_equal(stack.plane(index), COUNTS[index])
    told = stack.metadata
    assert (told.names, told.colours, told.unit) == (("DAPI", "GFP"), ("0000FF", "00FF00"), "µm")
    assert told.scale["Y"] == pytest.approx(0.2)


def test_one_page_in_each_file_is_a_stack(tmp_path: Path) -> None:
    files = spread(tmp_path)
    for path in files:  # each loses its second page
        with tifffile.TiffFile(path) as opened:
            text = opened.ome_metadata.replace('SizeC="2"', 'SizeC="1"')
            page = opened.pages[0].asarray()
        for depth in range(3):
            cut = text.find(f'<TiffData FirstZ="{depth}" FirstC="1"')
            text = text[:cut] + text[text.find("</TiffData>", cut) + 11 :]
        tifffile.imwrite(path, page, photometric="minisblack", metadata=None, description=text.encode())
    stack = stack_of(files[0])
    assert stack is not None
    np.testing.assert_array_equal([stack.plane(index) for index in stack.indices()], COUNTS[:, 0])


def test_the_result_is_one_file_with_all_planes_and_no_input_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = spread(tmp_path)
    before = [path.read_bytes() for path in files]
    words = ["denoise", files[0], "--prior", "dct", "--sigma", "0.001", "--quiet", "-o"]
    code, _, err = run([*words, tmp_path / "out.ome.tif"], capsys)
    assert code == 0, err
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as written:
        assert written.series[0].shape == COUNTS.shape
        assert np.abs(written.asarray().astype(int) - COUNTS).max() <= 1
        assert 'Name="GFP"' in written.ome_metadata
    code, _, err = run([*words, files[1], "--overwrite"], capsys)
    assert code == 2
    assert "never overwritten" in err.splitlines()[-1]
    assert [path.read_bytes() for path in files] == before


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    files = spread(tmp_path)
    files[1].unlink()
    with pytest.raises(
        ImageError, match=r"cells_Z0.ome.tif: has planes in cells_Z1.ome.tif, which is missing"
    ):
        stack_of(files[0])
    text = '<OME xmlns="x"><BinaryOnly MetadataFile="cells_Z0.ome.tif" UUID="urn:uuid:1"/></OME>'
    part = tmp_path / "part.ome.tif"
    tifffile.imwrite(part, COUNTS[0], photometric="minisblack", metadata=None, description=text)
    with pytest.raises(ImageError, match=r"that cells_Z0.ome.tif describes; give that file"):
        stack_of(part)
    outside = spread(tmp_path)[0]
    with tifffile.TiffFile(outside) as opened:
        text = opened.ome_metadata.replace('FileName="cells_Z1', 'FileName="../cells_Z1')
    tifffile.imwrite(outside, COUNTS[0], photometric="minisblack", metadata=None, description=text.encode())
    with pytest.raises(ImageError, match="in another folder"):
        stack_of(outside)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_channels_and_lengths_of_a_store_stay_and_go_into_a_tiff_file(tmp_path: Path, version: str) -> None:
    zarr = pytest.importorskip("zarr", reason="Zarr stores need the extra zarr")
    source, store, tiff = tmp_path / "a.zarr", tmp_path / "o.zarr", tmp_path / "o.ome.tif"
    channels = [
        {"label": "DAPI", "color": "0000FF", "active": True, "window": {"start": 0, "end": 900}},
        {"label": "GFP", "color": "00FF00", "active": False, "coefficient": 1.0},
    ]
    axes = [
        {"name": "t", "type": "time", "unit": "millisecond"},
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "nanometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    scale = [{"type": "scale", "scale": [40.0, 1.0, 500.0, 0.5]}]
    described = {
        "multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}],
        "omero": {"name": "cells", "channels": channels, "rdefs": {"model": "color"}},
    }
    group = zarr.open_group(str(source), mode="w", zarr_format=2 if version == "0.4" else 3)
    group.attrs.update(described if version == "0.4" else {"ome": {"version": "0.5", **described}})
    group.create_array("0", shape=COUNTS.shape, dtype=np.uint16, chunks=(1, 1, 24, 32))[...] = COUNTS
    for path in (store, tiff):
        restore_stack(source, "denoise", path, "dct", sigma=0.001, progress=False)
    written = dict(zarr.open_group(str(store), mode="r").attrs)
    assert written["omero"] == described["omero"]
    (told,) = written["multiscales"]
    assert [one.get("unit") for one in told["axes"]] == ["millisecond", None, "micrometer", "micrometer"]
    assert told["datasets"][0]["coordinateTransformations"][0]["scale"] == pytest.approx([40, 1, 0.5, 0.5])
    with tifffile.TiffFile(tiff) as opened:
        text = opened.ome_metadata
    values = values_of_xml(text)
    assert values["names"] == ("DAPI", "GFP")
    assert values["colours"] == ("0000FF", "00FF00")
    assert values["scale"] == pytest.approx({"X": 0.5, "Y": 0.5, "T": 40.0})
    assert (values["unit"], values["time_unit"]) == ("µm", "ms")


def test_colours_as_numbers_with_a_sign() -> None:
    assert (as_signed("FFFFFF"), as_signed("FF0000"), as_signed("0000FF")) == (-1, -16776961, 65535)


def test_planes_that_the_file_does_not_hold_are_counted_and_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.ome.tif"
    tifffile.imwrite(path, COUNTS[:, 0], photometric="minisblack", metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as opened:
        text = opened.ome_metadata
    text = re.sub(r"<TiffData.*?/>|<TiffData.*</TiffData>", "", text, flags=re.DOTALL)
    text = text.replace("</Pixels>", '<TiffData IFD="0" PlaneCount="2"/></Pixels>')
    tifffile.imwrite(path, COUNTS[:2, 0], photometric="minisblack", metadata=None, description=text.encode())
    stack = stack_of(path)
    assert stack is not None
    assert (stack.count, stack.missing) == (3, 1)
    with pytest.warns(UserWarning, match="1 of 3 planes are not in the file, and are taken for 0"):
        zeroshot.denoise(path, sigma=1, prior="dct", progress=False)
