"""Stacks: their axes, what is read of TIFF files, plane by plane, and what is written again."""

import numpy as np
import pytest
import tifffile

from zeroshot.images import ImageError
from zeroshot.images.axes import canonical, checked_axes
from zeroshot.images.stack import ArrayStack, stack_of
from zeroshot.images.stack_writing import save_planes


def counting(shape, dtype=np.uint16):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def planes(stack):
    return np.stack([stack.plane(index) for index in stack.indices()]).reshape(stack.shape)


@pytest.mark.parametrize(
    ("axes", "shape", "reason"),
    [
        ("ZY", (4, 8, 8), "names 2 axes, but the image has 3"),
        ("ZZYX", (1, 1, 8, 8), "twice"),
        ("ZCT", (4, 8, 8), "must name Y and X"),
        ("Z1X", (4, 8, 8), "a letter for each axis"),
        ("", (4, 8, 8), "a letter for each axis"),
        ("YXS", (8, 8, 5), "RGB or RGBA, not 5"),
        ("ZYX", (0, 8, 8), "no pixels"),
    ],
)
def test_axes_that_do_not_fit_are_refused_in_one_line(axes, shape, reason):
    with pytest.raises(ImageError, match=reason) as caught:
        checked_axes(axes, shape)
    assert "\n" not in str(caught.value)


def test_the_axes_of_a_plane_go_last():
    assert canonical("YXCZ") == "CZYX"
    assert canonical("SYXT") == "TYXS"


def test_an_array_with_axes_in_any_order_gives_its_planes_and_comes_back():
    array = counting((6, 5, 3, 2))
    stack = ArrayStack(array, "yxcz")
    assert (stack.axes, stack.shape, stack.channels) == ("CZYX", (3, 2, 6, 5), 3)
    np.testing.assert_array_equal(stack.plane((2, 1)), array[:, :, 2, 1])
    whole, axes = stack.as_given(planes(stack), stack.axes)
    np.testing.assert_array_equal(whole, array)
    assert axes == "YXCZ"


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_pages_are_read_as_they_are(tmp_path, compression, dtype):
    array = counting((4, 16, 20), dtype)
    tifffile.imwrite(
        tmp_path / "s.tif", array, photometric="minisblack", metadata=None, compression=compression
    )
    stack = stack_of(tmp_path / "s.tif")
    assert stack.count == 4
    assert stack.dtype == dtype
    np.testing.assert_array_equal(planes(stack), array)


def test_one_page_of_several_channels_is_a_stack(tmp_path):
    array = counting((5, 16, 20))
    for name, given, config in (("c.tif", array, "separate"), ("l.tif", np.moveaxis(array, 0, 2), "contig")):
        path = tmp_path / name
        tifffile.imwrite(
            path, given, photometric="minisblack", planarconfig=config, compression="zlib", metadata=None
        )
        stack = stack_of(path)
        assert stack.axes == "CYX"
        np.testing.assert_array_equal(planes(stack), array)


def test_a_picture_is_no_stack(tmp_path):
    tifffile.imwrite(tmp_path / "grey.tif", counting((16, 20)))
    tifffile.imwrite(tmp_path / "rgb.tif", counting((16, 20, 3), np.uint8), photometric="rgb")
    assert stack_of(tmp_path / "grey.tif") is None
    assert stack_of(tmp_path / "rgb.tif") is None
    assert stack_of(np.zeros((4, 16, 20))) is None


def test_a_picture_of_signed_counts_is_a_stack_of_one_plane(tmp_path):
    array = counting((16, 20), np.int16) - 100
    tifffile.imwrite(tmp_path / "ct.tif", array)
    np.testing.assert_array_equal(stack_of(tmp_path / "ct.tif").plane(()), array)


def test_axes_that_are_told_take_the_place_of_those_in_the_file(tmp_path):
    array = counting((4, 16, 20))
    tifffile.imwrite(tmp_path / "s.tif", array, photometric="rgb", planarconfig="separate", metadata=None)
    stack = stack_of(tmp_path / "s.tif", "ZYX")
    assert stack.axes == "ZYX"
    np.testing.assert_array_equal(planes(stack), array)


def test_pages_of_different_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "s.tif") as writer:
        writer.write(counting((16, 20)), metadata=None)
        writer.write(counting((30, 20)), metadata=None)
    with pytest.raises(ImageError, match="2 pictures of different sizes"):
        stack_of(tmp_path / "s.tif")


def test_a_truncated_stack_is_refused_in_one_line(tmp_path):
    tifffile.imwrite(
        tmp_path / "s.tif", counting((4, 64, 64)), photometric="minisblack", compression="zlib", metadata=None
    )
    data = (tmp_path / "s.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"cut\.tif.*(damaged|truncated)"):
        planes(stack_of(tmp_path / "cut.tif"))


def rewritten(source, target, axes=None):
    stack = stack_of(source, axes)
    whole = planes(stack)
    save_planes(
        (stack.plane(index) for index in stack.indices()),
        stack.axes, stack.shape, stack.dtype, target,
        metadata=stack.metadata, source=stack.source, provenance={"task": "denoise"},
    )  # fmt: skip
    return whole


def test_ome_metadata_survives(tmp_path):
    metadata = {
        "axes": "TCZYX",
        "PhysicalSizeX": 0.1,
        "PhysicalSizeXUnit": "µm",
        "Channel": {"Name": ["DAPI", "GFP"]},
    }
    array = counting((3, 2, 2, 16, 20))
    source, target = tmp_path / "s.ome.tif", tmp_path / "o.ome.tif"
    tifffile.imwrite(source, array, photometric="minisblack", metadata=metadata)
    rewritten(source, target)
    with tifffile.TiffFile(target) as written:
        assert written.is_ome
        assert written.series[0].axes == "TCZYX"
        np.testing.assert_array_equal(written.asarray(), array)
        text = written.ome_metadata
    assert 'PhysicalSizeX="0.1"' in text
    assert 'Name="DAPI"' in text


def test_ome_of_a_file_in_another_order_says_where_its_planes_are(tmp_path):
    array = counting((3, 2, 16, 20))
    source, target = tmp_path / "s.ome.tif", tmp_path / "o.ome.tif"
    tifffile.imwrite(source, array, photometric="minisblack", metadata={"axes": "CZYX"})
    stack = stack_of(source, "ZTYX")
    assert stack.shape == (3, 2, 16, 20)
    rewritten(source, target, "ZTYX")
    with tifffile.TiffFile(target) as written:
        assert written.series[0].axes == "ZTYX"
        np.testing.assert_array_equal(written.asarray(), array)


def test_a_hyperstack_of_imagej_stays_one(tmp_path):
    array = counting((2, 3, 2, 16, 20))
    source, target = tmp_path / "s.tif", tmp_path / "o.tif"
    tifffile.imwrite(
        source,
        array,
        imagej=True,
        resolution=(5, 5),
        metadata={"axes": "TZCYX", "unit": "um", "spacing": 0.3},
    )
    rewritten(source, target)
    with tifffile.TiffFile(target) as written:
        assert written.is_imagej
        assert written.series[0].axes == "TZCYX"
        assert written.imagej_metadata["spacing"] == 0.3
        assert written.pages[0].tags["XResolution"].value == (5, 1)
        np.testing.assert_array_equal(written.asarray(), array)


def test_pages_with_a_description_keep_it_and_their_resolution(tmp_path):
    array = counting((3, 16, 20, 3), np.uint8)
    source, target = tmp_path / "s.tif", tmp_path / "o.tif"
    tifffile.imwrite(
        source, array, photometric="rgb", metadata=None, description="folio 12", resolution=(300, 300),
        resolutionunit="INCH",
    )  # fmt: skip
    rewritten(source, target)
    with tifffile.TiffFile(target) as written:
        assert len(written.pages) == 3
        assert written.pages[0].description == "folio 12"
        assert written.pages[0].tags["XResolution"].value == (300, 1)
        np.testing.assert_array_equal(written.asarray(), array)


def test_an_output_that_exists_or_is_no_tiff_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "o.tif").write_bytes(b"mine")
    for path, reason in (
        (tmp_path / "o.tif", "exists already"),
        (tmp_path / "o.png", "a stack is written as"),
    ):
        with pytest.raises(ImageError, match=reason):
            save_planes(iter(()), "ZYX", (1, 8, 8), np.dtype(np.uint8), path)
    assert (tmp_path / "o.tif").read_bytes() == b"mine"


def test_planes_that_end_in_an_error_leave_nothing_behind(tmp_path):
    def broken():
        yield np.zeros((8, 8), np.uint8)
        raise RuntimeError("no more")

    with pytest.raises((RuntimeError, ImageError)):
        save_planes(broken(), "ZYX", (2, 8, 8), np.dtype(np.uint8), tmp_path / "o.tif")
    assert not list(tmp_path.iterdir())


def test_a_file_whose_tags_announce_more_than_it_holds_is_refused_at_once(tmp_path):
    """The reader of the axes would read a tag as often as its count says."""
    path = tmp_path / "s.tif"
    tifffile.imwrite(
        path, counting((3, 16, 20)), photometric="minisblack", metadata=None, description="x" * 40
    )
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as opened:
        at = opened.pages[0].tags[270].offset
    data[at + 4 : at + 8] = (2**31).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    with pytest.raises(ImageError, match=r"s\.tif: is damaged: its tags announce more than the file holds"):
        stack_of(path)
