"""Stacks in Zarr, in and out, and the files of microscopes."""

import sys

import numpy as np
import pytest
import tifffile
from skimage.data import camera

import zeroshot
from tests.cli.commands import run
from zeroshot.images import ImageError, read_provenance
from zeroshot.images.stack import stack_of
from zeroshot.stacks import restore_stack

SCENE = camera()[100:164, 180:244].astype(float)


def noisy(*lengths):
    clean = np.broadcast_to(4 * SCENE + 300, (*lengths, 64, 64))
    counts = clean + np.random.default_rng(0).normal(0, 60, clean.shape)
    return clean, np.rint(counts).clip(0).astype(np.uint16)


def error(values, clean):
    return float(np.sqrt(np.square(np.asarray(values, float) - clean).mean()))


@pytest.fixture
def zarr():
    return pytest.importorskip("zarr", reason="the extra zarr is not installed")


def test_a_bare_array_comes_back_as_one(zarr, tmp_path, capsys):
    clean, counts = noisy(3)
    given = zarr.create_array(
        store=str(tmp_path / "in.zarr"), shape=counts.shape, chunks=(1, 32, 32), dtype=counts.dtype
    )
    given[:] = counts
    given.attrs["sample"] = "liver"
    code, out, err = run(
        ["denoise", tmp_path / "in.zarr", "-o", tmp_path / "out.zarr", "--prior", "dct"], capsys
    )
    assert code == 0, err
    assert "3 × 64 × 64 (ZYX)" in out
    written = zarr.open(str(tmp_path / "out.zarr"), mode="r")
    assert written.dtype == np.uint16
    assert written.attrs["sample"] == "liver"
    assert error(written[:], clean) < 0.6 * error(counts, clean)
    assert read_provenance(tmp_path / "out.zarr")["prior"] == "dct"
    assert not list(tmp_path.glob(".zeroshot-*"))


def test_the_scales_and_names_of_ome_survive_the_way_from_tiff_to_zarr_and_back(zarr, tmp_path):
    _, counts = noisy(2, 3)
    tiff, store, back = tmp_path / "a.ome.tif", tmp_path / "a.zarr", tmp_path / "b.ome.tif"
    tifffile.imwrite(
        tiff,
        counts,
        photometric="minisblack",
        metadata={"axes": "ZCYX", "PhysicalSizeX": 0.4, "PhysicalSizeXUnit": "µm"},
    )
    restore_stack(tiff, "denoise", store, "dct", sigma=0.0, progress=False)
    group = zarr.open_group(str(store), mode="r+")
    told = dict(group.attrs)["multiscales"][0]
    assert [one["name"] for one in told["axes"]] == ["c", "z", "y", "x"]
    np.testing.assert_array_equal(group["0"][:], counts.swapaxes(0, 1))
    assert told["datasets"][0]["coordinateTransformations"][0]["scale"][3] == 0.4
    told["datasets"][0]["coordinateTransformations"][0]["scale"] = [1.0, 0.5, 0.2, 0.2]
    group.attrs["multiscales"] = [told]
    group.attrs["omero"] = {"channels": [{"label": name} for name in ("DAPI", "GFP", "RFP")]}
    stack = stack_of(store)
    assert (stack.axes, stack.metadata.names) == ("CZYX", ("DAPI", "GFP", "RFP"))
    assert stack.metadata.scale == {"Z": 0.5, "Y": 0.2, "X": 0.2}
    restore_stack(store, "sr", back, "tv", scale=2, settings={"iterations": 3}, progress=False)
    with tifffile.TiffFile(back) as opened:
        assert opened.series[0].shape == (3, 2, 128, 128)
        assert 'PhysicalSizeX="0.1"' in opened.ome_metadata
        assert 'Name="GFP"' in opened.ome_metadata


def test_colours_become_channels(zarr, tmp_path):
    colours = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    restored = zeroshot.denoise(colours, 0.0, axes="ZYXS", prior="dct")
    restored.save(tmp_path / "o.zarr")
    np.testing.assert_array_equal(
        zarr.open_group(str(tmp_path / "o.zarr"), mode="r")["0"][:], np.moveaxis(colours, 3, 0)
    )


def test_an_existing_store_is_kept_unless_it_may_be_replaced(zarr, tmp_path):
    _, counts = noisy(2)
    result = zeroshot.denoise(counts, 0.0, axes="ZYX", prior="dct")
    result.save(tmp_path / "o.zarr")
    with pytest.raises(ImageError, match="exists already"):
        result.save(tmp_path / "o.zarr")
    result.save(tmp_path / "o.zarr", overwrite=True)
    assert not list(tmp_path.glob(".zeroshot-*"))


def test_a_group_that_is_no_image_is_refused(zarr, tmp_path):
    zarr.open_group(str(tmp_path / "g.zarr"), mode="w").create_array("a", shape=(2, 2), dtype="u1")
    with pytest.raises(ImageError, match=r"no image of OME-Zarr; give one of its arrays \(a\)"):
        stack_of(tmp_path / "g.zarr")


def test_without_zarr_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / ".zarray").write_text("{}")
    with pytest.raises(ImageError, match=r'Zarr needs zarr: pip install "zeroshot-restore\[zarr\]"'):
        stack_of(tmp_path / "a.zarr")


#: The first bytes of files of microscopes.
BEGINNINGS = {".czi": b"ZISRAWFILE", ".lif": b"p\0\0\0\0\0\0\0*", ".nd2": b"\xda\xce\xbe\n"}


@pytest.mark.parametrize(
    ("suffix", "module"), [(".czi", "pylibCZIrw.czi"), (".lif", "liffile"), (".nd2", "nd2")]
)
def test_without_its_reader_the_extra_is_named(tmp_path, monkeypatch, suffix, module):
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / f"a{suffix}").write_bytes(BEGINNINGS[suffix] + bytes(100))
    needed = f"needs {module.partition('.')[0]}"
    with pytest.raises(ImageError, match=rf'{needed}: pip install "zeroshot-restore\[microscopes\]"'):
        stack_of(tmp_path / f"a{suffix}")


def test_a_store_without_its_description_and_a_spoiled_chunk_are_told(zarr, tmp_path, capsys):
    store = tmp_path / "a.zarr"
    zarr.create_array(store=str(store), shape=(2, 16, 16), chunks=(1, 16, 16), dtype="u2")[:] = 5
    (store / "c/1/0/0").write_bytes(b"spoiled")
    command = ["denoise", store, "-o", tmp_path / "b.zarr", "--prior", "dct"]
    code, _, err = run(command, capsys)
    assert code == 2
    assert f"{store}: is damaged or truncated and cannot be read" in err
    (store / "zarr.json").unlink()
    code, _, err = run(command, capsys)
    assert code == 2
    assert f"{store}: is named as a Zarr store, but has none of zarr.json" in err
    with pytest.raises(ImageError, match="is named as a Zarr store, but has none"):
        zeroshot.denoise(store)
    assert [one.name for one in tmp_path.iterdir()] == ["a.zarr"]
