"""LIF, the files of Leica's microscopes, written here as LAS X writes them: axes, scenes, colours, damage."""

import struct
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import tifffile

import zeroshot
from tests.cli.commands import run
from zeroshot.images import ImageError
from zeroshot.images.leica import named_axes
from zeroshot.images.stack import stack_of

DIMENSIONS = {"X": 1, "Y": 2, "Z": 3, "T": 4, "λ": 5, "Λ": 9, "M": 10, "L": 11}
#: The way from the first to the last, in metres and seconds.
LENGTHS = {"X": 9e-6, "Y": 4.5e-6, "Z": 8e-6, "T": 3.0, "λ": 40e-9, "Λ": 10e-9}


def image_element(name, dims, array, tables=(), dyes=(), tags=(0, 0, 0), bits=(), kind="Image", block=0):
    """The XML of an image whose axes are told as liffile tells them, "TCZX", and how its pixels lie."""
    opening = f'<{kind} IsImage="true">' if kind == "SingleMoleculeDetection" else f"<{kind}>"
    strides = dict(zip(dims, array.strides, strict=True))
    lengths = dict(zip(dims, array.shape, strict=True))
    inner = "S" if "S" in dims else "C"
    count = lengths.get(inner, 1)
    channels = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="{tags[place] if inner == "S" else 0}" '
        f'Resolution="{(bits or [8 * array.itemsize] * count)[place]}" NameOfMeasuredQuantity="" '
        'Min="0" Max="255" Unit="" '
        f'LUTName="{(tables or ["Gray"] * count)[place]}" IsLUTInverted="0" '
        f'BytesInc="{place * strides.get(inner, 0)}" BitInc="0">'
        + (
            f"<ChannelProperty><Key>DyeName</Key><Value>{dyes[place]}</Value></ChannelProperty>"
            if dyes
            else ""
        )
        + "</ChannelDescription>"
        for place in range(count)
    )
    dimensions = "".join(
        f'<DimensionDescription DimID="{DIMENSIONS[one]}" NumberOfElements="{lengths[one]}" Origin="5e-7" '
        f'Length="{LENGTHS.get(one, 0)}" Unit="m" BitInc="0" BytesInc="{strides[one]}"/>'
        for one in reversed(dims)
        if one not in "CS"
    )
    return (
        f'<Element Name={quoteattr(name)} UniqueID="{block}"><Data>{opening}<ImageDescription>'
        f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription></{kind}></Data>"
        f'<Memory Size="{array.nbytes}" MemoryBlockID="MemBlock_{block}"/></Element>'
    )


def write_lif(path, *images):
    """A file of images, each a name, its axes, its values and what else :func:`image_element` takes."""
    elements = "".join(
        image_element(name, dims, array, block=block, **told)
        for block, (name, dims, array, told) in enumerate(images)
    )
    xml = (
        f'<LMSDataContainerHeader Version="2"><Element Name="experiment"><Children>{elements}</Children></Element>'
        "</LMSDataContainerHeader>"
    ).encode("utf-16-le")
    content = struct.pack("<IIBI", 0x70, 5 + len(xml), 0x2A, len(xml) // 2) + xml
    for block, (_, _, array, _) in enumerate(images):
        name = f"MemBlock_{block}".encode("utf-16-le")
        content += struct.pack("<IIBQBI", 0x70, 14 + len(name), 0x2A, array.nbytes, 0x2A, len(name) // 2)
        content += name + array.tobytes()
    path.write_bytes(content)
    return path


def counts(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


@pytest.fixture
def lif(tmp_path):
    """What writes a file, and the path."""
    pytest.importorskip("liffile", reason="the extra microscopes is not installed")
    return lambda *images: write_lif(tmp_path / "scan.lif", *images)


def planes(stack):
    return np.stack([stack.plane(index) for index in stack.indices()]).reshape(stack.shape)


@pytest.mark.parametrize(
    ("dims", "axes"),
    [
        ("TCZYX", "TCZYX"),
        ("YX", "YX"),
        ("TCZX", "TCYX"),  # a scan of X and Z
        ("YCZX", "ZCYX"),  # such scans, stepped in Y
        ("CTX", "CYX"),  # a line again and again
        ("λYX", "CYX"),
        ("TλCZYX", "TECZYX"),
        ("ΛλYX", "ECYX"),
        ("MCYX", "MCYX"),
        ("LYCX", "LYCX"),  # channels after each line
        ("ZYTX", "ZEYX"),  # a line again and again, at each place
    ],
)
def test_a_frame_of_the_scan_is_a_plane(lif, dims, axes):
    shape = dict(zip("LMTΛλCZYX", (2, 3, 4, 2, 5, 2, 3, 6, 7), strict=True))
    values = counts(*(shape[one] for one in dims), dtype=np.uint16)
    stack = stack_of(lif(("a", dims, values, {})))
    assert stack.shape == tuple(stack.array.shape[axes.index(one)] for one in stack.axes)
    assert sorted(stack.axes) == sorted(axes)
    assert stack.given_axes == axes
    np.testing.assert_array_equal(planes(stack).transpose([stack.axes.index(one) for one in axes]), values)


def test_a_scan_of_x_and_z_tells_its_axes_and_has_the_lengths_of_its_own(lif):
    stack = stack_of(lif(("xzy", "YCZX", counts(4, 2, 5, 10), {})))
    assert [str(one) for one in stack.remarks] == [
        "its planes are XZ scans, whose rows (Z) are called Y; Y, along which they are stacked, is called Z"
    ]
    assert stack.metadata.scale == pytest.approx({"Z": 1.5, "Y": 2.0, "X": 1.0})


def test_what_steps_beside_z_is_not_called_z():
    remarks = named_axes("ZYTX", {"Z": 2, "Y": 4, "T": 9, "X": 9}).remarks
    assert remarks == ("its planes are XT scans, whose rows (T) are called Y",)


def test_wavelengths_are_channels_by_name(lif):
    stack = stack_of(lif(("sweep", "λYX", counts(5, 6, 7), {})))
    assert stack.metadata.names == ("500 nm", "510 nm", "520 nm", "530 nm", "540 nm")
    assert "the 5 wavelengths of its emission are its channels" in map(str, stack.remarks)


@pytest.mark.parametrize(
    ("told", "names", "colours"),
    [
        ({"tables": ["Green", "Red"]}, ("Green", "Red"), ("00FF00", "FF0000")),
        ({"tables": ["Green", "Fire"], "dyes": ["FITC", "Cy5"]}, ("FITC", "Cy5"), ()),
    ],
)
def test_channels_have_the_names_of_their_dyes_or_colours(lif, told, names, colours):
    metadata = stack_of(lif(("a", "CYX", counts(2, 6, 7), told))).metadata
    assert (metadata.names, metadata.colours) == (names, colours)


@pytest.mark.parametrize("tags", [(1, 2, 3), (3, 2, 1)])
def test_colours_are_red_green_and_blue_whatever_their_order_in_the_file(lif, tags):
    values = counts(6, 8, 3)
    stack = stack_of(lif(("overview", "YXS", values, {"tags": tags})))
    assert stack.axes == "YXS"
    np.testing.assert_array_equal(planes(stack), values if tags[0] == 1 else values[..., ::-1])


def test_of_several_images_one_is_chosen_by_number_or_name(lif, tmp_path, capsys):
    first, second = counts(2, 64, 64), np.uint8(255) - counts(64, 64)
    path = lif(("Series 1", "ZYX", first, {}), ("Series 2", "YX", second, {}))
    for scene, wanted in ((None, first), (1, first), (2, second), ("2", second), ("Series 2", second)):
        np.testing.assert_array_equal(planes(stack_of(path, scene=scene)), wanted)
    for scene in (0, 3, "Series", True, 1.0):
        with pytest.raises(ImageError, match=r"is not one of its 2 images, .*: 1 'Series 1', 2 'Series 2'"):
            stack_of(path, scene=scene)
    with pytest.raises(ImageError, match=r"scene=2 is not its only image: 1 'one'$"):
        stack_of(write_lif(tmp_path / "one.lif", ("one", "YX", second, {})), scene=2)
    code, _, err = run(["denoise", path, "--prior", "dct", "--scene", "Series 2"], capsys)
    assert (code, "is taken" in err) == (0, False), err
    assert tifffile.imread(tmp_path / "scan.denoised.tif").shape == (64, 64)
    assert zeroshot.images.read_provenance(tmp_path / "scan.denoised.tif")["stack"]["scene"] == "Series 2"
    code, out, err = run(["inspect", path], capsys)
    assert "image 1 of 2, 'Series 1', is taken; choose another with --scene" in err
    code, out, _ = run(["inspect", path, "--scene", "2"], capsys)
    assert "64 × 64" in out
    assert all("--scene 'Series 2'" in line for line in out.splitlines() if "zeroshot denoise" in line)


def test_the_scene_is_part_of_what_a_run_is_known_by(lif, tmp_path):
    values = counts(2, 16, 16)
    path = lif(("a", "ZYX", values, {}), ("b", "ZYX", values, {}))
    course = [
        zeroshot.solve(path, "denoise", "dct", scene=scene, sigma=0.1).provenance["stack"] for scene in (1, 2)
    ]
    assert course[0] | {"scene": "b"} == course[1]


def test_where_there_are_no_scenes_none_is_chosen(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", counts(3, 16, 16), photometric="minisblack")
    for image in (tmp_path / "a.tif", counts(16, 16)):
        with pytest.raises(ImageError, match="scene=… goes with a microscope file: CZI, LIF or ND2"):
            zeroshot.solve(image, "denoise", "dct", scene=2)


def test_it_is_known_by_its_content(lif, tmp_path):
    path = lif(("a", "ZYX", counts(2, 16, 16), {})).rename(tmp_path / "scan.tif")
    assert stack_of(path).shape == (2, 16, 16)
    tifffile.imwrite(tmp_path / "pages.lif", counts(3, 16, 16), photometric="minisblack")
    assert stack_of(tmp_path / "pages.lif").shape == (3, 16, 16)


def test_a_file_that_was_cut_is_refused_in_one_line_wherever(lif, capsys, tmp_path):
    path = lif(("a", "ZYX", counts(2, 16, 16), {}), ("b", "YX", counts(16, 16), {}))
    content = path.read_bytes()
    whole = len(content) - 16 * 16  # of the first image: what comes behind it is the other's
    refused = set()
    for length in [*range(0, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:length])
        for scene in (1, 2):
            with pytest.raises(ImageError) as error:
                planes(stack_of(path, scene=scene))
                raise ImageError(f"{path}: was read")
            assert str(error.value).startswith(f"{path}: ")
            assert "\n" not in str(error.value)
            if not str(error.value).endswith("was read"):
                refused.add((length, scene))
    assert {length for length, scene in refused if scene == 2} == {
        *range(0, len(content), 97),
        len(content) - 1,
    }
    assert max(length for length, scene in refused if scene == 1) < whole
    assert run(["denoise", path, "--scene", "2"], capsys)[0] == 2
    assert list(tmp_path.iterdir()) == [path]


PHOTONS = ("flim", "YX", counts(16, 16), {"kind": "SingleMoleculeDetection"})


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (
            ("a", "CX", counts(2, 9), {}),
            r"holds a line or a point \(CX, 2 × 9\), not planes of rows and columns",
        ),
        (PHOTONS, r"its image 'flim' holds arrival times of photons \(FLIM\), no intensities; export these"),
        (("a", "CYX", counts(2, 9, 9), {"bits": (8, 16)}), "have different depths; export each as a TIFF"),
        (("a", "YX", counts(0, 9), {}), "has no pixels; it was not recorded"),
        (("a", "YX", counts(9, 9), {"kind": "Experiment"}), "holds no image$"),
    ],
)
def test_what_is_no_image_of_planes_is_refused_with_what_it_is(lif, image, words):
    with pytest.raises(ImageError, match=words) as refused:
        stack_of(lif(image))
    assert "\n" not in str(refused.value)


def test_photons_are_passed_over_where_there_are_intensities(lif):
    stack = stack_of(lif(PHOTONS, ("intensity", "YX", counts(9, 9), {})))
    assert (stack.scene, stack.shape) == ("intensity", (9, 9))
    assert "image 2 of 2, 'intensity', is taken" in str(stack.remarks[0])


def test_axes_without_a_letter_get_a_free_one():
    sizes = dict.fromkeys(["?", "C", "C0", "Y", "X"], 2)
    named = named_axes(list(sizes), sizes)
    assert len(set(named.axes)) == 5
    assert named.axes.endswith("YX")
    assert named.axes.isalpha()
