"""Names beside what they name in a plot, so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_LINE = 1.25  # the height of a line of text, in sizes of its letters
_PLACES = ((9, 0, "left", "center"), (0, 8, "center", "bottom"), (0, -8, "center", "top"),
           (-9, 0, "right", "center"), (8, 7, "left", "bottom"), (8, -7, "left", "top"),
           (-8, 7, "right", "bottom"), (-8, -7, "right", "top"), (9, 16, "left", "bottom"),
           (9, -16, "left", "top"), (-9, 16, "right", "bottom"), (-9, -16, "right", "top"))  # fmt: skip


def in_margin(
    figure: Any,
    axis: Any,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    colours: Sequence[str],
) -> None:
    """Names right of the axes, at the heights of their points as far as there is room, with a thin line to each."""
    size = 9.0
    from matplotlib.transforms import blended_transform_factory

    axis_height = axis.get_position().height * figure.get_figheight() * 72
    gap = min(size * _LINE / axis_height, 1 / max(len(points), 1))
    transform = axis.transData + axis.transAxes.inverted()
    heights = [float(transform.transform(point)[1]) for point in points]
    across = blended_transform_factory(axis.transAxes, axis.transAxes)
    for index, height in zip(_from_below(heights), spread_out(sorted(heights), gap), strict=True):
        axis.annotate(
            texts[index],
            xy=points[index],
            xycoords="data",
            xytext=(1.03, height),
            textcoords=across,
            va="center",
            fontsize=size,
            color=colours[index],
            parse_math=False,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 4},
        )


def spread_out(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending heights in [0, 1], moved as little as needed so that neighbours are at least `gap` apart."""
    blocks: list[tuple[float, int]] = []  # centre and number of those that touch
    for height in heights:
        centre, number = height, 1
        while (
            blocks and centre - (number - 1) * gap / 2 < blocks[-1][0] + (blocks[-1][1] + 1) * gap / 2 - 1e-12
        ):
            before, members = blocks.pop()
            centre = (before * members + centre * number) / (members + number)
            number += members
        half = (number - 1) * gap / 2
        blocks.append((min(max(centre, half), max(1 - half, half)), number))
    spread = [c + (i - (n - 1) / 2) * gap for c, n in blocks for i in range(n)]
    for index in range(len(spread) - 1, 0, -1):  # blocks that the upper edge pushed into each other
        spread[index - 1] = min(spread[index - 1], spread[index] - gap)
    return spread


def beside_points(
    figure: Any, axis: Any, points: Sequence[tuple[float, float]], texts: Sequence[str]
) -> None:
    """Names beside points, each in the first place around its point where it covers nothing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.canvas.draw()
    taken = [_square(axis.transData.transform(point), 6 * figure.dpi / 72) for point in points]
    for index, (point, text) in enumerate(zip(points, texts, strict=True)):
        best = None
        for right, up, horizontal, vertical in _PLACES:
            label = axis.annotate(
                text, xy=point, xytext=(right, up), textcoords="offset points", ha=horizontal, va=vertical,
                fontsize=9, parse_math=False, annotation_clip=False,
            )  # fmt: skip
            box = label.get_window_extent(renderer).extents
            covered = sum(_overlap(box, other) for i, other in enumerate(taken) if i != index)
            covered += _outside(box, axis.get_window_extent(renderer).extents)
            if best is not None and covered >= best[0]:
                label.remove()
                continue
            if best is not None:
                best[1].remove()
            best = (covered, label, box)
            if covered == 0:
                break
        if best is not None:
            taken.append(best[2])


def _from_below(heights: Sequence[float]) -> list[int]:
    return sorted(range(len(heights)), key=lambda index: heights[index])


def _square(centre: Sequence[float], half: float) -> tuple[float, float, float, float]:
    x, y = centre
    return x - half, y - half, x + half, y + half


def _overlap(a: Any, b: Any) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def _outside(box: Any, frame: Any) -> float:
    """The area of a box that lies outside a frame."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return area - _overlap(box, frame)
