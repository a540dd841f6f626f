"""The noise of a picture that is to be denoised: as the caller says it, or as it is found in the picture."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zeroshot import images
from zeroshot.checks import is_number
from zeroshot.data_terms import DataTerm, Gaussian, Poisson
from zeroshot.images import Picture
from zeroshot.noise import Beside, NoiseModel, estimate_noise, estimate_sigma
from zeroshot.spelling import Argument, OptionError, OptionTypeError
from zeroshot.tasks.noise_remarks import remark_on_noise
from zeroshot.tasks.ranging import level_of
from zeroshot.tasks.task import Options

#: The largest file that is read as a noise model: those that are written have some tens of kilobytes.
_LARGEST_FILE = 2**24


@dataclass(frozen=True, eq=False)
class ToldNoise:
    """What a problem of denoising says of the noise.

    Attributes
    ----------
    sigma : float
        The root mean square of its level in the picture.
    model : NoiseModel or None
        What it is; None: white Gaussian noise of that level.
    sigma_map : torch.Tensor or None
        (N, 1 or C, H, W): its level at every pixel, where that was given.
    data_term : DataTerm or None
        The one that goes with it, where that was estimated as well.
    """

    sigma: float
    model: NoiseModel | None = None
    sigma_map: torch.Tensor | None = None
    data_term: DataTerm | None = None


def noise_of(
    picture: Picture, known: torch.Tensor | None, options: Options, beside: Beside | None = None
) -> ToldNoise:
    """The noise that the options tell of, or an estimate, times "strength".

    Parameters
    ----------
    picture : Picture
        The noisy one.
    known : torch.Tensor or None
        1 at the pixels that show the noise as the others do, broadcastable to the colours; None: all do.
    options : dict
        Those of the task.
    beside : Beside, optional
        What was found in the picture already, all of whose pixels are then known.

    Raises
    ------
    OptionError, OptionTypeError, OSError
        In one line, where an image of levels or a noise model cannot be read or does not fit.
    """
    sigma, strength, colours = options["sigma"], float(options["strength"]), picture.colours
    if options["peak"] == "auto":
        return _photons(picture, known, strength, beside)
    if options["noise"] is not None:
        return _told(_model_of(options["noise"], picture).scaled(strength), colours)
    if sigma is None:
        found = _estimated(picture, known, options["data_term"], beside)
        remark_on_noise(colours, known, found, options)
        return _told(found.scaled(strength), colours)
    if is_number(sigma):
        return ToldNoise(level_of(sigma, picture) * strength)
    levels = _map_of(sigma, picture) * strength
    return ToldNoise(math.sqrt(float(levels.square().mean())), sigma_map=levels)


def _estimated(
    picture: Picture, known: torch.Tensor | None, data_term: Any, beside: Beside | None
) -> NoiseModel:
    """The noise as it is, or its level alone where the data term has a law of its own."""
    if isinstance(data_term, Gaussian) or (isinstance(data_term, str) and data_term == "gaussian"):
        return estimate_noise(picture.colours, known, compressed=picture.lossy or None, beside=beside)
    return NoiseModel.white(estimate_sigma(picture.colours, known))


def _told(model: NoiseModel, colours: torch.Tensor) -> ToldNoise:
    if model.is_white:
        return ToldNoise(model.sigma)
    level = math.sqrt(float(model.level(colours).square().mean()))
    # A model of impulses alone, as a stack of masks has: by a level of 0 nothing can be divided.
    return ToldNoise(level, model if level > 0 else None)


def _photons(
    picture: Picture, known: torch.Tensor | None, strength: float, beside: Beside | None
) -> ToldNoise:
    """The line ``readout² + gain x`` nearest to the curve of the estimate, as a Poisson data term."""
    model = estimate_noise(picture.colours, known, compressed=picture.lossy or None, beside=beside)
    x = torch.linspace(0, 1, 65, dtype=torch.float64)
    rows = [
        model.level(x.expand(1, model.channels or 1, 1, 65)).square()[0, c, 0]
        for c in range(model.channels or 1)
    ]
    variances = torch.stack(rows).mean(dim=0) * strength**2
    # Each point weighs as much as pixels have its value.
    counts = torch.histc(picture.colours.double(), 65, 0, 1) + 1e-3
    design = torch.stack([torch.ones_like(x), x], dim=1)
    weighted = design * (counts / variances.clamp(min=1e-12).square())[:, None]
    constant, gain = torch.linalg.solve(weighted.T @ design, weighted.T @ variances).tolist()
    if gain <= 0:
        peak = Argument("peak", "auto")
        raise OptionError(peak, ": the noise does not grow with the intensity, so that it is none of photons")
    term = Poisson(gain=gain, readout=math.sqrt(max(constant, 0.0)))
    variance = (term.gain * picture.colours + term.readout**2).clamp(min=0)
    return ToldNoise(math.sqrt(float(variance.mean())), data_term=term)


def _map_of(given: Any, picture: Picture) -> torch.Tensor:
    levels = images.load(given, subject="sigma").colours
    if levels.shape[-2:] != picture.colours.shape[-2:]:
        height, width = levels.shape[-2:]
        size = f"{picture.colours.shape[-1]} × {picture.colours.shape[-2]}"
        raise OptionError(
            Argument("sigma"), f" must be of the size of the picture, {size}, got {width} × {height}"
        )
    if levels.shape[1] not in (1, picture.colours.shape[1]):
        levels = levels.square().mean(dim=1, keepdim=True).sqrt()
    if float(levels.min()) < 0:
        raise OptionError(Argument("sigma"), " must be at least 0 at every pixel")
    if not (isinstance(given, str | Path) and picture.form.origin == "found"):
        levels = levels * picture.form.level_factor
    return levels.expand(picture.colours.shape[0], -1, -1, -1)


def _model_of(given: Any, picture: Picture) -> NoiseModel:
    model = given if isinstance(given, NoiseModel) else _read_model(given)
    channels = picture.colours.shape[1]
    if model.channels not in (None, channels):
        kind = "grey" if channels == 1 else "colour"
        what = f" is a model of {model.channels} channels, but the picture is {kind}"
        raise OptionError(Argument("noise"), what)
    form = picture.form
    if form.origin == "widened" and form.given_range is not None:
        # The model is of the range that was given, the picture is worked with in a wider one.
        low, high = form.value_range
        return model.on_range((form.given_range[0] - low) / (high - low), form.level_factor)
    return model


def _read_model(given: Any) -> NoiseModel:
    if isinstance(given, Mapping):
        values: Any = given
    elif isinstance(given, str | Path):
        values = _json_of(Path(given).expanduser())
    else:
        kind = type(given).__name__
        raise OptionTypeError(Argument("noise"), f" must be a NoiseModel or the file of one, got {kind}")
    try:
        return NoiseModel.from_dict(values)
    except ValueError as error:
        named = "" if isinstance(given, Mapping) else f" {given}"
        raise OptionError(Argument("noise"), f"{named}: {error}") from None


def _json_of(path: Path) -> Any:
    if not path.is_file():
        what = f"{path} is no file" if path.exists() else f"there is no file {path}"
        raise OptionError(Argument("noise"), f": {what}")
    if path.stat().st_size > _LARGEST_FILE:
        raise OptionError(Argument("noise"), f": {path} is too large for a noise model")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise OptionError(Argument("noise"), f": {path} is no noise model: it is no JSON") from None
