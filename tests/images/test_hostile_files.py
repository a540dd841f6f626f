"""Files that announce more than they hold: chains without end, streams of gigabytes, sizes beyond any memory."""

from __future__ import annotations

import contextlib
import functools
import io
import lzma
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zeroshot.images import ImageError, largest_side, load
from zeroshot.images.exif import is_sound
from zeroshot.images.metadata import PNG_SIGNATURE, png_chunk
from zeroshot.images.tiff_directories import MOST_DIRECTORIES

INFLATED = 64 << 20
#: What reading a picture of 8 × 8 may take, whatever its streams hold.
ALLOWED = 24 << 20


def tiff(tags: dict[int, int], behind: bytes = b"", following: int = 0, order: str = "<") -> bytes:
    """A TIFF of one directory of 32-bit values, with `behind` right after it and its pixels there."""
    start = 8 + 2 + 12 * len(tags) + 4
    placed = {tag: start if value == -1 else value for tag, value in tags.items()}
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(placed.items()))
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return (
        mark
        + struct.pack(order + "IH", 8, len(tags))
        + entries
        + struct.pack(order + "I", following)
        + behind
    )


GREY = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: -1, 277: 1, 278: 8, 279: 64}


def refusal(path: Path, match: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=match) as caught:
            load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def peak_of_loading(path: Path) -> int:
    tracemalloc.start()
    try:
        with contextlib.suppress(ImageError):
            load(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@functools.cache
def deflated_zeros(size: int) -> bytes:
    writer = zlib.compressobj(9)
    return b"".join(writer.compress(bytes(1 << 24)) for _ in range(size >> 24)) + writer.flush()


# --- chains of directories -------------------------------------------------------------------------------


def test_a_plain_file_made_here_is_read(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(GREY, bytes(range(64))))
    np.testing.assert_array_equal(load(tmp_path / "a.tif").as_given().ravel(), np.arange(64))


def test_a_directory_that_names_itself_as_the_next(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(GREY, bytes(64), following=8))
    refusal(tmp_path / "a.tif", "runs into itself")


@pytest.mark.parametrize("length", [2, 3, 50])
def test_a_longer_loop_of_directories(tmp_path, length):
    size = 2 + 12 * len(GREY) + 4
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, 8 if v == -1 else v) for tag, v in sorted(GREY.items())
    )
    links = [8 + size * ((index + 1) % length) for index in range(length)]
    chain = b"".join(struct.pack("<H", len(GREY)) + entries + struct.pack("<I", link) for link in links)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + chain + bytes(64))
    refusal(tmp_path / "a.tif", "runs into itself")


def test_thousands_of_pages_are_not_all_looked_at(tmp_path):
    size = 2 + 12 + 4
    links = [8 + size * (index + 1) for index in range(100_000)]
    pages = b"".join(struct.pack("<HHHIII", 1, 256, 4, 1, 8, link) for link in links)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + pages)
    refusal(tmp_path / "a.tif", f"holds {MOST_DIRECTORIES} pages or more")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({279: 0xFFFFFFFF}, "truncated"),
        ({273: 0xFFFFFFF0}, "truncated"),
        ({279: 0}, "empty"),
        ({256: 100_000, 257: 100_000}, r"too many pixels \(100000 × 100000\); the limit is .*: cut it"),
        ({256: 0}, "no pixels"),
        ({277: 60_000}, "channels"),
        ({277: 0}, "samples"),
        ({258: 77}, "uint77"),
        ({259: 34887}, "LERC"),
        ({259: 4242}, "method 4242"),
        ({262: 32803}, "colour filter array"),
        ({262: 8}, r"L\*a\*b\*"),
        ({317: 9}, "predictor 9"),
        ({322: 1_000_000, 323: 16}, "tile"),
        ({322: 0, 323: 0}, "no size"),
        ({330: 8, 254: 1}, "raw photograph"),
        ({50706: 1}, "raw photograph"),
    ],
)
def test_tags_that_cannot_be_true(tmp_path, changes, match):
    (tmp_path / "a.tif").write_bytes(tiff(GREY | changes, bytes(64)))
    refusal(tmp_path / "a.tif", match)


@pytest.mark.parametrize("place", [4, 7, 0xFFFFFFFF])
def test_a_first_directory_beyond_the_file(tmp_path, place):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", place) + bytes(20))
    refusal(tmp_path / "a.tif", "damaged")


def test_a_count_of_thousands_of_millions(tmp_path):
    data = bytearray(tiff(GREY, bytes(64)))
    at = data.index(struct.pack("<HHI", 273, 4, 1))
    struct.pack_into("<I", data, at + 4, 0xFFFFFFFF)
    (tmp_path / "a.tif").write_bytes(data)
    refusal(tmp_path / "a.tif", "tag 273 reaches beyond")


# --- streams ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [8, 16, 32, 64])
@pytest.mark.parametrize("tiled", [False, True])
def test_a_deflated_tiff_gives_what_its_header_says_and_no_more(tmp_path, depth, tiled):
    stream = deflated_zeros(INFLATED)
    tags = GREY | {258: depth, 259: 8, 279: len(stream)} | ({339: 3} if depth > 16 else {})
    if tiled:
        tags = {tag: v for tag, v in tags.items() if tag not in (273, 278, 279)}
        tags |= {322: 4096, 323: 4096, 324: -1, 325: len(stream)}
    (tmp_path / "a.tif").write_bytes(tiff(tags, stream))
    assert peak_of_loading(tmp_path / "a.tif") < ALLOWED
    assert not load(tmp_path / "a.tif").colours.any()


def test_an_lzma_tiff_gives_no_more_either(tmp_path):
    stream = lzma.compress(bytes(INFLATED), lzma.FORMAT_XZ, preset=0)
    (tmp_path / "a.tif").write_bytes(tiff(GREY | {259: 34925, 279: len(stream)}, stream))
    assert peak_of_loading(tmp_path / "a.tif") < ALLOWED


def png_file(
    *chunks: tuple[bytes, bytes], size: tuple[int, int] = (8, 8), depth: int = 8, kind: int = 2
) -> bytes:
    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    return PNG_SIGNATURE + b"".join(png_chunk(*part) for part in parts)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_gives_what_its_header_says_and_no_more(tmp_path, depth):
    (tmp_path / "a.png").write_bytes(png_file((b"IDAT", deflated_zeros(INFLATED)), depth=depth))
    assert peak_of_loading(tmp_path / "a.png") < ALLOWED
    assert not load(tmp_path / "a.png").colours.any()


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        (b"iCCP", b"p\0\0"),
        (b"zTXt", b"t\0\0"),
        (b"iTXt", b"t\0\1\0\0\0"),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"),
        (b"zTXt", b"Raw profile type exif\0\0"),
    ],
)
def test_what_a_png_carries_is_inflated_within_bounds(tmp_path, kind, head):
    pixels = zlib.compress(bytes(8 * 25))
    (tmp_path / "a.png").write_bytes(png_file((kind, head + deflated_zeros(INFLATED)), (b"IDAT", pixels)))
    assert peak_of_loading(tmp_path / "a.png") < ALLOWED
    assert tuple(load(tmp_path / "a.png").colours.shape) == (1, 3, 8, 8)


def test_thousands_of_texts_are_cut_with_a_remark(tmp_path):
    texts = [(b"tEXt", b"key\0value")] * 1500
    (tmp_path / "a.png").write_bytes(png_file(*texts, (b"IDAT", zlib.compress(bytes(8 * 25)))))
    with pytest.warns(UserWarning, match="1500 pieces of text; the first 1000 are kept"):
        assert len(load(tmp_path / "a.png").form.metadata.png_chunks) == 1000


@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_with_too_few_pixels_is_damaged_not_black(tmp_path, depth):
    stream = zlib.compress(bytes(8 * 25))
    (tmp_path / "a.png").write_bytes(png_file((b"IDAT", stream), size=(9000, 9000), depth=depth))
    refusal(tmp_path / "a.png", "its pixels have 200 of")
    assert peak_of_loading(tmp_path / "a.png") < ALLOWED


def test_a_jpeg_whose_header_grew_is_damaged_not_grey(tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "a.jpg")
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    at = data.index(b"\xff\xc0") + 5
    struct.pack_into(">HH", data, at, 9000, 9000)
    (tmp_path / "a.jpg").write_bytes(data)
    refusal(tmp_path / "a.jpg", "cannot hold")


def test_a_run_length_bmp_whose_header_grew_is_damaged_not_black(tmp_path):
    runs = bytes([16, 7, 0, 0]) * 16 + b"\0\1"

    def bmp(side: int) -> bytes:
        head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(runs), 0, 0, 256, 0)
        start = 14 + len(head) + 1024
        return (
            struct.pack("<2sIHHI", b"BM", start + len(runs), 0, 0, start)
            + head
            + bytes(range(256)) * 4
            + runs
        )

    (tmp_path / "a.bmp").write_bytes(bmp(16))
    assert load(tmp_path / "a.bmp").colours.shape[-2:] == (16, 16)
    (tmp_path / "a.bmp").write_bytes(bmp(9000))
    refusal(tmp_path / "a.bmp", "cannot hold 81000000 pixels")


def test_a_webp_canvas_beyond_the_limit_is_refused_by_its_header(tmp_path):
    Image.new("RGBA", (16, 16), (9, 9, 9, 9)).save(tmp_path / "a.webp", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")
    data = bytearray((tmp_path / "a.webp").read_bytes())
    assert data[12:16] == b"VP8X"
    data[24:30] = (16_000).to_bytes(3, "little") * 2
    (tmp_path / "a.webp").write_bytes(data)
    refusal(tmp_path / "a.webp", r"too many pixels \(16001 × 16001\)")


def overlapping_exif(entries: int) -> bytes:
    """A block of which each entry announces the same 60 kB."""
    tags = b"".join(struct.pack("<HHII", 271 + index % 9000, 1, 60_000, 20) for index in range(entries))
    return b"II*\0" + struct.pack("<IH", 8, entries) + tags + bytes(4)


def test_overlapping_exif_is_dropped(tmp_path):
    exif = overlapping_exif(5000)
    assert not is_sound(exif)
    stored = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stored, "JPEG")
    plain = stored.getvalue()
    segment = b"Exif\0\0" + exif
    jpeg = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    (tmp_path / "a.jpg").write_bytes(jpeg)
    pixels = zlib.compress(bytes(8 * 25))
    (tmp_path / "a.png").write_bytes(png_file((b"eXIf", exif), (b"IDAT", pixels)))
    hexadecimal = b"Raw profile type exif\0\nexif\n 9\n" + (b"Exif\0\0" + exif).hex().encode()
    (tmp_path / "b.png").write_bytes(png_file((b"tEXt", hexadecimal), (b"IDAT", pixels)))
    for name in ("a.jpg", "a.png", "b.png"):
        assert peak_of_loading(tmp_path / name) < ALLOWED


def test_a_tiff_of_overlapping_tags_is_read_without_exif(tmp_path):
    tags = GREY | {273: 8}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items())]
    many = [struct.pack("<HHII", 40_000 + index, 1, 500_000, 8) for index in range(5000)]
    data = (
        b"II*\0" + struct.pack("<IH", 8, len(entries) + len(many)) + b"".join(entries + many) + bytes(600_000)
    )
    (tmp_path / "a.tif").write_bytes(data)
    assert peak_of_loading(tmp_path / "a.tif") < ALLOWED
    assert load(tmp_path / "a.tif").form.metadata.exif is None


def test_a_side_limit_says_what_it_is_for(tmp_path):
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    with (
        largest_side(32, "a kernel"),
        pytest.raises(ImageError, match=r"too large for a kernel \(40 × 30\).*32 × 32"),
    ):
        load(tmp_path / "a.png")
    assert load(tmp_path / "a.png").colours.shape[-1] == 40


def test_damage_is_one_line_and_nothing_of_the_libraries_is_heard(tmp_path, capfd):
    rng = np.random.default_rng(5)
    picture = Image.fromarray(rng.integers(0, 256, (24, 32, 3)).astype(np.uint8))
    kinds = [("PNG", {}), ("JPEG", {}), ("WEBP", {}), ("BMP", {})]
    kinds += [
        ("TIFF", {"compression": c}) for c in ("tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate", "zstd")
    ]
    for kind, options in kinds:
        stored = io.BytesIO()
        try:
            picture.save(stored, kind, **options)
        except OSError:  # a codec that this Pillow lacks
            continue
        capfd.readouterr()
        for _ in range(15):
            data = bytearray(stored.getvalue())
            for position in rng.integers(0, len(data), 6):
                data[position] ^= 1 << int(rng.integers(8))
            (tmp_path / "a.png").write_bytes(data)
            said = ""
            try:
                load(tmp_path / "a.png")
            except ImageError as error:
                said = str(error)
            assert "\n" not in said
            assert "BytesIO" not in said
        assert capfd.readouterr() == ("", "")
