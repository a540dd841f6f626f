"""What the tags of a TIFF say of its samples: depths, signs, colours, planes, stacks, channels without a meaning."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from zeroshot.images import ImageError, load


def tiff_of(path: Path, array: np.ndarray, **options: object) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tifffile's, of how it guesses
        tifffile.imwrite(path, array, **options)
    return path


def refusal(path: Path, match: str) -> None:
    with pytest.raises(ImageError, match=match) as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.fixture
def stack() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 65536, (4, 12, 16)).astype(np.uint16)


# --- stacks and channels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"metadata": None}, {"photometric": "rgb"}])
def test_four_planes_are_no_picture_with_alpha(tmp_path, stack, options):
    refusal(tiff_of(tmp_path / "a.tif", stack, **options), "array of 4 × 12 × 16, which may be 4 pages")


def test_three_planes_are_rgb_and_that_is_said(tmp_path, stack):
    with pytest.warns(UserWarning, match="array of 3 × 12 × 16 that is marked as RGB"):
        picture = load(tiff_of(tmp_path / "a.tif", stack[:3]))
    np.testing.assert_array_equal(picture.as_given(), np.moveaxis(stack[:3], 0, -1))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("channels", "held"), [(2, "grey and 1 more"), (5, "RGB and 2 more"), (7, "RGB and 4 more")]
)
def test_channels_without_a_meaning_are_refused(tmp_path, dtype, channels, held):
    kind = "minisblack" if channels == 2 else "rgb"
    array = np.ones((6, 7, channels), dtype)
    path = tiff_of(tmp_path / "a.tif", array, photometric=kind, planarconfig="contig")
    refusal(path, rf"holds {channels} channels, {held} \(unspecified\)")


def test_alpha_beside_another_channel_is_refused(tmp_path):
    array = np.ones((6, 7, 5), np.uint8)
    path = tiff_of(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unassalpha", "unspecified"])
    refusal(path, r"2 more \(alpha and unspecified\)")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [2, 4])
def test_premultiplied_colours_are_divided_by_alpha(tmp_path, dtype, channels):
    top = np.iinfo(dtype).max
    array = np.zeros((2, 3, channels), dtype)
    array[0, 0] = (*[top // 5] * (channels - 1), top // 5 * 2)
    array[1] = top
    kind = "minisblack" if channels == 2 else "rgb"
    path = tiff_of(
        tmp_path / "a.tif", array, photometric=kind, extrasamples=["assocalpha"], planarconfig="contig"
    )
    given = load(path).as_given()
    np.testing.assert_allclose(given[0, 0, :-1], top / 2, atol=1)
    np.testing.assert_array_equal(given[..., -1], array[..., -1])
    assert (given[1] == top).all()


def test_a_fourth_channel_of_8_bits_without_a_meaning_is_left_out(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (6, 7, 4)).astype(np.uint8)
    path = tiff_of(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unspecified"])
    with pytest.warns(UserWarning, match="not marked as alpha"):
        np.testing.assert_array_equal(load(path).as_given(), array[..., :3])


# --- samples ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint32", "uint64", "complex64"])
def test_unusual_samples_are_refused_with_the_way_out(tmp_path, dtype):
    path = tiff_of(tmp_path / "a.tif", np.ones((4, 5), dtype), photometric="minisblack")
    refusal(path, f"holds {dtype} samples; accepted are .*: .*float32")


def packed(values: np.ndarray, bits: int) -> bytes:
    """Rows of unsigned integers without gaps, each row from a whole byte on."""
    rows = []
    for row in values.reshape(len(values), -1):
        text = "".join(format(int(value), f"0{bits}b") for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return b"".join(rows)


def tiff_with(
    tags: dict[int, int | tuple[int, ...]], pixels: bytes, order: str = "<", big: bool = False
) -> bytes:
    """A TIFF whose pixels lie behind its directory; tags of several values are 16-bit numbers."""
    whole, counter = ("Q", "Q") if big else ("I", "H")
    head = 16 if big else 8
    room, kind = (8, 16) if big else (4, 4)
    tags = tags | {273: 0, 279: len(pixels)}
    start = (
        head + struct.calcsize(order + counter) + (4 + 2 * struct.calcsize(order + whole)) * len(tags) + room
    )
    entries, behind = b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, tuple):
            where = start + len(behind)
            behind += struct.pack(f"{order}{len(value)}H", *value).ljust(8, b"\0")
            entries += struct.pack(order + "HH" + 2 * whole, tag, 3, len(value), where)
        else:
            entries += struct.pack(order + "HH" + 2 * whole, tag, kind, 1, value)
    place = struct.pack(order + whole, start + len(behind))
    entries = entries.replace(
        struct.pack(order + "HH" + 2 * whole, 273, kind, 1, 0),
        struct.pack(order + "HH" + whole, 273, kind, 1) + place,
    )
    mark = b"II" if order == "<" else b"MM"
    first = struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    directory = struct.pack(order + counter, len(tags)) + entries + struct.pack(order + whole, 0)
    return mark + first + directory + behind + pixels


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8, 10, 12, 14, 16])
def test_integers_of_every_depth_are_widened(tmp_path, bits, order, big):
    values = np.random.default_rng(bits).integers(0, 1 << bits, (5, 7))
    values[0, :2] = 0, (1 << bits) - 1
    stored = values.astype(f"{order}u2").tobytes() if bits == 16 else packed(values, bits)
    tags: dict[int, int | tuple[int, ...]] = {256: 7, 257: 5, 258: bits, 259: 1, 262: 1, 277: 1, 278: 5}
    (tmp_path / "a.tif").write_bytes(tiff_with(tags, stored, order, big))
    given = load(tmp_path / "a.tif").as_given()
    top = 255 if bits <= 8 else 65535
    assert given.dtype == (np.uint8 if bits <= 8 else np.uint16)
    np.testing.assert_array_equal(given, np.rint(values * (top / ((1 << bits) - 1))))


def test_packed_colours_of_12_bits(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (5, 7, 3))
    tags = {256: 7, 257: 5, 258: (12, 12, 12), 259: 1, 262: 2, 277: 3, 278: 5}
    (tmp_path / "a.tif").write_bytes(tiff_with(tags, packed(values, 12)))
    np.testing.assert_array_equal(load(tmp_path / "a.tif").as_given(), np.rint(values * (65535 / 4095)))


def test_samples_of_several_depths_are_refused(tmp_path):
    tags = {256: 4, 257: 4, 258: (5, 6, 5), 259: 1, 262: 2, 277: 3, 278: 4}
    (tmp_path / "a.tif").write_bytes(tiff_with(tags, bytes(64)))
    refusal(tmp_path / "a.tif", "different depths")


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
def test_white_is_zero_at_every_depth(tmp_path, bits):
    values = np.random.default_rng(0).integers(0, 1 << bits, (4, 6))
    stored = values.astype("<u2").tobytes() if bits == 16 else packed(values, bits)
    tags = {256: 6, 257: 4, 258: bits, 259: 1, 262: 0, 277: 1, 278: 4}
    (tmp_path / "a.tif").write_bytes(tiff_with(tags, stored))
    whole = load(tmp_path / "a.tif").colours[0, 0].numpy()
    np.testing.assert_allclose(whole, 1 - values / ((1 << bits) - 1), atol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_every_depth(tmp_path, bits):
    rng = np.random.default_rng(0)
    colours, values = rng.integers(0, 256, (1 << bits, 3)), rng.integers(0, 1 << bits, (4, 6))
    colours[0] = 255
    tags = {
        256: 6,
        257: 4,
        258: bits,
        259: 1,
        262: 3,
        277: 1,
        278: 4,
        320: tuple((colours.T * 257).ravel().tolist()),
    }
    (tmp_path / "a.tif").write_bytes(tiff_with(tags, packed(values, bits)))
    np.testing.assert_array_equal(load(tmp_path / "a.tif").as_given(), colours[values])


def test_a_palette_that_is_too_short_is_damage(tmp_path):
    tags = {256: 4, 257: 4, 258: 8, 259: 1, 262: 3, 277: 1, 278: 4, 320: (1, 2, 3)}
    (tmp_path / "a.tif").write_bytes(tiff_with(tags, bytes(16)))
    refusal(tmp_path / "a.tif", "palette has 3 of 768")


def test_ycbcr_of_full_resolution_is_converted_as_pillow_does(tmp_path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3)).astype(np.uint8)).convert(
        "YCbCr"
    )
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate"):
        picture.save(tmp_path / "a.tif", compression=compression)
        np.testing.assert_allclose(
            load(tmp_path / "a.tif").as_given(), np.asarray(picture.convert("RGB")), atol=1
        )


@pytest.mark.parametrize("compression", ["tiff_lzw", "zstd", "lzma", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "I;16", "F"])
def test_what_pillow_writes_is_read_as_pillow_reads_it(tmp_path, compression, mode):
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (20, 24, 3)).astype(np.uint8))
    if mode == "I;16":
        picture = Image.fromarray(rng.integers(0, 65536, (20, 24)).astype(np.uint16))
    elif mode == "F":
        picture = Image.fromarray(rng.random((20, 24)).astype(np.float32))
    else:
        picture = picture.convert(mode)
    try:
        picture.save(tmp_path / "a.tif", compression=compression)
    except OSError:
        pytest.skip(f"this Pillow writes no {compression}")
    expected = picture.convert("RGB") if mode == "P" else picture
    np.testing.assert_array_equal(load(tmp_path / "a.tif").as_given(), np.asarray(expected))


def test_tiles_at_the_edge_and_a_tile_that_was_never_written(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (37, 29)).astype(np.uint8)
    array[:16, :16] = 0
    path = tiff_of(tmp_path / "a.tif", array, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        tags = [page.tags[name] for name in ("TileOffsets", "TileByteCounts")]
        places = [(tag.valueoffset, "<I" if tag.dtype == 4 else "<H") for tag in tags]
    data = bytearray(path.read_bytes())
    for place, form in places:
        struct.pack_into(form, data, place, 0)
    for content in (path.read_bytes(), bytes(data)):
        path.write_bytes(content)
        np.testing.assert_array_equal(load(path).as_given(), array)
