"""A diagnosis drawn: the noise against the intensity, and its spectrum; needs matplotlib (the extra ``plot``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from zeroshot.plotting import ShownFigure

if TYPE_CHECKING:
    from zeroshot.inspection.inspection import Inspection

_COLOURS = {1: ("black",), 3: ("tab:red", "tab:green", "tab:blue")}


def plotted(inspection: Inspection) -> ShownFigure:
    """The noise level over the intensity, the power of the noise over the frequency, and the sentences."""
    model = inspection.noise_model
    figure = ShownFigure(figsize=(10, 4), layout="constrained")
    level, power = figure.subplots(1, 2)
    channels = model.channels or 1
    intensity = torch.linspace(0, 1, 65)
    levels = 255 * model.level(intensity.expand(1, channels, 1, -1))[0, :, 0]
    for values, colour in zip(levels, _COLOURS.get(channels, ("black",) * channels), strict=True):
        level.plot(255 * intensity, values, color=colour, linewidth=1.2)
    level.set_xlabel("intensity (grey levels)")
    level.set_ylabel("noise (grey levels)")
    level.set_ylim(bottom=0)
    spectra = torch.ones(1, 2, 2) if model.spectra is None else model.spectra
    for axis, spectrum in enumerate(spectra):
        diagonal = spectrum.diagonal()
        frequency = np.linspace(0, 0.5, len(diagonal))
        power.plot(frequency, diagonal, linewidth=1.2, label=f"axis {axis + 1}")
    power.set_xlabel("frequency along rows and columns (cycles a pixel)")
    power.set_ylabel("power of the noise (1: white)")
    power.set_ylim(bottom=0)
    if len(spectra) > 1:
        power.legend(frameon=False)
    figure.suptitle(
        "\n".join(one.sentence for one in inspection.told), fontsize="small", ha="center", wrap=True
    )
    return figure
