"""A picture as the solvers see it, and the form it came in, to which it returns."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from zeroshot.images.errors import ImageError
from zeroshot.images.metadata import Metadata
from zeroshot.notes import note

# Which values stand for black and white: those of the caller, or the full range of the type.
Values = Literal["given", "full"]
# How black and white came about: as the type has them, as given, found in the values, or given and then widened.
Origin = Literal["type", "given", "found", "widened"]
# Up to this share of the range, a few roundings of 32-bit floats, a value is the one that was given.
_ROUNDING = 5e-7


@dataclass(frozen=True)
class GivenForm:
    """How the caller gave a picture.

    Attributes
    ----------
    kind : {"file", "pil", "numpy", "torch"}
    dtype : torch.dtype
        Type of a sample; that of the file's pixels for a file.
    layout : {"HW", "HWC", "CHW", "NCHW"}
        Axes of the array or tensor; "HW" or "HWC" for files and PIL images.
    value_range : tuple of float
        The values that stand for black and for white: (0, 255) for uint8, (0, 1) for floats, as given, or as
        :mod:`zeroshot.images.value_range` has found them.
    device : torch.device
        Where the caller's tensor lies.
    numpy_dtype : numpy.dtype or None
        The array's dtype with its byte order.
    mode : str or None
        The mode of the PIL image, palettes resolved: "L", "LA", "RGB", "RGBA", "I", "I;16…" or "F".
    metadata : Metadata
        ICC profile, EXIF block, resolution, text.
    source : pathlib.Path or None
        The file that the picture was read from.
    origin : {"type", "given", "found", "widened"}
        How `value_range` came about.
    given_range : tuple of float or None
        The range that the caller gave, where it was widened.
    alpha_white : float or None
        The value of an opaque pixel, where it is not that of white.
    hidden : {"alpha", "nan"}
        How a pixel that was not measured is written: as transparent, or as NaN where floats can say so.
    """

    kind: Literal["file", "pil", "numpy", "torch"]
    dtype: torch.dtype
    layout: Literal["HW", "HWC", "CHW", "NCHW"]
    value_range: tuple[float, float]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    numpy_dtype: np.dtype | None = None
    mode: str | None = None
    metadata: Metadata = field(default_factory=Metadata)
    source: Path | None = None
    origin: Origin = "type"
    given_range: tuple[float, float] | None = None
    alpha_white: float | None = None
    hidden: Literal["alpha", "nan"] = "alpha"

    @property
    def level_unit(self) -> float:
        """The difference of two samples that the caller calls 1 where noise is spoken of.

        That is 1 where the range was found in the values, else the range that the caller gave or means.
        """
        low, high = self.given_range or self.value_range
        return 1.0 if self.origin == "found" else high - low

    @property
    def level_factor(self) -> float:
        """A noise level of 1, as the caller gives it, between the black and the white that are worked with."""
        low, high = self.value_range
        return self.level_unit / (high - low)

    def grey_levels(self, sigma: float) -> float:
        """A noise level between black and white in 8-bit grey levels, of the range that was given if any."""
        return 255 * (sigma / self.level_factor if self.origin == "widened" else sigma)

    def asked(self) -> GivenForm:
        """The form with the range that was given, or that of the type."""
        if self.origin == "widened" and self.given_range is not None:
            return replace(self, value_range=self.given_range, origin="given", given_range=None)
        if self.origin == "found":
            return replace(self, value_range=full_range(self.dtype), origin="type")
        return self

    @property
    def alpha_range(self) -> tuple[float, float]:
        """The values of a transparent and of an opaque pixel: all of an integer's, 0 to white for floats."""
        if self.alpha_white is not None:
            return (0.0, self.alpha_white)
        if self.dtype.is_floating_point:
            return (0.0, self.value_range[1] if self.value_range[1] > 0 else 1.0)
        return full_range(self.dtype)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as the solvers see it, and the form it came in.

    Attributes
    ----------
    colours : torch.Tensor
        (N, C, H, W), float32, nominally in [0, 1], C = 1 (grey) or 3 (RGB).
    alpha : torch.Tensor or None
        (N, 1, H, W), float32 in [0, 1], 0 where transparent. Carried along, never optimised.
    form : GivenForm
        What the caller gave.
    samples : torch.Tensor or None
        Of floats: the colours as they were given, in their own type. Where a restored value is the given one, as
        known pixels of inpainting are, it comes back bit for bit.
    """

    colours: torch.Tensor
    alpha: torch.Tensor | None
    form: GivenForm
    samples: torch.Tensor | None = None

    @property
    def visible(self) -> torch.Tensor | None:
        """True where a pixel is not fully transparent, (N, 1, H, W); None where all are visible or none is.

        The colour that is stored in a fully transparent pixel means nothing: it is not measured.
        """
        if self.alpha is None:
            return None
        shown = self.alpha > 0
        return shown if bool(shown.any()) and not bool(shown.all()) else None

    @property
    def lossy(self) -> bool:
        """Whether the pixels were compressed with loss before (JPEG, lossy WebP): their noise is not white."""
        return self.form.metadata.lossy

    @property
    def source(self) -> Path | None:
        """The file that the picture was read from, or None where it was given as an image."""
        return self.form.source

    def with_colours(self, colours: torch.Tensor) -> Picture:
        """The same picture with other colours, perhaps of another size or number of channels.

        Alpha follows to the new size by antialiased bicubic interpolation, clamped to [0, 1]. The resolution
        (dpi) grows with the number of pixels, so that the picture keeps its physical size. Fully transparent
        pixels keep what is stored in them, where the size is the same.
        """
        if colours.ndim != 4 or colours.shape[1] not in (1, 3) or 0 in colours.shape:
            raise ImageError(f"colours must be (N, 1 or 3, H, W), got the shape {tuple(colours.shape)}")
        if colours.shape[0] != self.colours.shape[0]:
            raise ImageError(
                f"there are {self.colours.shape[0]} pictures, but colours for {colours.shape[0]}"
            )
        colours, alpha = colours.detach().to(torch.float32), self.alpha
        if alpha is not None and alpha.shape[-2:] != colours.shape[-2:]:
            alpha = torch.nn.functional.interpolate(
                alpha, size=tuple(colours.shape[-2:]), mode="bicubic", antialias=True
            ).clamp(0, 1)
        form, (height, width), samples = self.form, self.colours.shape[-2:], self.samples
        visible = self.visible if colours.shape[-2:] == (height, width) else None
        if visible is not None:
            stored = self.colours if self.colours.shape[1] in (1, colours.shape[1]) else self.colours[:, :1]
            colours = torch.where(visible.to(colours.device), colours, stored.to(colours.device))
        if samples is not None and samples.shape != colours.shape:
            samples = None
        if colours.shape[-2:] != (height, width):
            enlarged = form.metadata.enlarged(colours.shape[-1] / width, colours.shape[-2] / height)
            form = replace(form, metadata=enlarged)
        return replace(self, colours=colours, alpha=alpha, form=form, samples=samples)

    def as_given(self) -> Any:
        """The picture as the caller gave it: same kind, dtype, layout, value range and device.

        Integers are rounded and clipped, floats are neither. H×W stays H×W and a PIL mode stays as it is,
        unless the number of colour channels changed (grey ↔ RGB). A file gives a numpy array of its dtype,
        H×W or H×W×C. PIL has no 16-bit or float colour: such images become 8-bit RGB, with a warning.

        Returns
        -------
        numpy.ndarray, torch.Tensor or PIL.Image.Image
        """
        if self.form.kind == "torch":
            samples = self._samples(self.form.dtype)
            samples = samples if self.form.layout == "NCHW" else samples[0]
            samples = samples[0] if self.form.layout == "HW" and samples.shape[0] == 1 else samples
            return samples.to(self.form.device)
        if self.form.kind == "pil":
            return self._as_pil()
        pixels = self.pixels(self.form.dtype)
        if self.form.layout == "HWC" and pixels.ndim == 2:
            pixels = pixels[..., None]
        return pixels if self.form.numpy_dtype is None else pixels.astype(self.form.numpy_dtype, copy=False)

    def without_alpha(self) -> Picture:
        """The same picture with its transparency forgotten."""
        return replace(self, alpha=None)

    def part(self, index: int) -> Picture:
        """One picture of a batch, as a batch of one."""

        def own(batch: torch.Tensor | None) -> torch.Tensor | None:
            return None if batch is None else batch[index : index + 1]

        colours = self.colours[index : index + 1]
        return replace(self, colours=colours, alpha=own(self.alpha), samples=own(self.samples))

    def sha256(self) -> str:
        """A hash of the shape and the values (as 32-bit floats), to identify an input, in hexadecimal.

        Values are those between black and white; with black and white where these were found in them.
        """
        digest = hashlib.sha256()
        if self.form.origin in ("found", "widened"):
            digest.update(json.dumps(self.form.value_range).encode())
        for part in (self.colours, self.alpha):
            if part is not None:
                digest.update(json.dumps(list(part.shape)).encode())
                digest.update(part.detach().cpu().contiguous().numpy().astype("<f4", copy=False).tobytes())
        return digest.hexdigest()

    def _samples(self, dtype: torch.dtype, values: Values = "given") -> torch.Tensor:
        """Colours and alpha together as (N, C, H, W) of `dtype`."""
        colour_range = self.form.value_range if values == "given" else full_range(dtype)
        alpha_range = self.form.alpha_range if values == "given" else full_range(dtype)
        parts = [from_unit(self.colours, dtype, colour_range)]
        if values == "given" and self.samples is not None and dtype.is_floating_point:
            same = (self.colours - to_unit(self.samples, colour_range).to(self.colours)).abs() <= _ROUNDING
            parts[0] = torch.where(same, self.samples.to(parts[0]), parts[0])
        if self.alpha is not None and self.form.hidden == "nan" and dtype.is_floating_point:
            parts[0] = torch.where(self.alpha.to(parts[0].device) < 0.5, torch.nan, parts[0])
        elif self.alpha is not None:
            parts.append(from_unit(self.alpha.to(self.colours.device), dtype, alpha_range))
        return cast(torch.cat(parts, dim=1), dtype)

    def pixels(self, dtype: torch.dtype, values: Values = "given") -> np.ndarray:
        """The first picture as an H×W (grey) or H×W×C array of `dtype`, see `Values`."""
        samples = self._samples(dtype, values)[0].cpu()
        pixels = np.ascontiguousarray(samples.numpy().transpose(1, 2, 0))
        return pixels[..., 0] if pixels.shape[2] == 1 else pixels

    def _as_pil(self) -> Image.Image:
        mode, metadata = self.form.mode or "", self.form.metadata
        channels = self.colours.shape[1] + (self.alpha is not None)
        if mode == "F" or mode.startswith("I"):
            if channels == 1:
                pixels = self.pixels(self.form.dtype)
                image = _pil_of_deep_grey(pixels, mode)
            else:
                note(f"PIL has no colour or alpha beside mode {mode}; 8 bits are left")
                image = Image.fromarray(self.pixels(torch.uint8, "full"))
        else:
            image = Image.fromarray(self.pixels(torch.uint8))
        exif = metadata.exif_for(*image.size)
        carried = {
            "icc_profile": metadata.icc_for(self.colours.shape[1]),
            "exif": b"Exif\0\0" + exif if exif is not None else None,
            "xmp": metadata.xmp,
            "dpi": metadata.dpi,
        }
        image.info.update({name: value for name, value in carried.items() if value is not None})
        return image


def full_range(dtype: torch.dtype) -> tuple[float, float]:
    """Black and white of a sample type where nobody says otherwise."""
    if dtype.is_floating_point or dtype == torch.bool:
        return (0.0, 1.0)
    return (0.0, float(torch.iinfo(dtype).max))


def to_unit(samples: torch.Tensor, value_range: tuple[float, float]) -> torch.Tensor:
    """``(samples − black) / (white − black)`` in float32."""
    low, high = value_range
    # Without a range of its own a float is what it is; counts and the largest floats need the digits.
    exact = (low, high) != (0.0, 1.0) and samples.dtype.is_floating_point
    wide = samples.to(torch.float64 if exact or samples.dtype == torch.float64 else torch.float32)
    if (low, high) != (0.0, 1.0):
        wide = (wide - low) / (high - low)
    return wide.to(torch.float32).contiguous()


def from_unit(values: torch.Tensor, dtype: torch.dtype, value_range: tuple[float, float]) -> torch.Tensor:
    """``black + values · (white − black)`` as floats; rounded and clipped to an integer `dtype`."""
    low, high = value_range
    wide = values.detach().to(torch.float64 if dtype == torch.float64 else torch.float32)
    if (low, high) != (0.0, 1.0):
        wide = wide * (high - low) + low
    if dtype == torch.bool:
        return (wide >= (low + high) / 2).to(wide)
    return wide if dtype.is_floating_point else wide.round().clamp(0, torch.iinfo(dtype).max)


def cast(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The values as `dtype`, by way of int32 for integers: PyTorch has few operations on uint16."""
    return values.to(dtype) if dtype.is_floating_point else values.to(torch.int32).to(dtype)


def _pil_of_deep_grey(pixels: np.ndarray, mode: str) -> Image.Image:
    if mode == "I":
        return Image.fromarray(pixels.astype(np.int32))
    if mode == "I;16B":
        return Image.frombytes("I;16B", pixels.shape[::-1], pixels.astype(">u2").tobytes())
    return Image.fromarray(pixels)
