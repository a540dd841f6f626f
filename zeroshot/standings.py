"""What each prior reaches on each task, and in how many seconds: measured on the shared sets, kept in the package.

``python -m benchmarks.defaults --write`` writes the table. ``zeroshot priors --task T`` prints it, and the priors that
``--fast`` and ``--best`` stand for are read from it. It is read without PyTorch.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from zeroshot.words import aligned

FILE = Path(__file__).with_name("standings.json")
#: What ``--fast`` may take for a picture of `AREA` pixels, in seconds of the processor.
FAST_SECONDS = 2.0
#: The pixels of the picture that times are told for.
AREA = 256 * 256
#: What a prior has to gain for every doubling of its time to be worth it, in dB.
WORTH = 0.2
#: What chance does to that, in dB.
_ALIKE = 0.02
#: How a prior is asked for by what it is to be.
ROLES = ("fast", "best")
_ADAPTIVE = "auto"
#: The side of the crops that most times were measured on.
MEASURED_SIDE = 128
#: Task, prior → the share of the time for such a crop that is the same for pictures of any size
#: (``python -m benchmarks.sizes``).
CONSTANT_SHARES: Mapping[tuple[str, str], float] = {
    ("denoise", "bm3d"): 0.09,
    ("denoise", "dct"): 0.37,
    ("denoise", "wavelet"): 0.59,
    ("denoise", "tv"): 0.57,
    ("denoise", "nlm"): 0.76,
    ("inpaint", "pnp"): 0.22,
    ("deblur", "pnp"): 0.55,
    ("sr", "pnp"): 0.75,
    ("denoise", "tgv"): 0.62,
    ("denoise", "ncsr"): 0.09,
}
#: Row of a task and prior → why it is below the best peer of its kind there; a test sees that none is missing.
BELOW_PEERS: dict[tuple[str, str], str] = {
    (
        "kodak",
        "tv",
    ): "tv weighs all directions alike, where Menon's method first decides along which to interpolate",
    (
        "hole",
        "gsr",
    ): "gsr has no similar patches to go by in a hole wider than a patch, and fills it smoothly",
}


class Standing(NamedTuple):
    """Means over the pictures of a row: PSNR in dB, SSIM if it was taken, seconds of the processor for a picture."""

    psnr: float
    ssim: float | None
    seconds: float


class Row(NamedTuple):
    """One damage done to pictures of one set.

    Attributes
    ----------
    what : str
        The damage in words.
    set : str
        The pictures' folder.
    images : int
        How many there are.
    size : int or None
        The side of their centre crops; None: whole pictures.
    figures : mapping
        Method → what it reaches.
    peers, learned : tuple of str
        The methods that are other packages' or textbooks', and those that were trained.
    channels : int
        Of the wanted pictures.
    kind : str
        What a problem must be to be judged by this row rather than by the others of the task, such as "wide holes".
    """

    what: str
    set: str
    images: int
    size: int | None
    figures: Mapping[str, Standing]
    peers: tuple[str, ...]
    learned: tuple[str, ...]
    kind: str = ""
    channels: int = 1

    @property
    def priors(self) -> list[str]:
        """The methods that are priors of ours."""
        return [method for method in self.figures if method not in (*self.peers, *self.learned)]

    def seconds(self, method: str, pixels: int = AREA) -> float:
        """How long the method takes, or a little less, for a picture with so many pixels: time grows with them."""
        measured = (self.size or 256) ** 2
        return self.figures[method].seconds * pixels / measured


@functools.cache
def stored() -> dict[str, dict[str, Row]]:
    """Task → name of the row → the row, as they were measured."""
    if not FILE.exists():
        return {}
    tasks: dict[str, dict[str, dict[str, Any]]] = json.loads(FILE.read_text("utf-8"))
    return {task: {name: _row(row) for name, row in rows.items()} for task, rows in tasks.items()}


def _row(row: dict[str, Any]) -> Row:
    figures = {method: Standing(*standing) for method, standing in row["figures"].items()}
    return Row(**{**row, "figures": figures, "peers": tuple(row["peers"]), "learned": tuple(row["learned"])})


def write(tasks: Mapping[str, Mapping[str, Row]]) -> None:
    """Keep the table in the package."""
    plain = {task: {name: _plain(row) for name, row in rows.items()} for task, rows in tasks.items()}
    FILE.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", "utf-8")
    stored.cache_clear()


def _plain(row: Row) -> dict[str, Any]:
    figures = {
        method: [None if value is None else round(value, 4) for value in standing]
        for method, standing in row.figures.items()
    }
    return {**row._asdict(), "figures": figures}


# --- what is chosen by it ----------------------------------------------------------------------------------


def choices(task: str, default: str, kind: str = "") -> dict[str, str]:
    """The priors of a task by role: its default, and "fast" and "best" for problems of a kind, where they are known."""
    by_role = {role: ranked(role, task, kind=kind) for role in ROLES}
    return {"default": default, **{role: priors[0] for role, priors in by_role.items() if priors}}


def knee(task: str) -> str:
    """The prior with the best of quality for time: the largest PSNR − 0.2 dB · log₂ max(1, seconds), by the means.

    What a prior gains has to be worth the wait: 0.2 dB for every doubling of it, of which the first second is free.
    The default of a task is its knee, as a test sees to. Of priors that are alike but for the chance in their times,
    such as `bm3d` and `pnp` with it in denoising, it is the first of the table.

    Raises
    ------
    ValueError
        Where the task is unknown, or nothing was measured for it.
    """
    table = means(task)
    if not table:
        raise ValueError(f"no figures were measured for {task!r}")
    worth = {
        prior: standing.psnr - WORTH * math.log2(max(1, standing.seconds))
        for prior, standing in table.items()
    }
    return next(prior for prior in table if worth[prior] >= max(worth.values()) - _ALIKE)


def ranked(role: str, task: str, seconds: float = math.inf, pixels: int = AREA, kind: str = "") -> list[str]:
    """The priors of a task by the mean PSNR over its rows: first those that do it in the time allowed.

    Parameters
    ----------
    role : {"fast", "best"}
        "fast" allows two seconds of the processor for 256² pixels, whatever the picture.
    task : str
        A name in the table of tasks.
    seconds : float
        What "best" may take, a third of which is left for what the table does not know, such as a slower machine.
    pixels : int
        Of the wanted picture.
    kind : str
        See :func:`means`.

    Returns
    -------
    list of str
        Those that are too slow come last, the quickest of them first. Empty where nothing was measured.
    """
    allowed, pixels = (FAST_SECONDS, AREA) if role == "fast" else (seconds * 2 / 3, pixels)
    table = means(task, kind)
    times = {prior: standing.seconds * pixels / AREA for prior, standing in table.items()}

    def rank(prior: str) -> tuple[bool, float]:
        slow = times[prior] > allowed
        return slow, times[prior] if slow else -table[prior].psnr

    return sorted(table, key=rank)


def means(task: str, kind: str = "") -> dict[str, Standing]:
    """Prior → mean PSNR and SSIM over the task's rows, and the seconds for 256² pixels, of those in every row.

    With a `kind` over the rows of that kind, where there are any.
    """
    rows = list(stored().get(task, {}).values())
    rows = [row for row in rows if row.kind == kind] or rows if kind else rows
    if not rows:
        return {}
    common = [
        prior for prior in rows[0].priors if prior != _ADAPTIVE and all(prior in row.figures for row in rows)
    ]
    made = {}
    for prior in common:
        ssims = [row.figures[prior].ssim for row in rows]
        known = [ssim for ssim in ssims if ssim is not None]
        made[prior] = Standing(
            sum(row.figures[prior].psnr for row in rows) / len(rows),
            sum(known) / len(known) if known else None,
            sum(row.seconds(prior) for row in rows) / len(rows),
        )
    return made


def expected_seconds(task: str, prior: str, pixels: int, channels: int, kind: str = "") -> float | None:
    """How long a prior takes on the machine that the table was measured on, with one thread; None where nobody knows.

    The mean over the rows whose pictures have as many channels, else over all as if time grew with the number of
    values; and of those over the rows of the kind where there are any. One part of the time is the same for all
    pictures, the other grows with the pixels: small ones take longer than their share of a large one.

    Parameters
    ----------
    task, prior : str
        Names.
    pixels, channels : int
        Of the wanted picture.
    kind : str
        See :func:`means`.
    """
    rows = [row for row in stored().get(task, {}).values() if prior in row.figures]
    rows = [row for row in rows if row.channels == channels] or rows
    rows = [row for row in rows if row.kind == kind] or rows
    if not rows:
        return None
    share = constant_share(task, prior)
    growth = share + (1 - share) * pixels / MEASURED_SIDE**2
    return (
        growth
        * sum(row.seconds(prior, MEASURED_SIDE**2) * channels / row.channels for row in rows)
        / len(rows)
    )


def constant_share(task: str, prior: str) -> float:
    """The share of the time for `MEASURED_SIDE`² pixels that does not grow with the picture.

    Where it was not measured it is the median of those of the prior in other tasks, else of all.
    """
    if (task, prior) in CONSTANT_SHARES:
        return CONSTANT_SHARES[task, prior]
    same = [share for (_, other), share in CONSTANT_SHARES.items() if other == prior]
    known = sorted(same or CONSTANT_SHARES.values())
    return known[len(known) // 2]


# --- printing ----------------------------------------------------------------------------------------------


def listing(task: str, default: str) -> str:
    """The table of a task: each damage with its methods, the best first, and what is chosen of them.

    Parameters
    ----------
    task : str
        A name in the table of tasks.
    default : str
        The task's own prior.
    """
    rows = stored().get(task, {})
    kinds = dict.fromkeys(row.kind for row in rows.values()) or [""]
    parts = ["\n".join(_told(task, default, kind) for kind in kinds)]
    if not rows:
        parts.append("no figures were measured for this task")
    for damage, row in rows.items():
        size = f"{row.size} × {row.size} crops" if row.size else "whole pictures"
        lines = [["", "PSNR", "SSIM", "seconds", ""]]
        for method, standing in sorted(row.figures.items(), key=lambda item: -item[1].psnr):
            note = "not ours" if method in row.peers else "learned" if method in row.learned else ""
            here = choices(task, default, row.kind)
            note = note or ", ".join(role for role, prior in here.items() if prior == method)
            ssim = "–" if standing.ssim is None else f"{standing.ssim:.4f}"
            lines.append([method, f"{standing.psnr:.2f}", ssim, f"{row.seconds(method):.1f}", note])
        heading = f"{row.what} ({row.set}, {row.images} {size}; seconds of one core for 256 × 256 pixels)"
        reasons = [
            f"{reason}."
            for (where, prior), reason in BELOW_PEERS.items()
            if where == damage and prior in row.figures
        ]
        parts.append("\n".join([heading, *aligned(lines), *reasons]))
    return "\n\n".join(parts)


def standing_facts(task: str) -> list[dict[str, Any]]:
    """The rows of the table of a task, for programs; none where nothing was measured."""
    return [
        {
            "damage": row.what,
            "kind": row.kind,
            "set": row.set,
            "images": row.images,
            "size": row.size,
            "methods": [
                {"name": method, "is_prior": method in row.priors, **figures._asdict()}
                for method, figures in row.figures.items()
            ],
        }
        for row in stored().get(task, {}).values()
    ]


def _told(task: str, default: str, kind: str) -> str:
    roles = choices(task, default, kind)
    named = ", ".join(f"{prior} is {_ROLE_TEXTS[role]}" for role, prior in roles.items())
    return f"{task}, {kind}: {named}" if kind else f"{task}: {named}"


_ROLE_TEXTS = {"default": "the default", "fast": "--fast", "best": "--best"}
