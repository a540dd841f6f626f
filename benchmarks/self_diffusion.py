"""Deep Image Prior with the annealed noise of self-diffusion, beside its recipes as they are.

    python -m benchmarks.self_diffusion                         # inpaint, denoise, deblur, sr on six pictures
    python -m benchmarks.self_diffusion inpaint --images 2
    python -m benchmarks.self_diffusion sr --columns dip annealed

Self-diffusion alternates between noise and a network that is trained on: the network reads its own last estimate with
noise of a level that falls from step to step, and is fitted to the measurement. Strong noise leaves it only coarse
structure to go by, weak noise the fine. Here the same is done to the recipes of `dip`, in as many iterations:

annealed   the perturbation of the input falls evenly in dB, from 4 times to a quarter of the recipe's
self       the same, and after 40 iterations the network reads its own average over iterates in place of the guide,
           renewed every 20 iterations
target     noise that falls in a straight line from 0.2 to 0 is put on the measurement, anew at each iteration
fallback   no self-diffusion: the network does not read the guide, which only the result begins with

PSNR in dB over centre crops in grey, whole calls of solve() with default stopping and seed. Figures already measured
are taken from `benchmarks/output`; --again measures anew.

G. Luo, S. Huang, Y. Yang: Self-diffusion for solving inverse problems, NeurIPS 2025.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch

import zeroshot
from benchmarks.arguments import count, parsed, parser
from benchmarks.dip.cases import fingerprint, problem_of, psnr_of
from benchmarks.sets import SHARED, damaged, picture
from benchmarks.table import Figures, Table, means, show
from zeroshot.colour import full_range_luma
from zeroshot.prior import Run
from zeroshot.priors.clean import CleanRun
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.priors.untrained.deep_image_run import DeepImageRun
from zeroshot.problem import Problem
from zeroshot.tasks.degrade import Degraded

PICTURES = ("set12/monarch", "classic5/barbara", "set5/hr_x4/butterfly", "cbsd68/229036", "colour9/peppers",
            "mcmaster/05")  # fmt: skip
TASKS = ("inpaint", "denoise", "deblur", "sr")
#: By what the perturbation of the recipe is multiplied in the first iteration, and by whose inverse in the last.
RANGE = 4.0
#: From which iteration on the network reads its own estimate, and how often that is renewed.
BEGIN, EVERY = 40, 20
#: The noise on the measurement in the first iteration.
TARGET = 0.2
COLUMNS: dict[str, dict[str, Any]] = {
    "dip": {},
    "annealed": {"anneals": ("input",)},
    "self": {"anneals": ("input", "own")},
    "target": {"anneals": ("target",)},
    "fallback": {"guide_role": "fallback"},
}


@dataclass(frozen=True)
class SelfDiffusion(DeepImagePrior):
    """Deep Image Prior with falling noise where `anneals` says: on the "input", its "own" estimate, the "target"."""

    name: ClassVar[str] = "dip"

    anneals: tuple[str, ...] = ()

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """A run whose noise falls."""
        return CleanRun(problem) if problem.is_clean else SelfDiffusionRun(self, problem, generator)


class SelfDiffusionRun(DeepImageRun):
    """A run whose network sees less and less noise. It cannot be continued from a state."""

    def __init__(self, prior: SelfDiffusion, problem: Problem, generator: torch.Generator) -> None:
        super().__init__(prior, problem, generator)
        self._anneals = prior.anneals
        self._own: torch.Tensor | None = None

    def _fit(self) -> tuple[torch.Tensor, torch.Tensor]:
        self.optimiser.zero_grad()
        done = min(1.0, self.iteration / (self.prior.iterations - 1))
        assert self.perturbation is not None
        scale = RANGE ** (1 - 2 * done) if "input" in self._anneals else 1.0
        z = self._input() + self.perturbation.draw() * scale
        output = self.frame.crop(self.network(z.contiguous(memory_format=torch.channels_last)))
        loss = self._loss(output, done)
        loss.backward()
        return output.detach().contiguous(), loss.detach()

    def _input(self) -> torch.Tensor:
        """The input without noise: z and the guide, or the network's own estimate in its place."""
        if "own" not in self._anneals or self.guide is None or self.iteration < BEGIN:
            return self.z
        if self.iteration % EVERY == 0:
            assert self.average is not None
            self._own = self.frame.pad(self.average).to(self.z)
        return self.z if self._own is None else torch.cat([self.z[:, : -self.guide.shape[1]], self._own], 1)

    def _loss(self, output: torch.Tensor, done: float) -> torch.Tensor:
        if "target" not in self._anneals:
            return self.problem.loss(output)
        problem = self.problem
        noise = torch.randn(problem.y.shape, generator=self.noise_generator, device=self.device)
        fitted = None if (counted := problem.counted()) is None else counted.to(problem.y)
        noisy = problem.y + TARGET * (1 - done) * noise
        return problem.data_term(problem.operator(output), noisy, fitted)


def _run(one: Degraded, prior: DeepImagePrior) -> Figures:
    result = zeroshot.solve(one.measurement, one.task, prior, progress=False, **one.options)
    if result.interrupted:
        raise KeyboardInterrupt
    return {"psnr": psnr_of(result.image, one), "seconds": result.seconds}


def _crop(name: str, size: int) -> torch.Tensor:
    crop = picture(SHARED / f"{name}.png", size)
    return crop if crop.shape[1] == 1 else full_range_luma(crop)


def compare(task: str, arguments: argparse.Namespace) -> None:
    """Print what each way reaches on each picture, and the mean gain on the recipe."""
    names = PICTURES[: arguments.images]
    columns = list(dict.fromkeys(["dip", *arguments.columns]))
    terms = {"task": task, "size": arguments.size}
    table = Table("self_diffusion", terms, list(names), list(COLUMNS), again=arguments.again)
    lines: list[list[Any]] = []
    for name in names:
        one = damaged(task, _crop(name, arguments.size))
        problem = problem_of(one)
        line: list[Any] = [name]
        for column in columns:
            prior = SelfDiffusion.for_problem(problem, **COLUMNS[column])
            work = partial(_run, one, prior)
            line.append(table.measure(name, column, work, fingerprint(prior, problem))["psnr"])
        lines.append(line)
        print(f"  {name}: {', '.join(f'{psnr:.2f}' for psnr in line[1:])} dB", flush=True)
    mean = means([line[1:] for line in lines])
    gains = [None if one is None or mean[0] is None else one - mean[0] for one in mean]
    show(
        f"{task}, centre crops of {arguments.size} in grey",
        {"image": "", **dict.fromkeys(columns, ".2f")},
        [*lines, ["mean", *mean], ["gain", *gains]],
    )


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(TASKS)}; default: all")
    add("--columns", nargs="+", choices=list(COLUMNS), default=list(COLUMNS), help="default: all")
    add("--size", type=count, default=96, help="side of the centre crops (default 96)")
    add("--images", type=count, metavar="N", help="the first N pictures only")
    add("--threads", type=count, help="CPU threads (default: all cores)")
    add("--again", action="store_true", help="measure anew what is on file")
    arguments = parsed(options)
    for task in arguments.tasks:
        if task not in TASKS:
            options.error(f"there is no task {task!r} here; there are: {', '.join(TASKS)}")
    for task in arguments.tasks or TASKS:
        compare(task, arguments)


if __name__ == "__main__":
    main()
