"""Pictures in every format that the reader takes, damaged: read from Python, and restored by a command."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.damage import EXTREMES, Draw, choose, damaged, deflated_zeros, noise, spliced, whole
from tests.fuzz.judging import Case, call, command, quiet

_SUFFIXES = (
    ".png",
    ".tif",
    ".tiff",
    ".jpg",
    ".jpeg",
    ".webp",
    ".bmp",
    ".gif",
    ".PNG",
    ".TIF",
    "",
    ".txt",
    ".npy",
    ".eps",
)


# --- whole files -------------------------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Write one small picture of each kind of file."""
    draw = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 21 * 18, dtype=np.float32).reshape(18, 21)
    grey = (ramp * 200 + draw.integers(0, 40, ramp.shape)).astype(np.uint8)
    colour = np.stack([grey, grey.T[:18, :18].repeat(2, 1)[:, :21], 255 - grey], -1)
    with quiet():
        for name, content in {
            **_pngs(grey, colour), **_by_pillow(grey, colour), **_tiffs(ramp, grey, colour)
        }.items():  # fmt: skip
            (folder / name).write_bytes(content)
    for size in (1, 64, 600):
        (folder / f"zeros{size}.zlib").write_bytes(deflated_zeros(size))


def _saved(image, form: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _pngs(grey: np.ndarray, colour: np.ndarray) -> dict[str, bytes]:
    import png
    from PIL import Image, ImageCms, PngImagePlugin

    def written(rows: np.ndarray, **options) -> bytes:
        out = io.BytesIO()
        height, width = rows.shape[:2]
        png.Writer(width, height, **options).write(out, rows.reshape(height, -1).tolist())
        return out.getvalue()

    deep = grey.astype(np.uint16) * 257
    words = PngImagePlugin.PngInfo()
    words.add_text("Title", "a ramp")
    words.add_text("Comment", "squeezed " * 20, zip=True)
    words.add_itxt("Description", "Rampe, auf und ab", "de", zip=True)
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # the second at which it was made
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "turned"
    rgb = Image.fromarray(colour)
    alpha = np.dstack([colour, grey])
    palette = rgb.quantize(16)
    return {
        "grey.png": written(grey, greyscale=True, bitdepth=8),
        "bits.png": written(grey // 128, greyscale=True, bitdepth=1),
        "deep.png": written(deep, greyscale=True, bitdepth=16),
        "deepcolour.png": written(np.dstack([deep] * 3), greyscale=False, bitdepth=16),
        "deepalpha.png": written(np.dstack([deep] * 4), greyscale=False, alpha=True, bitdepth=16),
        "laced.png": written(colour, greyscale=False, bitdepth=8, interlace=True),
        "deeplaced.png": written(deep, greyscale=True, bitdepth=16, interlace=True),
        "palette.png": _saved(palette, "PNG", transparency=3),
        "alpha.png": _saved(Image.fromarray(alpha), "PNG"),
        "greyalpha.png": _saved(Image.fromarray(alpha[..., 2:]), "PNG"),
        "told.png": _saved(rgb, "PNG", pnginfo=words, icc_profile=bytes(profile), exif=exif),
        "moving.png": _saved(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90).resize(rgb.size)]),
    }


def _by_pillow(grey: np.ndarray, colour: np.ndarray) -> dict[str, bytes]:
    from PIL import Image, features

    rgb, mono = Image.fromarray(colour), Image.fromarray(grey)
    exif = Image.Exif()
    exif[0x0112] = 8
    found = {
        "colour.jpg": _saved(rgb, "JPEG", quality=80),
        "grey.jpg": _saved(mono, "JPEG"),
        "progressive.jpg": _saved(rgb, "JPEG", progressive=True, exif=exif, comment=b"a word"),
        "cmyk.jpg": _saved(rgb.convert("CMYK"), "JPEG"),
        "lossy.webp": _saved(rgb, "WEBP", quality=60),
        "lossless.webp": _saved(rgb.convert("RGBA"), "WEBP", lossless=True, exif=exif),
        "moving.webp": _saved(rgb, "WEBP", save_all=True, append_images=[mono.convert("RGB")]),
        "colour.bmp": _saved(rgb, "BMP"),
        "palette.bmp": _saved(rgb.quantize(16), "BMP"),
        "alpha.bmp": _saved(rgb.convert("RGBA"), "BMP"),
        "still.gif": _saved(rgb.quantize(16), "GIF"),
        "moving.gif": _saved(
            rgb.quantize(16), "GIF", save_all=True, append_images=[rgb.rotate(9).quantize(16)]
        ),
        "picture.ppm": _saved(rgb, "PPM"),
        "picture.eps": _saved(rgb, "EPS"),
        "picture.ico": _saved(rgb.resize((16, 16)), "ICO"),
    }
    if features.check("avif"):
        found["colour.avif"] = _saved(rgb, "AVIF")
    for compression in ("tiff_lzw", "packbits", "tiff_jpeg", "tiff_adobe_deflate"):
        found[f"{compression}.tif"] = _saved(rgb, "TIFF", compression=compression, exif=exif)
    found["palette.tif"] = _saved(rgb.quantize(16), "TIFF")
    found["group4.tif"] = _saved(mono.convert("1"), "TIFF", compression="group4")
    found["cmyk.tif"] = _saved(rgb.convert("CMYK"), "TIFF")
    return found


def _tiffs(ramp: np.ndarray, grey: np.ndarray, colour: np.ndarray) -> dict[str, bytes]:
    import tifffile

    def written(pixels: np.ndarray, big: bool = False, order: str = "<", **options) -> bytes:
        out = io.BytesIO()
        with tifffile.TiffWriter(out, bigtiff=big, byteorder=order) as file:
            file.write(pixels, **options)
        return out.getvalue()

    deep = grey.astype(np.uint16) * 257
    return {
        "grey.tif": written(grey),
        "deep.tif": written(deep, compression="zlib"),
        "deepcolour.tif": written(np.dstack([deep] * 3), photometric="rgb", compression="zlib",
            predictor=True),
        "float.tif": written(ramp),
        "floatcolour.tif": written(np.dstack([ramp] * 3), photometric="rgb", compression="zlib"),
        "half.tif": written(ramp.astype(np.float16)),
        "double.tif": written(ramp.astype(np.float64), compression="zlib"),
        "signed.tif": written(grey.astype(np.int16)),
        "signed8.tif": written((grey // 2).astype(np.int8)),
        "long.tif": written(grey.astype(np.uint32)),
        "big.tif": written(colour, big=True, photometric="rgb"),
        "bigpages.tif": written(np.stack([deep] * 3), big=True, photometric="minisblack"),
        "other.tif": written(deep, order=">"),
        "pages.tif": written(np.stack([deep] * 4), photometric="minisblack"),
        "tiled.tif": written(np.kron(colour, np.ones((2, 2, 1), np.uint8)), photometric="rgb", tile=(16, 16)),
        "planes.tif": written(np.moveaxis(colour, -1, 0), photometric="rgb", planarconfig="separate"),
        "extra.tif": written(np.dstack([colour, grey, grey]), photometric="rgb", extrasamples=("unassalpha",
            0)),
        "rows.tif": written(grey, rowsperstrip=2, compression="zlib", description="rows " * 10),
        "imagej.tif": _imagej(deep),
    }  # fmt: skip


def _imagej(deep: np.ndarray) -> bytes:
    import tifffile

    out = io.BytesIO()
    tifffile.imwrite(out, np.stack([deep] * 2), imagej=True, metadata={"axes": "ZYX"})
    return out.getvalue()


# --- damages that know the format --------------------------------------------------------------------------


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += length + 12
    return found


def _png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, content in chunks:
        parts += [
            struct.pack(">I", len(content)),
            name,
            content,
            struct.pack(">I", zlib.crc32(name + content)),
        ]
    return b"".join(parts)


def _bend_png(draw: Draw, data: bytes, bombs: list[bytes]) -> tuple[bytes, str]:
    """Edit chunks, with their checksums made right again."""
    chunks = _png_chunks(data)
    place = whole(draw, 0, len(chunks))
    name, content = chunks[place]
    ways = ("header", "header", "order", "repeat", "remove", "content", "rename", "text bomb", "profile bomb",
            "pixel bomb", "short pixels", "exif", "frames", "checksum")  # fmt: skip
    way = choose(draw, ways)
    if way == "header":
        head = list(struct.unpack(">IIBBBBB", chunks[0][1]))
        for _ in range(whole(draw, 1, 3)):
            index = whole(draw, 0, 7)
            head[index] = (
                choose(draw, EXTREMES) if index < 2 else choose(draw, (0, 1, 2, 3, 4, 6, 7, 8, 16, 32, 255))
            )
        chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", *head))
    elif way == "order":
        draw.shuffle(chunks)
        chunks = [(bytes(name), bytes(content)) for name, content in chunks]
    elif way == "repeat":
        chunks[place:place] = [chunks[place]] * whole(draw, 1, 200)
    elif way == "remove":
        del chunks[place]
    elif way == "content":
        chunks[place] = (name, damaged(draw, content, 1)[0])
    elif way == "rename":
        new = choose(
            draw,
            (b"IDAT", b"PLTE", b"tRNS", b"IEND", b"fdAT", b"acTL", b"sBIT", b"gAMA", b"cICP", noise(draw, 4)),
        )
        chunks[place] = (new, content)
    elif way == "text bomb":
        bomb = choose(draw, bombs)
        keyword = choose(draw, (b"Comment", b"zeroshot", b"Raw profile type exif", b"XML:com.adobe.xmp"))
        new = choose(draw, ((b"zTXt", keyword + b"\0\0" + bomb), (b"iTXt", keyword + b"\0\1\0\0\0" + bomb)))
        chunks[1:1] = [new] * whole(draw, 1, 4)
    elif way == "profile bomb":
        chunks[1:1] = [(b"iCCP", b"profile\0\0" + choose(draw, bombs))]
    elif way == "pixel bomb":
        chunks = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
        chunks[-1:-1] = [(b"IDAT", choose(draw, bombs))]
    elif way == "short pixels":
        pixels = zlib.compress(noise(draw, whole(draw, 0, 40)))
        chunks = [(name, pixels if name == b"IDAT" else content) for name, content in chunks]
    elif way == "exif":
        chunks[1:1] = [
            (
                b"eXIf",
                choose(draw, (b"", b"MM\0*", b"II*\0\x08\0\0\0\xff\xff", noise(draw, 300), bytes(70000))),
            )
        ]
    elif way == "frames":
        control = struct.pack(">II", choose(draw, EXTREMES), choose(draw, EXTREMES))
        frame = struct.pack(">IIIIIHHBB", 0, *(choose(draw, EXTREMES) for _ in range(4)), 1, 1, 0, 0)
        chunks[1:1] = [(b"acTL", control), (b"fcTL", frame)][: whole(draw, 1, 3)]
    bent = _png_of(chunks)
    if way == "checksum":
        bent = bent[:-16] + noise(draw, 4) + bent[-12:]
    return bent, f"PNG: {way}"


#: Tags whose values decide how much is read, and from where.
_TAGS = (254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 284, 305, 317, 320, 322, 323, 324,
    325, 330,
         338, 339, 347, 512, 530, 700, 34665, 34675, 50838, 50839)  # fmt: skip


def _bend_tiff(draw: Draw, data: bytes, bombs: list[bytes]) -> tuple[bytes, str]:
    """Edit the entries of a directory, its link to the next, or what the strips hold."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack(order + "H", data[2:4])[0] == 43
    offset, entry, count = ("Q", 20, "Q") if big else ("I", 12, "H")
    place = struct.unpack_from(order + offset, data, 8 if big else 4)[0]
    bent = bytearray(data)
    entries = struct.unpack_from(order + count, data, place)[0]
    start = place + struct.calcsize(count)
    link = start + entry * entries
    way = choose(draw, ("value", "value", "value", "tag", "type", "count", "entries", "loop", "chain",
        "strip bomb",
                        "first", "words"))  # fmt: skip
    at = start + entry * whole(draw, 0, entries)
    if way in ("value", "count", "type"):
        wanted = choose(draw, _TAGS)
        for index in range(entries):
            if struct.unpack_from(order + "H", data, start + entry * index)[0] == wanted:
                at = start + entry * index
    if way == "value":
        struct.pack_into(order + offset, bent, at + entry - struct.calcsize(offset), choose(draw, EXTREMES))
    elif way == "tag":
        struct.pack_into(order + "H", bent, at, choose(draw, _TAGS))
    elif way == "type":
        struct.pack_into(
            order + "H", bent, at + 2, choose(draw, (0, 1, 2, 3, 4, 5, 7, 11, 12, 13, 16, 18, 255))
        )
    elif way == "count":
        struct.pack_into(order + offset, bent, at + 4, choose(draw, EXTREMES))
    elif way == "entries":
        struct.pack_into(order + count, bent, place, choose(draw, EXTREMES) & 0xFFFF)
    elif way == "loop":
        struct.pack_into(
            order + offset, bent, link, choose(draw, (place, place, place + 1, 0, 4, len(data), 0xFFFFFFF0))
        )
    elif way == "chain":
        bent = _chained(draw, bent, order, offset, count, place, link)
    elif way == "first":
        struct.pack_into(
            order + offset, bent, 8 if big else 4, choose(draw, (*EXTREMES, len(data), len(data) - 4))
        )
    elif way == "words":
        struct.pack_into(order + "HH", bent, at, 270, 2)
        struct.pack_into(order + offset + offset, bent, at + 4, len(bent) + 5_000_000, len(bent))
        bent += b"\x1b[31m\x9b2J" * 50_000
    elif way == "strip bomb":
        return _with_strip(
            draw, bytes(bent), order, offset, entry, start, entries, choose(draw, bombs)
        ), "TIFF: strip bomb"
    return bytes(bent), f"TIFF: {way}"


def _chained(
    draw: Draw, bent: bytearray, order: str, offset: str, count: str, place: int, link: int
) -> bytearray:
    """Many directories behind each other, the last with a link back, or none."""
    directory = bytes(bent[place : link + struct.calcsize(offset)])
    many = choose(draw, (2, 50, 2000))
    first = len(bent)
    struct.pack_into(order + offset, bent, link, first)
    for index in range(many):
        at = first + index * len(directory)
        bent += directory
        after = at + len(directory) if index < many - 1 else choose(draw, (0, place, first, at))
        struct.pack_into(order + offset, bent, len(bent) - struct.calcsize(offset), after)
    return bent


def _with_strip(
    draw: Draw, data: bytes, order: str, offset: str, entry: int, start: int, entries: int, bomb: bytes
) -> bytes:
    """The one strip replaced by a deflated stream of other length than the header says."""
    bent = bytearray(data)
    value = entry - struct.calcsize(offset)
    for index in range(entries):
        at = start + entry * index
        tag = struct.unpack_from(order + "H", data, at)[0]
        new = {259: 8, 273: len(data), 279: len(bomb), 317: choose(draw, (1, 2, 3))}.get(tag)
        if new is not None:
            kind, size = ("H", 3) if tag in (259, 317) else ("I", 4)
            struct.pack_into(order + "H", bent, at + 2, size)
            struct.pack_into(order + offset, bent, at + 4, 1)
            struct.pack_into(order + kind, bent, at + value, new)
    return bytes(bent) + bomb


def _bend_jpeg(draw: Draw, data: bytes, bombs: list[bytes]) -> tuple[bytes, str]:
    """Edit segments: sizes, order, tables, and what stands in the marked ones."""
    segments, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        segments.append(data[place : place + 2 + length])
        place += 2 + length
    rest = data[place:]
    index = whole(draw, 0, len(segments))
    way = choose(
        draw, ("size", "repeat", "remove", "order", "length", "exif", "profile", "content", "marker")
    )
    frames = [number for number, segment in enumerate(segments) if segment[1] in (0xC0, 0xC1, 0xC2)]
    if way == "size" and frames:
        head = bytearray(segments[frames[0]])
        if draw.random() < 0.6:
            sizes = [choose(draw, (0, 1, 8, 1000, 0xFFFF)) for _ in range(2)]
            struct.pack_into(">HH", head, 5, *sizes)
        else:
            head[choose(draw, (4, 9, 10, 11, 12))] = choose(draw, (0, 1, 2, 4, 5, 12, 0x11, 0x44, 0xFF))
        segments[frames[0]] = bytes(head)
    elif way == "repeat":
        segments[index:index] = [segments[index]] * whole(draw, 1, 300)
    elif way == "remove":
        del segments[index]
    elif way == "order":
        segments = [segments[number] for number in draw.permutation(len(segments))]
    elif way == "length":
        segments[index] = segments[index][:2] + struct.pack(">H", whole(draw, 0, 65536)) + segments[index][4:]
    elif way == "exif":
        content = choose(
            draw,
            (b"Exif\0\0II*\0\x08\0\0\0" + noise(draw, 200), b"Exif\0\0MM\0*" + bytes(60000), b"Exif\0\0"),
        )
        segments.insert(0, b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content)
    elif way == "profile":
        for number in range(whole(draw, 1, 255)):
            content = b"ICC_PROFILE\0" + bytes([number & 255, choose(draw, (0, 1, 255))]) + noise(draw, 50)
            segments.insert(0, b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content)
    elif way == "content":
        segments[index] = damaged(draw, segments[index], 1)[0]
    else:
        segments[index] = b"\xff" + noise(draw, 1) + segments[index][2:]
    return data[:2] + b"".join(segments) + rest, f"JPEG: {way}"


_BENDERS: dict[bytes, Callable[[Draw, bytes, list[bytes]], tuple[bytes, str]]] = {
    b"\x89PNG": _bend_png,
    b"II*\0": _bend_tiff,
    b"II+\0": _bend_tiff,
    b"MM\0*": _bend_tiff,
    b"MM\0+": _bend_tiff,
    b"\xff\xd8\xff\xe0": _bend_jpeg,
}


# --- cases -------------------------------------------------------------------------------------------------


def case(draw: Draw, prepared: Path, folder: Path) -> Case:
    """One damaged picture, and what is done with it."""
    wholes = sorted(path for path in prepared.iterdir() if path.suffix != ".zlib")
    bombs = [path.read_bytes() for path in sorted(prepared.glob("*.zlib"))]
    source = choose(draw, wholes)
    data, said = source.read_bytes(), "whole"
    for _ in range(choose(draw, (0, 1, 1, 1, 1, 1, 2))):
        way = draw.random()
        bender = _BENDERS.get(data[:4])
        if bender is not None and way < 0.5:
            try:
                data, said = bender(draw, data, bombs)
            except (struct.error, IndexError):  # bent beyond bending
                data, said = damaged(draw, data)
        elif way < 0.85:
            data, said = damaged(draw, data)
        elif way < 0.95:
            other = choose(draw, wholes)
            joined = draw.random() < 0.5
            data = data + other.read_bytes() if joined else spliced(draw, data, other.read_bytes())
            said = f"{'with' if joined else 'spliced with'} {other.name}"
        else:
            data, said = (
                choose(draw, (b"", data[:1], data[:4], noise(draw, 300), b"\0" * 300)),
                "next to nothing",
            )
    suffix = source.suffix if draw.random() < 0.85 else choose(draw, _SUFFIXES)
    path = folder / f"picture{suffix}"
    path.write_bytes(data)
    what = f"{source.name}, {said}, {len(data)} bytes, as {path.name}"
    if draw.random() < 0.25:
        return _by_command(draw, path, what)
    return Case(f"images.load of {what}", call(lambda: _load(path), (ValueError, OSError), _whole))


def _load(path: Path):
    from zeroshot import images

    return images.load(path)


def _whole(picture) -> list[str]:
    """What is wrong with a picture that was read."""
    import torch

    faults = []
    count, channels, height, width = picture.colours.shape
    if channels not in (1, 3) or count != 1 or not height * width:
        faults.append(f"a picture of {tuple(picture.colours.shape)}")
    if not torch.isfinite(picture.colours).all():
        faults.append("a picture with values that are no numbers")
    return faults


def _by_command(draw: Draw, path: Path, what: str) -> Case:
    output = path.parent / "out.png"
    words = choose(draw, (
        ["info", str(path)],
        ["denoise", str(path), "-o", str(output), "--prior", "domain_transform", "--sigma", "10", "--quiet"],
        ["denoise", str(path), "-o", str(output.with_suffix(".tif")), "--prior", "bilateral", "--quiet"],
        ["metrics", str(path), str(path), "--metrics", "psnr"],
        ["degrade", str(path), "-o", str(output), "--task", "denoise", "--sigma", "10"],
        ["inpaint", str(path), "-o", str(output), "--mask", str(path), "--prior", "tv", "--set",
            "iterations=3"],
    ))  # fmt: skip
    written = Path(words[3]) if "-o" in words else None
    allowed = frozenset() if written is None else frozenset({written.name, f"{written.name}.checkpoint"})
    return Case(f"{words[0]} of {what}", command(words, written), allowed)
