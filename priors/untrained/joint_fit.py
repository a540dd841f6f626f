"""The fits of several runs of Deep Image Prior by one call of their networks.

The runs stay what they are: each has its weights, its optimiser, its measurement and its random numbers, and asks for
its own fit in its own step. The first to ask has the fits of all made.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from zeroshot.cuda_graphs import Replayed
from zeroshot.priors.untrained.networks.abreast import Abreast

if TYPE_CHECKING:
    from zeroshot.priors.untrained.deep_image_run import DeepImageRun

#: The network's image and its loss.
Fit = tuple[torch.Tensor, torch.Tensor]


class JointFit:
    """min over θ₁ … θ_B of D₁(A₁ f(z₁; θ₁), y₁) + … + D_B(A_B f(z_B; θ_B), y_B), one gradient at a time.

    No term knows of the others' weights, so that each run is given the gradient of its own.

    Parameters
    ----------
    runs : sequence of DeepImageRun
        Runs that are :func:`alike`.
    """

    def __init__(self, runs: Sequence[DeepImageRun]) -> None:
        self._networks = Abreast([run.network for run in runs])
        # A run holds its joint fit, and is not to be held by it: a tile is forgotten when it is done.
        self._runs = [weakref.ref(run) for run in runs]
        itself = weakref.proxy(self)
        drawn_from = [run.noise_generator for run in runs if run.perturbation is not None]
        self._fitting = Replayed(lambda: itself._fit(), runs[0].device, drawn_from)
        self._waiting: dict[int, Fit] = {}

    def is_of(self, runs: Sequence[DeepImageRun]) -> bool:
        """Whether it is the joint fit of these runs, in this order."""
        return len(runs) == len(self._runs) and all(
            own() is run for own, run in zip(self._runs, runs, strict=True)
        )

    @property
    def is_recorded(self) -> bool:
        """Whether the gradients lie where those of the last fit lay."""
        return self._fitting.is_recorded

    def of(self, run: DeepImageRun) -> Fit:
        """The fit of one of the runs, each of which asks once a round."""
        place = next(place for place, own in enumerate(self._runs) if own() is run)
        if place not in self._waiting:
            self._waiting = dict(enumerate(self._fitting()))
        return self._waiting.pop(place)

    def _fit(self) -> list[Fit]:
        runs = [run for own in self._runs if (run := own()) is not None]
        self._networks.forget_gradients()
        images = self._networks([run.shown_input() for run in runs])
        outputs = [run.frame.crop(image) for run, image in zip(runs, images, strict=True)]
        losses = [run.problem.loss(output) for run, output in zip(runs, outputs, strict=True)]
        torch.stack(losses).sum().backward()
        self._networks.give_gradients()
        return [
            (output.detach().contiguous(), loss.detach())
            for output, loss in zip(outputs, losses, strict=True)
        ]


def alike(runs: Sequence[DeepImageRun]) -> bool:
    """Whether the networks of these runs can be called as one."""
    shapes = {(run.z.shape, run.frame.outer, run.dtype, run.device) for run in runs}
    # What time a run has makes no other network.
    priors = [dataclasses.replace(run.prior, budget=None) for run in runs]
    return len(shapes) == 1 and all(prior == priors[0] for prior in priors[1:])
