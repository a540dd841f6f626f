"""Plots of a run; needs matplotlib, which the extra ``plot`` brings."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from zeroshot.estimate import History


class ShownFigure(Figure):
    """A figure that a notebook shows by itself, whether or not pyplot is loaded."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", facecolor="white")
        return buffer.getvalue()


def plotted(histories: Sequence[History], titles: Sequence[str]) -> ShownFigure:
    """Loss, and whatever else was measured, over the iterations: a column a run.

    Parameters
    ----------
    histories : sequence of History
        One or more.
    titles : sequence of str
        What stands above each column.
    """
    measured = [name for name in histories[0].columns if name not in ("iteration", "seconds")]
    columns = len(histories)
    size = (6 * columns if columns < 3 else 4 * columns, 2.2 * len(measured))
    figure = ShownFigure(figsize=size, layout="constrained")
    grid = figure.subplots(len(measured), columns, sharex="col", squeeze=False)
    for axes, history, title in zip(grid.T, histories, titles, strict=True):
        for axis, name in zip(axes, measured, strict=True):
            # What one image of a batch was not measured by stays empty.
            values = history[name] if name in history.columns else np.full(len(history), np.nan)
            axis.plot(history["iteration"], values, color="black", linewidth=0.9)
            axis.set_ylabel(name)
            if np.nanmin(values, initial=np.inf) > 0 and np.isfinite(values).any():
                axis.set_yscale("log")
        axes[-1].set_xlabel("iteration")
        axes[0].set_title(title, fontsize="small", wrap=True)
    return figure
