"""A diagnosis of one picture: everything that is looked for, and the command that would undo it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot import images
from zeroshot.images.stack import Stack, stack_of
from zeroshot.images.value_range import counts_of_fewer_bits
from zeroshot.images.written_names import lossless
from zeroshot.inspection.blur import Sharpness, sharpness_of
from zeroshot.inspection.compression import Compression, compression_of
from zeroshot.inspection.damage import Impulses, Stripes, impulses_of, stripes_of
from zeroshot.inspection.finding import Finding
from zeroshot.inspection.form import Form, form_of
from zeroshot.inspection.noise import Noise, noise_of
from zeroshot.inspection.noise_before import noise_before_jpeg
from zeroshot.inspection.resampling import Demosaicking, Resampling, demosaicking_of, resampling_of
from zeroshot.inspection.sample import lines_of, sample_of, stripes_of_sample
from zeroshot.noise import Beside, NoiseModel, all_and_clear_outliers, estimate_noise, stripe_component
from zeroshot.notes import note
from zeroshot.spelling import flag
from zeroshot.words import counted

#: Findings are told from that confidence on.
CLEAR = 0.5
#: Noise of that many grey levels in some part is worth taking away.
_WORTH_DENOISING = 2.5
#: Remedy → what the command line calls its results.
_OUTCOMES = {
    "jpeg": "clean",
    "destripe": "destriped",
    "denoise": "denoised",
    "deblur": "deblurred",
    "sharpen": "sharpened",
}


@dataclass(frozen=True)
class Remedy:
    """A task that undoes something that was found.

    Attributes
    ----------
    task : str
        Its name.
    options : dict of str to str
        Those of the task that are not left at their defaults, as the command line takes them.
    """

    task: str
    options: dict[str, str]


@dataclass(frozen=True, eq=False)
class Inspection:
    """What is known of a picture; prints as a screenful.

    Attributes
    ----------
    name : str
        Of the file; "" for arrays.
    form, noise, impulses, stripes, compression, resampling, demosaicking, sharpness : Finding
        What was found.
    noise_model : NoiseModel
        The estimate beside impulses and stripes, as ``denoise(noise=…)`` takes it.
    scene : str or None
        Which image of a microscope file it is, where there are several.
    """

    name: str
    form: Form
    noise: Noise
    impulses: Impulses
    stripes: Stripes
    compression: Compression
    resampling: Resampling
    demosaicking: Demosaicking
    sharpness: Sharpness
    noise_model: NoiseModel
    scene: str | None = None

    @property
    def findings(self) -> list[Finding]:
        """All of them."""
        return [
            self.form,
            self.noise,
            self.impulses,
            self.stripes,
            self.compression,
            self.resampling,
            self.demosaicking,
            self.sharpness,
        ]

    @property
    def told(self) -> list[Finding]:
        """Those that are clear and have something to tell."""
        return [one for one in self.findings if one.sentence and one.confidence >= CLEAR] or [self.form]

    @property
    def remedies(self) -> list[Remedy]:
        """What undoes what was found, in its order; empty where nothing is to be done.

        Each but the first goes on with the result of the one before.
        """
        steps: list[Remedy] = []
        if self.compression.is_visible and self.compression.confidence >= CLEAR:
            steps.append(Remedy("jpeg", {} if self.compression.is_file else {"quality": "auto"}))
        noisy = _is_noisy(self.noise)
        if not steps and self.stripes.sentence:
            steps.append(Remedy("destripe", {} if noisy else {"sigma": "0"}))
        elif not steps and (noisy or self.noise.coarse is not None or self.impulses.count):
            steps.append(Remedy("denoise", {}))
        if self.sharpness.is_blurred and self.sharpness.confidence >= CLEAR:
            steps.append(Remedy("deblur", {}))
        elif self.sharpness.is_soft and self.sharpness.confidence >= CLEAR:
            steps.append(Remedy("sharpen", {}))
        return steps

    @property
    def commands(self) -> list[str]:
        """The :attr:`remedies` as lines of the command line."""
        lines, source = [], Path(self.name or "photo.png")
        scene = "" if self.scene is None else f" --scene {shlex.quote(self.scene)}"
        for remedy in self.remedies:
            options = "".join(f" {flag(name)} {word}" for name, word in remedy.options.items()) + self._range
            lines.append(f"zeroshot {remedy.task} {shlex.quote(str(source))}{options}{scene}")
            scene = ""  # the result holds no others
            name = Path(lossless(source))
            source = source.with_name(f"{name.stem}.{_OUTCOMES[remedy.task]}{name.suffix}")
        return lines

    @property
    def _range(self) -> str:
        """The option that says what black and white are, where the type does not."""
        low, high = self.form.value_range
        told = "" if np.dtype(self.form.dtype).kind == "f" else f" --range {low:.6g},{high:.6g}"
        return "" if (low, high) in ((0, 1), (0, 255), (0, 65535)) else told

    def to_dict(self) -> dict[str, Any]:
        """All of it, JSON-able."""
        found = {one.topic: one.to_dict() for one in self.findings}
        return {
            "file": self.name,
            **found,
            "noise_model": self.noise_model.to_dict(),
            "commands": self.commands,
        }

    def to_json(self) -> str:
        """:meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        lines = [f"{one.topic}: {one.sentence}" for one in self.told]
        if self.commands:
            lines += ["what to do:", *(f"    {line}" for line in self.commands)]
        else:
            lines.append("what to do: nothing")
        return "\n".join([f"{self.name}:", *(f"  {line}" for line in lines)] if self.name else lines)

    __repr__ = __str__

    def plot(self) -> Any:
        """The curve and the spectrum of the noise, and the values; needs matplotlib.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it by itself.

        Raises
        ------
        ImportError
            In one line, without matplotlib.
        """
        try:
            from zeroshot.inspection.plot import plotted
        except ImportError as error:
            raise ImportError(
                f'plots need matplotlib: pip install "zeroshot-restore[plot]" ({error})'
            ) from None
        return plotted(self)


def inspect(
    image: Any,
    *,
    value_range: tuple[float, float] | None = None,
    scene: int | str | None = None,
    between_steps: Callable[[], object] | None = None,
) -> Inspection:
    """Look a picture over: its noise, impulses, stripes, compression, scaling and sharpness.

    Nothing is told that is not clear; every finding has its confidence. Values of 16 bits that need at most 14 of
    them are taken for counts of so many bits, the largest of which is white. Pictures of more than two megapixels are
    seen through 16 tiles of 256 × 256 pixels, spread evenly, and their stripes through bands of whole rows and columns.

    Parameters
    ----------
    image : path, PIL image, numpy array or torch tensor
        One picture; of a file that is a stack the plane in the middle, which a note names.
    value_range : tuple of float, optional
        The values of black and white, as for :func:`zeroshot.solve`; of a plane of a stack without unsigned counts its
        least and its largest value where they are left out.
    scene : int or str, optional
        Which image of a microscope file, as for :func:`zeroshot.solve`.
    between_steps : callable, optional
        Called between the steps, of a second or two each; what it raises ends the inspection.

    Returns
    -------
    Inspection
        Which prints as a screenful.

    Raises
    ------
    ValueError, OSError
        In one line, where the picture cannot be read or is a batch of several.

    Examples
    --------
    >>> import numpy as np
    >>> import zeroshot
    >>> from skimage.data import camera
    >>> noisy = camera()[:256, :256] + np.random.default_rng(0).normal(0, 12, (256, 256))
    >>> found = zeroshot.inspect(np.clip(noisy, 0, 255).round().astype(np.uint8))
    >>> 10 < found.noise.middle < 14
    True
    >>> found.commands
    ['zeroshot denoise photo.png']
    """
    name = str(image) if isinstance(image, str | os.PathLike) else ""
    stack = stack_of(image, scene=scene) if name or scene is not None else None
    if stack is not None:
        image, value_range = _plane_of(stack, value_range)
    picture = images.load(image, value_range=value_range, nan="refused" if stack is None else "unknown")
    counts = counts_of_fewer_bits(picture)
    if counts is not None:
        picture = images.load(image, value_range=counts)
    if picture.colours.shape[0] != 1:
        raise ValueError(f"inspect takes one picture at a time, got a batch of {picture.colours.shape[0]}")
    proceed = between_steps or (lambda: None)
    proceed()
    whole, seen = picture.colours, None if picture.visible is None else picture.visible[0, 0]
    sample = sample_of(whole, seen)
    colours, seen_here = (whole, seen) if sample is None else (sample.colours, sample.seen)
    standing_out, spoiled = all_and_clear_outliers(colours)
    proceed()
    if seen_here is not None:
        spoiled &= seen_here
    sound = ~spoiled.any(dim=1)[0] if seen_here is None else seen_here & ~spoiled.any(dim=1)[0]
    if sample is None:
        stripes = stripe_component(colours[0], "auto", sound)
    else:
        stripes = stripes_of_sample(sample, whole[0], seen)
    proceed()
    level = colours - stripes.total
    known = None if bool(sound.all()) else sound[None, None].to(colours)
    untouched = known is None and not stripes
    beside = Beside(standing_out, [stripes]) if untouched else None
    compression = compression_of(picture)
    proceed()
    # Traces are those of the pixels as they are: what was subtracted or hidden leaves others.
    traced = compression.quality is not None if untouched else None
    model = estimate_noise(level, known, compressed=picture.lossy or traced, beside=beside)
    proceed()
    noise = noise_of(level[0], model, None if known is None else sound)
    if compression.quality is not None and untouched and not _is_noisy(noise):
        before = noise_before_jpeg(whole[0], compression.grid)
        noise = noise if before is None else replace(noise, before_jpeg=before, confidence=1.0, reason="")
    plain = level[0] if known is None else _filled(level, known)
    proceed()
    return Inspection(
        name=name,
        form=form_of(picture, _orientation(picture)),
        noise=noise,
        impulses=impulses_of(spoiled[0], 1.0 if sample is None else sample.share),
        stripes=stripes_of(stripes),
        compression=compression,
        resampling=resampling_of(plain) if sample is None else resampling_of(*lines_of(whole[0])),
        demosaicking=demosaicking_of(plain),
        sharpness=sharpness_of(plain if sample is None else sample.tiles(plain), model.sigma),
        noise_model=model,
        scene=None if stack is None else stack.scene,
    )


def _plane_of(
    stack: Stack, value_range: tuple[float, float] | None
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """The plane in the middle of a stack, and its range."""
    stack.say_remarks()
    index = tuple(length // 2 for length in stack.lengths)
    plane = stack.plane(index)
    place = ", ".join(f"{axis} {number}" for axis, number in zip(stack.counted, index, strict=True))
    if place:
        note(f"{counted(stack.count, 'plane')} ({stack.axes}), of which the one at {place} is looked at")
    if plane.dtype.kind == "u" and plane.dtype.itemsize <= 2:
        # Not said in the command: the range of a stack is found over all of its planes.
        value_range = value_range or counts_of_fewer_bits(images.load(plane))
        if value_range is None:
            return plane, None
    plane = plane.astype(np.float32 if plane.dtype.itemsize <= 2 else np.float64)
    known = plane[np.isfinite(plane)]
    if value_range is None and known.size:
        low = float(known.min())
        value_range = low, max(float(known.max()), np.nextafter(low, np.inf))
    return plane, value_range


def _is_noisy(noise: Noise) -> bool:
    """Whether it is worth taking away."""
    strongest = max(noise.dark, noise.middle, noise.bright)
    return strongest >= _WORTH_DENOISING and noise.confidence >= CLEAR


def _filled(level: Any, known: Any) -> Any:
    from zeroshot.operators import fill_holes

    return fill_holes(level, known)[0]


def _orientation(picture: images.Picture) -> int:
    """The EXIF orientation of the file, which loading has undone; 1: none."""
    from PIL import Image, UnidentifiedImageError

    if picture.source is None:
        return 1
    try:
        with Image.open(picture.source) as file:
            return int(file.getexif().get(0x0112, 1))
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError):
        return 1
