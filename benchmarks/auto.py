"""Whether `auto` chooses right: chosen × best of its candidates, what is lost in dB, and what the choice costs.

    python -m benchmarks.auto                                # every row, 8 pictures each, crops of 128 pixels
    python -m benchmarks.auto blocks kodak --images 4 --size 192
    python -m benchmarks.auto blocks --priors dct,gsr        # the best of these as well

Rows and pictures are those of ``python -m benchmarks.defaults``, whose cells on file are taken for the candidates. The
loss is the PSNR of the best candidate less that of what `auto` returned. The cost is the processor time of `auto` as a
ratio to that of the chosen prior by itself, run right after it, noise estimates included. Finished cells are not run
again (--again).
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch

import zeroshot
from zeroshot.compare.methods.arrays import to_array
from zeroshot.compare.specification import method_from
from zeroshot.priors.auto.candidates import CANDIDATES
from zeroshot.registry import prior_class
from zeroshot.restoration import Restoration
from zeroshot.tasks.degrade import Degraded

from .arguments import add_table_options, parsed, parser
from .defaults import ROWS, aligned, cases
from .methods import measure_all, quality
from .peers import PEERS
from .table import Figures, Table, show

CHOSEN_FROM = "grey colour random text blocks sr4 kodak mcmaster gaussian levin"


#: A restored image and the damaged picture → its quality.
Judge = Callable[[torch.Tensor, Degraded], Figures]


class Choice(NamedTuple):
    """What `auto` took for a picture, and what it could have taken; PSNR in dB."""

    image: str
    chosen: str
    psnr: float
    best: str
    best_psnr: float
    cost: float

    @property
    def loss(self) -> float:
        """What was lost to the best candidate, in dB; less than 0 where `auto` made more of its choice."""
        return self.best_psnr - self.psnr


def chosen_by_auto(damaged: Degraded, names: list[str], judge: Judge, seconds: float | None) -> Figures:
    """The quality of what `auto` returns, the place of its choice in `names`, and the seconds of processor time.

    They are those of `auto`, and of the chosen prior by itself right after it: an hour later the same run may take half
    as long again.
    """
    result, spent = _timed(damaged, "auto", seconds)
    chosen = result.findings["chosen"]
    _, alone = _timed(damaged, chosen, seconds)
    figures = judge(result.picture.colours, damaged)
    return {**figures, "chosen": float(names.index(chosen)), "alone": alone, "seconds": spent}


def _timed(damaged: Degraded, prior: str, seconds: float | None) -> tuple[Restoration, float]:
    """What a prior makes of a picture, and the seconds of processor time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        began = time.process_time()
        result = zeroshot.solve(
            to_array(damaged.measurement),
            damaged.task,
            prior,
            seconds=seconds,
            progress=False,
            **damaged.options,
        )
        return result, time.process_time() - began


def choices_of(name: str, arguments: argparse.Namespace) -> list[Choice]:
    """Every picture of a row, with the candidates measured where they are not on file."""
    row = ROWS[name]
    damaged = cases(name, arguments.images or 8, arguments.size)
    judge: Judge = aligned if name == "levin" else quality
    names = list(dict.fromkeys([*CANDIDATES[row.task], *arguments.priors]))
    columns = dict.fromkeys([*row.priors.split(), *names, *PEERS[row.task], *row.learned])
    terms = {"row": name, "set": row.folder, "size": arguments.size or "full"}
    if arguments.seconds is not None:
        terms["budget"] = arguments.seconds
    table = Table("defaults", terms, list(damaged), list(columns), again=False)
    methods = {text: method_from(text) for text in names}
    measured = measure_all(table, methods, damaged, arguments.seconds, clock=time.process_time, judge=judge)
    for prior in ("auto", *names):
        prior_class(prior)  # what is imported counts for nobody
    own = Table("auto", terms, list(damaged), ["auto"], again=arguments.again)
    made = []
    for image, picture in damaged.items():
        work = partial(chosen_by_auto, picture, names, judge, arguments.seconds)
        figures = own.measure(image, "auto", work, settings=f"in turn {' '.join(names)}")
        alone = {prior: measured[prior][image] for prior in measured}
        made.append(_choice(image, names[int(figures["chosen"])], figures, alone))
        print(f"  {image}: auto chose {made[-1].chosen}, {made[-1].loss:.2f} dB lost", flush=True)
    return made


def _choice(image: str, chosen: str, figures: Figures, alone: Mapping[str, Figures]) -> Choice:
    best = max(alone, key=lambda prior: alone[prior]["psnr"])
    cost = figures["seconds"] / figures["alone"]
    return Choice(image, chosen, figures["psnr"], best, alone[best]["psnr"], cost)


def confusion(choices: list[Choice]) -> tuple[dict[str, str], list[list[Any]]]:
    """The heads and the lines of the table chosen × best, with the number of pictures and the mean loss of a choice."""
    counts = Counter((choice.chosen, choice.best) for choice in choices)
    best = list(dict.fromkeys(choice.best for choice in choices))
    lines: list[list[Any]] = []
    for chosen in dict.fromkeys(choice.chosen for choice in choices):
        losses = [choice.loss for choice in choices if choice.chosen == chosen]
        numbers = [counts[chosen, one] or None for one in best]
        lines.append([chosen, *numbers, statistics.mean(losses), max(losses)])
    return {"chosen": "", **dict.fromkeys(best, "d"), "mean loss": ".2f", "worst": ".2f"}, lines


def main() -> None:
    """Print each row's pictures and confusion table, and a line for every row in the end."""
    options = parser(__doc__)
    options.add_argument("rows", nargs="*", metavar="ROW", help=f"default: {CHOSEN_FROM}")
    add_table_options(options, size=128)
    arguments = parsed(options)
    names = arguments.rows or CHOSEN_FROM.split()
    for name in names:
        if name not in ROWS:
            options.error(f"there is no row {name!r}; there are: {', '.join(ROWS)}")
    summary: list[list[Any]] = []
    for name in names:
        choices = choices_of(name, arguments)
        heads = {
            "": "",
            "chosen": "",
            "PSNR": ".2f",
            "best": "",
            "its PSNR": ".2f",
            "loss": ".2f",
            "cost": ".2f",
        }
        lines = [
            [one.image, one.chosen, one.psnr, one.best, one.best_psnr, one.loss, one.cost] for one in choices
        ]
        show(f"{name}: {ROWS[name].what}", heads, lines)
        show("chosen × best", *confusion(choices))
        losses, costs = [one.loss for one in choices], [one.cost for one in choices]
        right = sum(one.chosen == one.best for one in choices)
        summary.append([name, len(choices), right, statistics.mean(losses), max(losses),
                        statistics.mean(costs), max(costs)])  # fmt: skip
    heads = {"row": "", "pictures": "d", "right": "d", "mean loss": ".2f", "worst": ".2f",
             "mean cost": ".2f", "dearest": ".2f"}  # fmt: skip
    show(f"all rows, crops of {arguments.size}", heads, summary)


if __name__ == "__main__":
    main()
