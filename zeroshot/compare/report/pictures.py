"""The pictures of the page: what is compared, cut out, and made small enough to travel inside one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from markupsafe import Markup
from PIL import Image, features

from zeroshot import images
from zeroshot.compare.records import Table
from zeroshot.compare.report.measures import is_done, main_psnr, status_words
from zeroshot.compare.report.regions import Region, most_different

#: All pictures of a page together, in bytes; as text in the page they take a third more.
BUDGET = 10_000_000
#: The most that one whole picture may take, in bytes.
_LARGEST = 700_000
#: The least that a picture needs to be useful; where there is less, the last images have none.
_SMALLEST = 4_000
#: How whole pictures are stored, from the best to the smallest: longest side, quality. None: without loss.
_STORAGE = ((1600, None), (1280, 92), (1024, 90), (768, 88), (512, 88), (512, 75), (384, 75), (256, 75),
            (192, 70), (128, 60))  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """One of the pictures of an image that can be compared: the truth, the damaged one, or a method's.

    Attributes
    ----------
    role : {"truth", "damaged", "method"}
        What it is.
    label : str
        Whose it is.
    figure : str
        Its main measure as text, or what became of it.
    file : str or None
        The image file, relative to the folder of the comparison.
    width, height : int
        Of the image file; 0 where there is none.
    whole : str or None
        The whole picture as a data URI.
    details : tuple of str or None
        Its part in each region as a data URI; None where it has none.
    """

    role: Literal["truth", "damaged", "method"]
    label: str
    figure: str
    file: str | None
    width: int = 0
    height: int = 0
    whole: str | None = None
    details: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class Row:
    """All pictures of one image.

    Attributes
    ----------
    width, height : int
        Of the wanted image; 0 where no picture can be read.
    regions : tuple of Region
        What the details show, in pixels of the wanted image.
    shown : tuple of Shown
        In the order of the page.
    storage : str
        How the whole pictures are stored, in words; empty where there are none.
    """

    width: int = 0
    height: int = 0
    regions: tuple[Region, ...] = ()
    shown: tuple[Shown, ...] = ()
    storage: str = ""

    @property
    def has_pictures(self) -> bool:
        """Whether any picture of the image could be read."""
        return any(shown.whole for shown in self.shown)


def pictures_of(table: Table, folder: Path, image: str, budget: int) -> Row:
    """The pictures of one image, in a given number of bytes.

    Details are cut out pixel by pixel and stored without loss. The whole pictures share what is left; all those of
    one image are stored alike, so that what differs between them is what the methods did.
    """
    listed = _listed(table, image)
    loaded = [_pixels(folder, shown.file) for shown in listed]
    available = [pixels for pixels in loaded if pixels is not None]
    if not available:
        return Row(shown=tuple(listed))
    shape = _wanted_shape(listed, loaded)
    regions = _regions(listed, loaded, shape, budget // len(listed))
    details = [[_detail(pixels, region, shape) for region in regions] for pixels in loaded]
    spent = sum(len(part or b"") for parts in details for part in parts)
    wholes, storage = _stored(available, max(budget - spent, 0))
    remaining = iter(wholes)
    shown = [
        Shown(
            one.role,
            one.label,
            one.figure,
            one.file,
            0 if pixels is None else pixels.shape[1],
            0 if pixels is None else pixels.shape[0],
            None if pixels is None else data_uri(next(remaining)),
            tuple(None if part is None else data_uri(part) for part in parts),
        )
        for one, pixels, parts in zip(listed, loaded, details, strict=True)
    ]
    return Row(shape[1], shape[0], tuple(regions), tuple(shown), storage)


def illustrated(table: Table) -> int:
    """How many images can have pictures within :data:`BUDGET`."""
    return min(len(table.images), max(1, BUDGET // (_SMALLEST * (len(table.methods) + 2))))


def data_uri(data: bytes) -> Markup:
    """A picture as text that a page takes as it is: to search millions of letters for what to escape takes seconds."""
    signatures = ((b"\x89PNG", "png"), (b"RIFF", "webp"), (b"\xff\xd8", "jpeg"))
    kind = next((name for start, name in signatures if data.startswith(start)), "svg+xml")
    return Markup(f"data:image/{kind};base64,{base64.b64encode(data).decode()}")


def _listed(table: Table, image: str) -> list[Shown]:
    listed = []
    if image in table.truths:
        listed.append(Shown("truth", "truth", "", table.truths[image]))
    if image in table.damaged:
        listed.append(Shown("damaged", "damaged", "", table.damaged[image]))
    main = main_psnr(table)
    for method in table.methods:
        cell = table.cell(image, method)
        if cell is None or not is_done(cell):
            listed.append(Shown("method", method, status_words(cell), None))
            continue
        value = cell.metrics.get(main.name) if main else None
        figure = "" if main is None or value is None else f"{main.text(value)} {main.unit}"
        listed.append(Shown("method", method, figure, cell.file))
    return listed


def _pixels(folder: Path, file: str | None) -> np.ndarray | None:
    """The file's colours as bytes, H × W or H × W × 3; None where it cannot be read."""
    if file is None:
        return None
    try:
        colours = images.load(folder / file).colours[0]
    except (images.ImageError, OSError):
        return None
    pixels = (colours.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _wanted_shape(listed: list[Shown], loaded: list[np.ndarray | None]) -> tuple[int, int]:
    """Height and width of the truth, or of the first result; of the damaged image where there is nothing else."""
    candidates = [p for s, p in zip(listed, loaded, strict=True) if p is not None and s.role != "damaged"]
    first = next(iter(candidates or [p for p in loaded if p is not None]))
    return first.shape[0], first.shape[1]


def _regions(
    listed: list[Shown], loaded: list[np.ndarray | None], shape: tuple[int, int], share: int
) -> list[Region]:
    side, number = (96, 2) if share >= 60_000 else (64, 2) if share >= 30_000 else (48, 1)
    # Where a square is a third of the length, a second one has room wherever the first one lies.
    side = min(side, min(shape) // 2, max(shape) // 3)
    side = next((fitting for fitting in (96, 64, 48, 32) if fitting <= side), 24)
    present = [(s.role, p) for s, p in zip(listed, loaded, strict=True) if p is not None]
    wanted = [p for role, p in present if p.shape[:2] == shape and role != "damaged"]
    if len(wanted) < 2:
        wanted = [p for _, p in present if p.shape[:2] == shape]
    return most_different(wanted, side, number, _step(present, shape))


def _step(present: Sequence[tuple[str, np.ndarray]], shape: tuple[int, int]) -> int:
    """How many pixels of the wanted image one pixel of the damaged image covers, where that is a whole number."""
    for role, pixels in present:
        if role == "damaged" and shape[0] % pixels.shape[0] == 0 and shape[1] % pixels.shape[1] == 0:
            return shape[0] // pixels.shape[0]
    return 1


def _detail(pixels: np.ndarray | None, region: Region, shape: tuple[int, int]) -> bytes | None:
    part = None if pixels is None else region.cut(pixels, shape)
    return (
        None if part is None else _encoded(Image.fromarray(np.ascontiguousarray(part)), "PNG", optimize=True)
    )


def _stored(pictures: list[np.ndarray], budget: int) -> tuple[list[bytes], str]:
    """All pictures in the best of the ways to store them that fits, and that way in words."""
    share = min(budget / len(pictures), _LARGEST)
    longest = max(max(pixels.shape[:2]) for pixels in pictures)
    stored, words = [], ""
    for side, quality in _STORAGE:
        last = (side, quality) == _STORAGE[-1]
        if quality is None and (longest > side or max(pixels.size for pixels in pictures) > 4 * share):
            continue  # encoding without loss is slow, and rarely saves more than three quarters
        if quality is not None and not last and side > 2 * longest:
            continue
        stored = _tried(pictures, side, quality, None if last else share * len(pictures))
        if stored:
            shrunk = f"shrunk to {side} pixels" if side < longest else "of full size"
            words = f"{shrunk}, stored {'without loss' if quality is None else 'with loss'}"
            break
    return stored, words


def _tried(pictures: list[np.ndarray], side: int, quality: int | None, limit: float | None) -> list[bytes]:
    stored: list[bytes] = []
    longest = max(max(pixels.shape[:2]) for pixels in pictures)
    for pixels in pictures:
        stored.append(_compressed(pixels, min(1.0, side / longest), quality))
        if limit is not None and sum(map(len, stored)) > limit:
            return []
    return stored


def _compressed(pixels: np.ndarray, scale: float, quality: int | None) -> bytes:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    # What was small already, such as the input of super-resolution, keeps its pixels.
    if size != picture.size and max(picture.size) > 128:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    if quality is None:
        kind = "WEBP" if features.check("webp") else "PNG"
        return _encoded(picture, kind, lossless=True, method=2) if kind == "WEBP" else _encoded(picture, kind)
    if features.check("webp"):
        return _encoded(picture.convert("RGB"), "WEBP", quality=quality, method=2)
    return _encoded(picture, "JPEG", quality=quality)


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()
