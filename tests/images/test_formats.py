"""Image files: every format, depth and channel layout there and back; what files carry; what is refused."""

from __future__ import annotations

import functools
import io
import struct
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import png
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from zeroshot.images import ImageError, decoding, load, read_provenance, save
from zeroshot.images.exif import edit_exif, exif_number
from zeroshot.images.formats import turn_upright
from zeroshot.images.metadata import png_chunk, png_chunks

ORIENTATION = 0x0112
PROVENANCE = {"task": "denoise", "seed": 3, "note": 'quotes " < & > and ümläuts', "sigma": 0.1}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def random_pixels(rng: np.random.Generator, dtype: str, channels: int, height: int = 13, width: int = 17):
    shape = (height, width) if channels == 1 else (height, width, channels)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(np.float32).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


@functools.cache
def profile(space: str = "RGB") -> bytes:
    """Made once, since a profile carries the second at which it was made."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb if space == "RGB" else srgb[:16] + space.encode() + srgb[20:]


def exif_block(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[271] = "Camera maker"
    exif[33432] = "The photographer"
    exif.get_ifd(0x8769)[0x9003] = "2020:02:03 04:05:06"
    exif.get_ifd(0x8769)[0xA002] = 17
    return exif.tobytes()


def exif_of(path: Path) -> Image.Exif:
    return Image.open(io.BytesIO(path.read_bytes())).getexif()


LOSSLESS = [
    *(
        (suffix, dtype, c)
        for suffix in (".png", ".tif")
        for dtype in ("uint8", "uint16")
        for c in (1, 2, 3, 4)
    ),
    *((".tiff", dtype, c) for dtype in ("float32", "float64") for c in (1, 2, 3, 4)),
    *((".webp", "uint8", c) for c in (3, 4)),
    *((".bmp", "uint8", c) for c in (1, 3, 4)),
]


@pytest.mark.parametrize(("suffix", "dtype", "channels"), LOSSLESS)
def test_lossless_formats_keep_every_bit(tmp_path, rng, suffix, dtype, channels):
    pixels = random_pixels(rng, dtype, channels)
    save(load(pixels), tmp_path / f"first{suffix}")
    save(load(tmp_path / f"first{suffix}"), tmp_path / f"second{suffix}")
    for name in ("first", "second"):
        back = load(tmp_path / f"{name}{suffix}").as_given()
        assert back.dtype == pixels.dtype
        np.testing.assert_array_equal(back, pixels)


@pytest.mark.parametrize(
    ("suffix", "dtype", "written"),
    [(".png", "float32", "uint16"), (".png", "bool", "uint8"), (".tif", "float16", "float32")]
    + [(suffix, dtype, "uint8") for suffix in (".jpg", ".webp", ".bmp") for dtype in ("uint16", "float32")],
)
def test_depth_a_format_lacks_becomes_the_nearest(tmp_path, rng, suffix, dtype, written):
    shades = np.linspace(0, 1, 13 * 17 * 3).reshape(13, 17, 3)
    pixels = shades > 0.5 if dtype == "bool" else shades.astype(np.float32)
    if dtype == "uint16":
        pixels = np.rint(shades * 65535).astype(dtype)
    path = tmp_path / f"picture{suffix}"
    save(load(pixels.astype(dtype)), path)
    back = load(path)
    assert back.as_given().dtype == written
    tolerance = {".jpg": 0.03, ".png": 0.5 / 65535 + 1e-7, ".tif": 1e-6}.get(suffix, 0.5 / 255 + 1e-6)
    assert float((back.colours - load(pixels.astype(dtype)).colours).abs().max()) <= tolerance


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_channels_and_stays_close(tmp_path, channels):
    ramp = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    pixels = ramp if channels == 1 else np.stack([ramp, ramp[::-1], ramp.T], axis=2)
    save(load(pixels), tmp_path / "picture.jpg")
    back = load(tmp_path / "picture.jpg").as_given()
    assert back.shape == pixels.shape
    assert np.abs(back.astype(int) - pixels).mean() < 1.5


def test_jpeg_is_written_without_colour_subsampling(tmp_path, rng):
    save(load(random_pixels(rng, "uint8", 3)), tmp_path / "picture.jpg")
    with Image.open(tmp_path / "picture.jpg") as image:
        assert all(layer[1:3] == (1, 1) for layer in image.layer)  # type: ignore[attr-defined]


def test_jpeg_lays_alpha_on_white_and_says_so(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    with pytest.warns(UserWarning, match="laid on white"):
        save(load(pixels), tmp_path / "picture.jpg")
    assert load(tmp_path / "picture.jpg").as_given().min() >= 250


def test_lossy_input_gives_lossy_webp_and_lossless_input_lossless(tmp_path, rng):
    pixels = random_pixels(rng, "uint8", 3, 64, 64)
    save(load(pixels), tmp_path / "a.jpg")
    save(load(tmp_path / "a.jpg"), tmp_path / "lossy.webp")
    save(load(pixels), tmp_path / "exact.webp")
    assert b"VP8L" not in (tmp_path / "lossy.webp").read_bytes()
    assert b"VP8L" in (tmp_path / "exact.webp").read_bytes()


# --- how others write the same formats -------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("interlace", [False, True])
def test_sixteen_bit_png_agrees_with_pypng(tmp_path, rng, channels, interlace):
    pixels = random_pixels(rng, "uint16", channels)
    writer = png.Writer(
        17, 13, greyscale=channels < 3, alpha=channels in (2, 4), bitdepth=16, interlace=interlace
    )
    with (tmp_path / "theirs.png").open("wb") as file:
        writer.write_array(file, pixels.ravel().tolist())
    np.testing.assert_array_equal(load(tmp_path / "theirs.png").as_given(), pixels)
    save(load(pixels), tmp_path / "ours.png")
    _, _, rows, info = png.Reader(filename=str(tmp_path / "ours.png")).read()
    assert info["bitdepth"] == 16
    np.testing.assert_array_equal(np.vstack([np.asarray(r) for r in rows]).ravel(), pixels.ravel())


def paeth_filtered_png(pixels: np.ndarray) -> bytes:
    """A 16-bit PNG whose rows go through all five filters in turn (PNG specification, section 9)."""
    height, width, channels = pixels.shape
    raw = pixels.astype(">u2").tobytes()
    rows = np.frombuffer(raw, np.uint8).reshape(height, -1).astype(int)
    step = 2 * channels
    left = np.pad(rows, ((0, 0), (step, 0)))[:, :-step]
    above = np.pad(rows, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(above, ((0, 0), (step, 0)))[:, :-step]
    guess = left + above - corner
    far = [abs(guess - x) for x in (left, above, corner)]
    nearest = np.where(far[1] <= far[2], above, corner)
    paeth = np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, nearest)
    kinds = np.arange(height) % 5
    filtered = np.stack([rows, rows - left, rows - above, rows - (left + above) // 2, rows - paeth]) % 256
    lines = np.concatenate([kinds[:, None], filtered[kinds, np.arange(height)]], axis=1).astype(np.uint8)
    colour_type = {2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bit_png_with_every_filter(tmp_path, rng, channels):
    pixels = random_pixels(rng, "uint16", channels)
    (tmp_path / "a.png").write_bytes(paeth_filtered_png(pixels))
    np.testing.assert_array_equal(load(tmp_path / "a.png").as_given(), pixels)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_png_of_few_bits_is_widened(tmp_path, rng, bits):
    values = rng.integers(0, 2**bits, (5, 9))
    with (tmp_path / "a.png").open("wb") as file:
        png.Writer(9, 5, greyscale=True, bitdepth=bits).write_array(file, values.ravel().tolist())
    np.testing.assert_array_equal(load(tmp_path / "a.png").as_given(), values * (255 // (2**bits - 1)))


@pytest.mark.parametrize(("bits", "channels"), [(1, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)])
def test_transparent_colour_of_a_png_becomes_alpha(tmp_path, rng, bits, channels):
    shape = (6, 7) if channels == 1 else (6, 7, 3)
    values = rng.integers(0, 2**bits, shape)
    key = values[2, 3]
    with (tmp_path / "a.png").open("wb") as file:
        transparent = int(key) if channels == 1 else tuple(int(v) for v in key)
        png.Writer(7, 6, greyscale=channels == 1, bitdepth=bits, transparent=transparent).write_array(
            file, values.ravel().tolist()
        )
    alpha = load(tmp_path / "a.png").alpha
    assert alpha is not None
    expected = (values != key) if channels == 1 else (values != key).any(axis=2)
    np.testing.assert_array_equal(alpha[0, 0].numpy(), expected)


@pytest.mark.parametrize("transparency", [None, 3])
def test_palette_becomes_rgb_or_rgba(tmp_path, rng, transparency):
    image = Image.fromarray(rng.integers(0, 8, (6, 7)).astype(np.uint8)).convert("P")
    image.putpalette([int(v) for v in rng.integers(0, 256, 24)])
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "a.png", **options)
    with Image.open(tmp_path / "a.png") as same:
        expected = np.asarray(same.convert("RGB" if transparency is None else "RGBA"))
    np.testing.assert_array_equal(load(tmp_path / "a.png").as_given(), expected)


def test_cmyk_jpeg_becomes_rgb_with_a_warning_and_without_its_profile(tmp_path):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    image.save(tmp_path / "a.jpg", icc_profile=profile("CMYK"), quality=95)
    with pytest.warns(UserWarning, match="CMYK was converted to RGB"):
        picture = load(tmp_path / "a.jpg")
    red = picture.as_given()[4, 4]
    assert red[0] > 200
    assert red[1] < 70
    save(picture, tmp_path / "b.png")
    assert "icc_profile" not in Image.open(tmp_path / "b.png").info


# tifffile writes the predictor of floats only with imagecodecs: it is tested by hand below
@pytest.mark.parametrize(("dtype", "predictor"), [("uint16", False), ("uint16", True), ("float32", False)])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_deep_tiff_layouts_of_others(tmp_path, rng, dtype, predictor, tile, planar):
    pixels = random_pixels(rng, dtype, 3, 37, 29)
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(
        tmp_path / "a.tif",
        stored,
        photometric="rgb",
        planarconfig=planar,
        tile=tile,
        rowsperstrip=None if tile else 10,
        compression="zlib",
        predictor=predictor,
        byteorder=">",
    )
    np.testing.assert_array_equal(load(tmp_path / "a.tif").as_given(), pixels)


def lzw(data: bytes) -> bytes:
    """TIFF's LZW of literals only: a clear code before the table can make the codes longer than 9 bits."""
    codes = []
    for start in range(0, len(data), 200):
        codes += [256, *data[start : start + 200]]
    bits = "".join(format(code, "09b") for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "predictor"), [("uint16", 1), ("uint16", 2), ("float32", 1), ("float32", 2), ("float32", 3)]
)
def test_lzw_tiff_of_deep_colour_is_read_without_imagecodecs(tmp_path, rng, order, predictor, dtype):
    pixels = random_pixels(rng, dtype, 3, 11, 7)
    size = pixels.dtype.itemsize
    if predictor == 3:
        big = pixels.astype(pixels.dtype.newbyteorder(">")).view(np.uint8).reshape(11, 21, size)
        planes = big.swapaxes(1, 2).reshape(11, -1, 3)
        stored = np.diff(planes, axis=1, prepend=np.zeros((11, 1, 3), np.uint8)).tobytes()
    else:
        words = pixels.view(f"u{size}")
        if predictor == 2:
            words = np.diff(words, axis=1, prepend=np.zeros((11, 1, 3), words.dtype))
        stored = words.astype(f"{order}u{size}").tobytes()
    segment = lzw(stored)
    sample_format = 1 if dtype == "uint16" else 3
    bits_at = 8 + 2 + 12 * 12 + 4
    tags = [(256, 4, 7), (257, 4, 11), (258, 3, bits_at), (259, 3, 5), (262, 3, 2), (273, 4, bits_at + 12)]
    tags += [(277, 3, 3), (278, 4, 11), (279, 4, len(segment)), (284, 3, 1), (317, 3, predictor)]
    tags += [(339, 3, bits_at + 6)]
    directory = b""
    for tag, kind, value in tags:
        count = 3 if tag in (258, 339) else 1
        packed = struct.pack(order + "I", value)
        if kind == 3 and count == 1:
            packed = struct.pack(order + "HH", value, 0)
        directory += struct.pack(order + "HHI", tag, kind, count) + packed
    mark = b"II" if order == "<" else b"MM"
    data = mark + struct.pack(order + "HIH", 42, 8, len(tags)) + directory + bytes(4)
    data += struct.pack(order + "3H", *[8 * size] * 3) + struct.pack(order + "3H", *[sample_format] * 3)
    (tmp_path / "a.tif").write_bytes(data + segment)
    np.testing.assert_array_equal(load(tmp_path / "a.tif").as_given(), pixels)


def test_the_first_picture_of_a_multi_picture_jpeg_is_taken(tmp_path):
    first, preview = Image.new("RGB", (16, 8), (200, 30, 30)), Image.new("RGB", (8, 4))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[preview])
    np.testing.assert_allclose(load(tmp_path / "a.jpg").as_given(), np.asarray(first), atol=4)


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate"])
def test_compressed_shallow_tiff(tmp_path, compression):
    pixels = np.full((16, 16, 3), 77, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_allclose(load(tmp_path / "a.tif").as_given(), pixels, atol=2)


def test_white_is_zero_tiff_is_inverted(tmp_path, rng):
    pixels = random_pixels(rng, "uint16", 1)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    np.testing.assert_array_equal(load(tmp_path / "a.tif").as_given(), 65535 - pixels)


def test_premultiplied_alpha_of_a_tiff_is_divided_out(tmp_path):
    pixels = np.zeros((2, 2, 4), np.float32)
    pixels[0, 0] = (0.25, 0.5, 0.0, 0.5)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_allclose(load(tmp_path / "a.tif").as_given()[0, 0], (0.5, 1.0, 0.0, 0.5))


def test_a_thumbnail_page_beside_the_picture_is_not_a_second_picture(tmp_path, rng):
    pixels = random_pixels(rng, "uint16", 3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(pixels, photometric="rgb")
        writer.write(pixels[::4, ::4], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(load(tmp_path / "a.tif").as_given(), pixels)


# --- what the files carry --------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_exif_orientation_is_applied_and_reset(tmp_path, orientation, suffix):
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:8, :8] = 255  # a white corner at the top left
    stored = next(s for s in all_turns(upright) if np.array_equal(turn_upright(s, orientation), upright))
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 100}}.get(suffix, {})
    Image.fromarray(stored).save(tmp_path / f"in{suffix}", exif=exif_block(orientation), **options)
    picture = load(tmp_path / f"in{suffix}")
    np.testing.assert_allclose(picture.as_given(), upright, atol=3)
    save(picture, tmp_path / f"out{suffix}")
    assert exif_of(tmp_path / f"out{suffix}").get(ORIENTATION, 1) == 1
    np.testing.assert_allclose(load(tmp_path / f"out{suffix}").as_given(), upright, atol=6)


def all_turns(pixels: np.ndarray) -> list[np.ndarray]:
    quarter = [np.rot90(pixels, k) for k in range(4)]
    return [np.ascontiguousarray(p) for p in quarter + [p[:, ::-1] for p in quarter]]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_upright_agrees_with_pillow(rng, orientation):
    pixels = random_pixels(rng, "uint8", 3)
    image = Image.fromarray(pixels)
    image.getexif()[ORIENTATION] = orientation
    np.testing.assert_array_equal(
        turn_upright(pixels, orientation), np.asarray(ImageOps.exif_transpose(image))
    )


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_orientation_of_a_deep_tiff(tmp_path, rng, dtype):
    pixels = random_pixels(rng, dtype, 3)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    np.testing.assert_array_equal(load(tmp_path / "a.tif").as_given(), np.rot90(pixels, -1))


@pytest.mark.parametrize("target", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("source", [".png", ".jpg", ".tif", ".webp"])
def test_icc_and_exif_survive_from_every_format_to_every_format(tmp_path, rng, source, target):
    pixels = random_pixels(rng, "uint8", 3)
    Image.fromarray(pixels).save(tmp_path / f"in{source}", exif=exif_block(), icc_profile=profile())
    save(load(tmp_path / f"in{source}"), tmp_path / f"out{target}")
    with Image.open(tmp_path / f"out{target}") as image:
        assert image.info["icc_profile"] == profile()
    exif = exif_of(tmp_path / f"out{target}")
    assert exif[271] == "Camera maker"
    assert exif.get_ifd(0x8769)[0x9003] == "2020:02:03 04:05:06"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_output_keeps_icc_exif_and_resolution(tmp_path, rng, suffix, channels):
    space = "GRAY" if channels < 3 else "RGB"
    image = Image.fromarray(random_pixels(rng, "uint8", 3))
    image.save(tmp_path / "in.jpg", exif=exif_block(), dpi=(300, 300))
    carried = load(tmp_path / "in.jpg").form.metadata
    deep = load(random_pixels(rng, "uint16", channels))
    metadata = replace(carried, icc=profile(space))
    save(replace(deep, form=replace(deep.form, metadata=metadata)), tmp_path / f"out{suffix}")
    back = load(tmp_path / f"out{suffix}")
    assert back.form.dtype == deep.form.dtype
    assert back.form.metadata.icc == profile(space)
    assert back.form.metadata.dpi == pytest.approx((300, 300), rel=1e-3)
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + (back.form.metadata.exif or b""))
    assert exif[33432] == "The photographer"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_grey_profile_is_dropped_when_the_picture_becomes_rgb(tmp_path, rng, suffix):
    Image.fromarray(random_pixels(rng, "uint8", 1)).save(tmp_path / "in.png", icc_profile=profile("GRAY"))
    grey = load(tmp_path / "in.png")
    assert grey.form.metadata.icc == profile("GRAY")
    save(grey.with_colours(grey.colours.repeat(1, 3, 1, 1)), tmp_path / f"out{suffix}")
    assert "icc_profile" not in Image.open(tmp_path / f"out{suffix}").info


@pytest.mark.parametrize("target", [".png", ".jpg", ".tif", ".bmp"])
def test_resolution_is_kept(tmp_path, rng, target):
    Image.fromarray(random_pixels(rng, "uint8", 3)).save(tmp_path / "in.png", dpi=(150, 300))
    save(load(tmp_path / "in.png"), tmp_path / f"out{target}")
    assert load(tmp_path / f"out{target}").form.metadata.dpi == pytest.approx((150, 300), rel=0.01)


@pytest.mark.parametrize("target", [".png", ".jpg", ".tif", ".bmp"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_resolution_grows_with_the_picture(tmp_path, rng, target, dtype):
    metadata = replace(load(random_pixels(rng, "uint8", 3)).form.metadata, dpi=(150, 300))
    picture = load(random_pixels(rng, dtype, 3))
    picture = replace(picture, form=replace(picture.form, metadata=metadata))
    larger = picture.with_colours(picture.colours.repeat_interleave(4, 2).repeat_interleave(2, 3))
    save(larger, tmp_path / f"out{target}")
    assert load(tmp_path / f"out{target}").form.metadata.dpi == pytest.approx((300, 1200), rel=0.01)


@pytest.mark.parametrize("target", [".png", ".jpg", ".webp"])
def test_the_resolution_in_exif_grows_with_the_picture(tmp_path, rng, target):
    exif = Image.Exif()
    exif[282], exif[283], exif[296], exif[271] = 72.0, 300.5, 2, "Camera maker"
    Image.fromarray(random_pixels(rng, "uint8", 3)).save(tmp_path / "in.jpg", exif=exif)
    picture = load(tmp_path / "in.jpg")
    save(picture.with_colours(picture.colours.repeat(1, 1, 2, 2)), tmp_path / f"out{target}")
    enlarged = exif_of(tmp_path / f"out{target}")
    assert (float(enlarged[282]), float(enlarged[283])) == (144, 601)
    assert enlarged[271] == "Camera maker"


def test_a_resolution_too_high_for_jpeg_is_left_out(tmp_path, rng):
    picture = load(random_pixels(rng, "uint8", 3))
    metadata = replace(picture.form.metadata, dpi=(70_000, 70_000))
    save(replace(picture, form=replace(picture.form, metadata=metadata)), tmp_path / "out.jpg")
    assert load(tmp_path / "out.jpg").form.metadata.dpi is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("description", "kept"),
    [(None, None), ("a heron", "a heron"), ('"shape"', '"shape"'), ('{"title": "x"}', '{"title": "x"}')],
)
def test_only_the_description_that_tifffile_wrote_itself_is_dropped(tmp_path, rng, dtype, description, kept):
    given = {} if description is None else {"description": description, "metadata": None}
    tifffile.imwrite(tmp_path / "in.tif", random_pixels(rng, dtype, 1), photometric="minisblack", **given)
    with tifffile.TiffFile(tmp_path / "in.tif") as tiff:
        written = tiff.pages[0].tags.get("ImageDescription")
        assert written is not None
        assert (description is None) == ('{"shape"' in written.value)
    save(load(tmp_path / "in.tif"), tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        tag = tiff.pages[0].tags.get("ImageDescription")
    assert (tag.value if tag is not None else None) == kept


@pytest.mark.parametrize(
    ("name", "options", "lossy"),
    [
        ("a.jpg", {}, True),
        ("a.webp", {"quality": 80}, True),
        ("a.webp", {"lossless": True}, False),
        ("a.png", {}, False),
        ("a.tif", {}, False),
        ("a.tif", {"compression": "jpeg"}, True),
    ],
)
def test_a_picture_knows_whether_its_source_was_lossy(tmp_path, rng, name, options, lossy):
    Image.fromarray(random_pixels(rng, "uint8", 3, 32, 32)).save(tmp_path / name, **options)
    assert load(tmp_path / name).lossy is lossy


def test_an_open_jpeg_is_lossy(tmp_path, rng):
    Image.fromarray(random_pixels(rng, "uint8", 3)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert load(image).lossy


def test_png_text_and_gamma_are_kept(tmp_path, rng):
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a heron")
    text.add_itxt("Comment", "größer")
    text.add(b"gAMA", struct.pack(">I", 45455))
    Image.fromarray(random_pixels(rng, "uint8", 3)).save(tmp_path / "in.png", pnginfo=text)
    save(load(tmp_path / "in.png"), tmp_path / "out.png", provenance=PROVENANCE)
    with Image.open(tmp_path / "out.png") as image:
        image.load()
        assert (image.text["Title"], image.text["Comment"]) == ("a heron", "größer")  # type: ignore[attr-defined]
        assert image.info["gamma"] == pytest.approx(0.45455)


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" '
    b'tiff:Model="X100"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("target", [".png", ".jpg", ".tif", ".webp"])
def test_xmp_is_kept_without_its_orientation(tmp_path, rng, target):
    Image.fromarray(random_pixels(rng, "uint8", 3)).save(tmp_path / "in.webp", xmp=XMP)
    save(load(tmp_path / "in.webp"), tmp_path / f"out{target}", provenance=PROVENANCE)
    kept = load(tmp_path / f"out{target}").form.metadata.xmp
    assert kept is not None
    assert b'tiff:Model="X100"' in kept
    assert b"Orientation" not in kept
    assert b"zeroshot" not in kept
    assert read_provenance(tmp_path / f"out{target}") == PROVENANCE


def test_exif_dimensions_follow_the_picture(tmp_path, rng):
    Image.fromarray(random_pixels(rng, "uint8", 3)).save(tmp_path / "in.jpg", exif=exif_block())
    picture = load(tmp_path / "in.jpg")
    save(picture.with_colours(picture.colours.repeat(1, 1, 2, 2)), tmp_path / "out.jpg")
    assert exif_of(tmp_path / "out.jpg").get_ifd(0x8769)[0xA002] == 34


def test_exif_is_edited_in_place():
    before = exif_block(6).removeprefix(b"Exif\0\0")
    after = edit_exif(before, {ORIENTATION: 1})
    assert after is not None
    assert exif_number(after, ORIENTATION) == 1
    assert len(after) == len(before)
    assert sum(a != b for a, b in zip(after, before, strict=True)) == 1


@pytest.mark.parametrize(
    "broken", [b"", b"II", b"nonsense", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"]
)
def test_broken_exif_is_dropped_rather_than_fatal(broken):
    assert edit_exif(broken, {ORIENTATION: 1}) is None
    assert exif_number(broken, ORIENTATION) is None


# --- provenance ------------------------------------------------------------------------------------------

PROVENANCE_CASES = [(s, "uint8") for s in (".png", ".jpg", ".tif", ".webp", ".bmp")]
PROVENANCE_CASES += [(".png", "uint16"), (".tif", "uint16"), (".tif", "float32")]


@pytest.mark.parametrize(("suffix", "dtype"), PROVENANCE_CASES)
@pytest.mark.parametrize("channels", [1, 3])
def test_provenance_comes_back(tmp_path, rng, suffix, dtype, channels):
    path = tmp_path / f"a{suffix}"
    save(load(random_pixels(rng, dtype, channels)), path, provenance=PROVENANCE)
    assert read_provenance(path) == PROVENANCE
    Image.open(path).load() if dtype == "uint8" else load(path)  # and others still read the file


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
def test_provenance_of_a_restored_restoration_is_the_newer(tmp_path, rng, suffix):
    save(load(random_pixels(rng, "uint8", 3)), tmp_path / f"a{suffix}", provenance=PROVENANCE)
    save(load(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}", provenance={"seed": 4})
    save(load(tmp_path / f"a{suffix}"), tmp_path / f"c{suffix}")
    assert read_provenance(tmp_path / f"b{suffix}") == {"seed": 4}
    assert read_provenance(tmp_path / f"c{suffix}") is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
def test_provenance_may_be_long(tmp_path, rng, suffix):
    long = {"history": list(range(30000))}
    save(load(random_pixels(rng, "uint8", 3)), tmp_path / f"a{suffix}", provenance=long)
    assert read_provenance(tmp_path / f"a{suffix}") == long
    load(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
def test_no_provenance_in_foreign_files(tmp_path, rng, suffix):
    Image.fromarray(random_pixels(rng, "uint8", 3)).save(tmp_path / f"a{suffix}")
    assert read_provenance(tmp_path / f"a{suffix}") is None


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_provenance_is_found_in_tiff_files_of_either_layout(tmp_path, byteorder, bigtiff):
    def written(*tags):
        layout = {"byteorder": byteorder, "bigtiff": bigtiff}
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4)), extratags=tags, **layout)
        return read_provenance(tmp_path / "a.tif")

    assert written((65111, "s", 0, b'zeroshot {"seed": 4}', True)) == {"seed": 4}
    assert written((65111, "H", 3, (1, 2, 3), True)) is None  # somebody else's
    assert written() is None


def test_a_jpeg_comment_is_kept_beside_the_provenance(tmp_path, rng):
    Image.fromarray(random_pixels(rng, "uint8", 3)).save(tmp_path / "in.jpg", comment=b"taken at dawn")
    save(load(tmp_path / "in.jpg"), tmp_path / "out.jpg", provenance=PROVENANCE)
    assert b"taken at dawn" in (tmp_path / "out.jpg").read_bytes()
    assert read_provenance(tmp_path / "out.jpg") == PROVENANCE


def test_provenance_of_no_image_is_an_error(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(ImageError, match="not a PNG"):
        read_provenance(tmp_path / "a.png")


def test_provenance_must_be_json(tmp_path, rng):
    with pytest.raises(ImageError, match="JSON"):
        save(load(random_pixels(rng, "uint8", 3)), tmp_path / "a.png", provenance={"x": object()})
    assert list(tmp_path.iterdir()) == []


# --- what is refused -------------------------------------------------------------------------------------


def refusal(path: Path, match: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=match) as caught:
            load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_file(tmp_path):
    refusal(tmp_path / "none.png", "no such file")


def test_folder(tmp_path):
    refusal(tmp_path, "is a folder")


@pytest.mark.parametrize("content", [b"", b"just text", b"GIF89a\1\0\1\0\0\0\0"])
def test_not_an_image(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    refusal(tmp_path / "a.png", "not a PNG, JPEG, TIFF, WebP or BMP image")


@pytest.mark.parametrize(("suffix", "dtype", "channels"), [*LOSSLESS, (".jpg", "uint8", 3)])
@pytest.mark.parametrize("kept", [0.2, 0.7])
def test_truncated_file(tmp_path, rng, suffix, dtype, channels, kept):
    save(load(random_pixels(rng, dtype, channels, 64, 64)), tmp_path / f"a{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(data[: int(len(data) * kept)])
    refusal(tmp_path / f"a{suffix}", "truncated")


@pytest.mark.parametrize(
    "head", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0\xff\xff\xff\xff", b"BMxxxxxxxx"]
)
def test_signature_without_content(tmp_path, head):
    (tmp_path / "a.png").write_bytes(head)
    refusal(tmp_path / "a.png", "damaged or truncated|holds")


def test_a_jpeg_of_twelve_bits_is_called_that_and_not_damaged(tmp_path):
    Image.new("L", (16, 16)).save(tmp_path / "a.jpg")
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    data[data.index(b"\xff\xc0") + 4] = 12
    (tmp_path / "a.jpg").write_bytes(data)
    refusal(tmp_path / "a.jpg", "is a JPEG of 12 bits a sample")


@pytest.mark.parametrize("depth", [8, 16])
def test_decompression_bomb_png_is_refused_by_its_header(tmp_path, depth):
    header = struct.pack(">IIBBBBB", 20000, 20000, depth, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)
    (tmp_path / "a.png").write_bytes(data)
    refusal(tmp_path / "a.png", r"too many pixels \(20000 × 20000\)")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
@pytest.mark.parametrize("pillows_limit", [None, 100])
def test_size_limit_in_every_format(tmp_path, rng, monkeypatch, suffix, pillows_limit):
    save(load(random_pixels(rng, "uint8", 3, 40, 40)), tmp_path / f"a{suffix}")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows_limit)
    refusal(tmp_path / f"a{suffix}", "too many pixels.*the limit is 1000")
    assert pillows_limit == Image.MAX_IMAGE_PIXELS


def test_size_limit_in_deep_tiff(tmp_path, rng, monkeypatch):
    save(load(random_pixels(rng, "float32", 3, 40, 40)), tmp_path / "a.tif")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1000)
    refusal(tmp_path / "a.tif", "too many pixels")


def test_pillows_bomb_warning_does_not_surface(tmp_path, rng, monkeypatch):
    pixels = random_pixels(rng, "uint8", 3, 40, 40)
    save(load(pixels), tmp_path / "a.png")
    monkeypatch.setattr(
        Image, "MAX_IMAGE_PIXELS", 1000
    )  # Pillow warns above it and refuses above twice as much
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(load(tmp_path / "a.png").as_given(), pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_multi_page_tiff(tmp_path, rng, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([random_pixels(rng, dtype, 3)] * 5), photometric="rgb")
    refusal(tmp_path / "a.tif", "holds 5 pages; save the one")


def test_imagej_stack(tmp_path, rng):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([random_pixels(rng, "uint16", 1)] * 4), imagej=True)
    refusal(tmp_path / "a.tif", "holds 4 ")


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_animation(tmp_path, rng, suffix):
    frames = [Image.fromarray(random_pixels(rng, "uint8", 3)) for _ in range(3)]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    refusal(tmp_path / f"a{suffix}", "holds 3 frames")


def test_tiff_with_unmarked_second_channel(tmp_path, rng):
    pixels = random_pixels(rng, "uint16", 2)
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unspecified"],
    )
    refusal(tmp_path / "a.tif", "holds 2 channels")


def test_tiff_with_unmarked_fourth_channel_leaves_it_out_and_says_so(tmp_path, rng):
    pixels = random_pixels(rng, "uint16", 4)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unspecified"])
    with pytest.warns(UserWarning, match="fourth channel is not marked as alpha"):
        picture = load(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.as_given(), pixels[..., :3])


@pytest.mark.parametrize("dtype", ["uint32", "complex64", "int16"])
def test_tiff_of_other_sample_types(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4), dtype))
    refusal(tmp_path / "a.tif", f"{dtype}.*accepted are")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_tiff(tmp_path, bad):
    pixels = np.zeros((4, 4), np.float32)
    pixels[1, :3] = bad
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    refusal(tmp_path / "a.tif", "3 of 16 values are NaN or infinite")


def test_too_long_for_webp(tmp_path):
    with pytest.raises(ImageError, match="at most 16383 pixels a side"):
        save(load(np.zeros((1, 16384), np.uint8)), tmp_path / "a.webp")
    assert list(tmp_path.iterdir()) == []


def test_chunk_order_of_png_is_valid(tmp_path, rng):
    Image.fromarray(random_pixels(rng, "uint8", 3)).save(
        tmp_path / "in.png", exif=exif_block(), icc_profile=profile(), dpi=(72, 72)
    )
    save(load(tmp_path / "in.png"), tmp_path / "out.png", provenance=PROVENANCE)
    kinds = [kind for kind, _ in png_chunks((tmp_path / "out.png").read_bytes())]
    assert kinds[0] == b"IHDR"
    assert kinds[-1] == b"IEND"
    assert kinds.index(b"iCCP") < kinds.index(b"pHYs") < kinds.index(b"IDAT")
    assert len(set(kinds)) == len(kinds)
