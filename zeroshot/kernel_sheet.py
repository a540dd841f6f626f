"""kernel_sheet(): what the kernels around the one that was found make of a picture, side by side, to choose by eye."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from zeroshot import images
from zeroshot.colour import full_range_luma
from zeroshot.images import Picture
from zeroshot.kernel_search import kernel_task, picture_with_kernel
from zeroshot.kernels import KernelEstimate
from zeroshot.kernels.family import Candidate, blurs_around, downsamplings_around
from zeroshot.kernels.region import telling_region
from zeroshot.noise import saturated
from zeroshot.provenance import described
from zeroshot.registry import __version__
from zeroshot.solve import solve
from zeroshot.spelling import Argument, OptionError, Part, Text
from zeroshot.tasks import deblur, make_problem, super_resolution
from zeroshot.tasks.ranging import level_of

#: Which prior restores the tiles, with its settings: one that is done in a second or two.
PRIORS: Mapping[str, tuple[str, dict[str, Any]]] = {"deblur": ("wiener", {}), "sr": ("tv", {"updates": 0})}
#: The side of a tile in pixels of the result, and what is restored with it on every side.
_SIDE, _CONTEXT = 240, 24
_COLUMNS = 4
#: In pixels: between the tiles, of a line of text, of the frame around the estimate.
_GAP, _LINE, _FRAME = 8, 18, 3
_FONT_SIZE = 13
_PAPER, _INK, _MARK = (255, 255, 255), (0, 0, 0), (214, 90, 0)


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of the picture restored with one kernel.

    Attributes
    ----------
    options : mapping
        The options of the task that make it so; none for the picture as it is.
    image : numpy.ndarray
        (h, w, 3), uint8.
    is_estimate : bool
        Whether it is the kernel that was found.
    """

    options: Mapping[str, Any]
    image: np.ndarray
    is_estimate: bool = False

    @property
    def label(self) -> Text:
        """Its options, for people."""
        parts: list[Part] = []
        for name, value in self.options.items():
            parts += [Argument(name, value), " "]
        return Text(*parts[:-1])


@dataclass(frozen=True, eq=False)
class KernelSheet:
    """The tiles, the first of them the picture as it is.

    Attributes
    ----------
    task : str
        "deblur" or "sr".
    estimate : KernelEstimate
        The kernel that was found.
    tiles : tuple of Tile
        In the order in which they are shown.
    region : tuple of slice
        Rows and columns of the given picture that they show.
    provenance : mapping
        How they were made, JSON-able.
    """

    task: str
    estimate: KernelEstimate
    tiles: tuple[Tile, ...]
    region: tuple[slice, slice]
    provenance: Mapping[str, Any]

    def picture(self, spelled: Callable[[Text], str] = str) -> Image.Image:
        """The sheet as one image.

        Parameters
        ----------
        spelled : callable
            How the label of a tile is written: by default as Python writes it.
        """
        font = ImageFont.load_default(size=_FONT_SIZE)
        height, width = self.tiles[0].image.shape[:2]
        texts = [self._text(tile, spelled) for tile in self.tiles]
        widest = math.ceil(max(map(font.getlength, texts)))
        cell = max(width + 2 * _FRAME, widest), height + 2 * _FRAME + _LINE
        rows = -(-len(self.tiles) // _COLUMNS)
        size = _COLUMNS * (cell[0] + _GAP) + _GAP, _LINE + rows * (cell[1] + _GAP) + 2 * _GAP
        sheet = Image.new("RGB", size, _PAPER)
        draw = ImageDraw.Draw(sheet)
        draw.text((_GAP, _GAP // 2), self.title, _INK, font)
        for index, (tile, text) in enumerate(zip(self.tiles, texts, strict=True)):
            row, column = divmod(index, _COLUMNS)
            left, top = _GAP + column * (cell[0] + _GAP), _LINE + _GAP + row * (cell[1] + _GAP)
            if tile.is_estimate:
                draw.rectangle((left, top + _LINE, left + width + 2 * _FRAME - 1, top + cell[1] - 1), _MARK)
            draw.text((left, top), text, _MARK if tile.is_estimate else _INK, font)
            sheet.paste(Image.fromarray(tile.image), (left + _FRAME, top + _LINE + _FRAME))
        return sheet

    def _text(self, tile: Tile, spelled: Callable[[Text], str]) -> str:
        unchanged = "as it is" if self.task == "deblur" else "interpolated"
        return (spelled(tile.label) or unchanged) + ("  (found)" if tile.is_estimate else "")

    @property
    def title(self) -> str:
        """What was found, and which part is shown."""
        rows, columns = self.region
        found = "the kernel is not told apart from bicubic" if self._is_bicubic else self.estimate.sentence
        size = f"{rows.stop - rows.start} x {columns.stop - columns.start} pixels"
        # The font that always is there has few signs.
        found = found.replace("×", "x")
        return f"{self.task}: {found}; {size} at row {rows.start}, column {columns.start}"

    @property
    def _is_bicubic(self) -> bool:
        return self.task == "sr" and self.estimate.kind == "none"

    @property
    def image(self) -> np.ndarray:
        """The sheet, (H, W, 3), uint8."""
        return np.asarray(self.picture())

    def save(
        self, path: str | os.PathLike, *, overwrite: bool = False, spelled: Callable[[Text], str] = str
    ) -> None:
        """Write the sheet as a PNG file, which appears when it is complete.

        Raises
        ------
        ValueError, OSError
            In one line, where it is no name of a PNG file, exists, or cannot be written.
        """
        check_sheet_output(Path(path), overwrite=overwrite)
        sheet = images.load(np.asarray(self.picture(spelled)))
        images.save(sheet, path, overwrite=overwrite, provenance=dict(self.provenance))

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        file = BytesIO()
        self.picture().save(file, "PNG")
        return file.getvalue()


def kernel_sheet(
    image: Any,
    task: str = "deblur",
    *,
    kind: str | None = None,
    prior: str | None = None,
    settings: dict[str, Any] | None = None,
    side: int = _SIDE,
    device: str | torch.device = "auto",
    value_range: tuple[float, float] | None = None,
    **options: Any,
) -> KernelSheet:
    """Restore a telling part of a picture with the kernels around the one that was found.

    Narrower and wider ones, turned lines and other shapes: the eye says in one step which is right, and the label of
    each tile is the option to go on with. Of pictures larger than a tile the part with the most of strong edges is
    shown, pixel for pixel; the kernel is looked for in all of it.

    Parameters
    ----------
    image : path, PIL image, numpy array or torch tensor
        One picture, as for :func:`zeroshot.solve`.
    task : {"deblur", "sr"}
        What the kernel is that of.
    kind : {"motion", "lens"}, optional
        For "deblur": what the kernel is looked for among.
    prior : str, optional
        What restores the tiles; by default a quick one, "wiener" for "deblur" and "tv" for "sr".
    settings : dict, optional
        Of the prior.
    side : int
        Height and width of the tiles, in pixels of the result.
    device, value_range
        As for :func:`zeroshot.solve`.
    **options
        The task's other options, such as ``scale=2`` or ``sigma=2/255``.

    Returns
    -------
    KernelSheet
        Which shows itself in a notebook; `save` writes it, `tiles` are its parts.

    Raises
    ------
    ValueError, TypeError, OSError
        In one line, where something about the input does not fit.

    Examples
    --------
    >>> import zeroshot
    >>> from scipy.ndimage import gaussian_filter
    >>> from skimage.data import camera
    >>> sheet = zeroshot.kernel_sheet(gaussian_filter(camera()[100:196, 100:196], 2), kind="lens", side=64)
    >>> len(sheet.tiles), sheet.tiles[0].image.shape
    (12, (64, 64, 3))
    """
    entry = kernel_task(task, options.get("scale"), kind)
    if "kernel" in options or "kernel_sigma" in options:
        raise OptionError(Argument("kernel"), " is what the sheet is to tell: leave it out")
    entry.completed(options)
    picture = picture_with_kernel(image, entry, options, value_range)
    scale = int(options.get("scale", 1))
    estimate, candidates = _candidates(picture, entry.name, kind, scale, options)
    region, inner, colours = _part(picture, max(side // scale, 1))
    options["sigma"] = _level(picture, colours, entry.name, estimate, options)
    chosen, usual = PRIORS[entry.name] if prior is None else (prior, {})

    def restored(candidate: Candidate) -> Tile:
        with warnings.catch_warnings():
            # What there is to say of one of them would be said of all.
            warnings.simplefilter("ignore")
            result = solve(
                colours,
                entry.name,
                chosen,
                settings={**usual, **(settings or {})},
                device=device,
                value_range=(0.0, 1.0),
                progress=False,
                **{**options, **candidate.told},
            )
        return Tile(
            dict(candidate.options), _shown(result.picture.colours, inner, scale), candidate.is_estimate
        )

    unchanged = Tile(
        {}, _shown(_as_it_is(colours, scale), inner, scale), estimate.kind == "none" and scale == 1
    )
    tiles = (unchanged, *map(restored, candidates))
    provenance = {
        "zeroshot": __version__,
        "task": entry.name,
        "prior": chosen,
        "options": {name: described(value) for name, value in options.items()},
        "kernel": estimate.to_dict(),
        "tiles": [dict(tile.options) for tile in tiles],
        "rows": [region[0].start, region[0].stop],
        "columns": [region[1].start, region[1].stop],
        "input_sha256": picture.sha256(),
    }
    return KernelSheet(entry.name, estimate, tiles, region, provenance)


def check_sheet_output(path: Path, *, overwrite: bool) -> None:
    """Refuse a name that is not that of a PNG file, and one that cannot be written.

    Raises
    ------
    ValueError, OSError
        In one line.
    """
    if path.suffix.lower() != ".png":
        raise ValueError(f"a sheet is written to a .png file, got {path}")
    images.check_output(path, overwrite=overwrite)


def _candidates(
    picture: Picture, task: str, kind: str | None, scale: int, options: Mapping[str, Any]
) -> tuple[KernelEstimate, list[Candidate]]:
    if task == "deblur":
        found = deblur.kernel_of(picture, kind)
        return found, blurs_around(found, kind)
    found = super_resolution.kernel_of(picture, scale, options.get("sigma"))
    return found, downsamplings_around(found, scale)


def _level(
    picture: Picture, colours: torch.Tensor, task: str, found: KernelEstimate, options: Mapping[str, Any]
) -> float | None:
    """The noise level of all tiles: a kernel that is too wide is to ring, and not to be forgiven as noise."""
    if options.get("sigma") is not None:
        return level_of(options["sigma"], picture)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem, _, _ = make_problem(task, images.load(colours), {**options, "kernel": found.kernel})
    return problem.sigma


def _part(picture: Picture, side: int) -> tuple[tuple[slice, slice], tuple[slice, slice], torch.Tensor]:
    """The part to be shown, its place in the one to be restored, and the colours of that."""
    colours = picture.colours
    plane = (full_range_luma(colours) if colours.shape[1] == 3 else colours[:, :1])[0, 0]
    clipped = saturated(colours)
    seen = torch.ones_like(plane) if picture.visible is None else picture.visible[0, 0].to(plane)
    if clipped is not None:
        seen = seen * ~clipped[0].any(dim=0)
    region = telling_region(plane, seen, side)
    wide, inner = [], []
    for part, length in zip(region, plane.shape, strict=True):
        first, last = max(part.start - _CONTEXT, 0), min(part.stop + _CONTEXT, length)
        wide.append(slice(first, last))
        inner.append(slice(part.start - first, part.stop - first))
    return region, (inner[0], inner[1]), colours[:, :, wide[0], wide[1]].contiguous().clamp(0, 1)


def _as_it_is(colours: torch.Tensor, scale: int) -> torch.Tensor:
    if scale == 1:
        return colours
    from zeroshot.operators import Downsample

    return Downsample(scale).initial(colours).clamp(0, 1)


def _shown(colours: torch.Tensor, inner: tuple[slice, slice], scale: int) -> np.ndarray:
    rows, columns = (slice(part.start * scale, part.stop * scale) for part in inner)
    pixels = colours[0, :, rows, columns].clamp(0, 1).mul(255).round().byte()
    return pixels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()
