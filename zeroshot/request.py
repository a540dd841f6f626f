"""What a call of :func:`zeroshot.solve` asks for, posed as a problem with a prior, and run to its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from zeroshot import choice, images
from zeroshot.checks import require_positive, require_whole
from zeroshot.deadline import GRACE, Deadline, seconds_left
from zeroshot.estimate import History
from zeroshot.inspection import describe
from zeroshot.loop import INTERRUPTED, Listener, Loop
from zeroshot.notes import note
from zeroshot.prediction import worse_than_first_estimate
from zeroshot.prior import Prior, configured_prior
from zeroshot.problem import Problem
from zeroshot.provenance import described
from zeroshot.registry import __version__
from zeroshot.restoration import Restoration
from zeroshot.standings import ROLES
from zeroshot.stopping import StoppingRule
from zeroshot.tiling.planning import Tiling, description, is_tiled
from zeroshot.watch import Watch

#: Why an image was not begun: for want of time, or after Ctrl-C.
LATE = "the time was up before its turn, so that this is the first estimate"
NOT_ITS_TURN = f"{INTERRUPTED} before its turn"


@dataclass(frozen=True)
class Request:
    """What :func:`solve` was asked for, less the image; a prior of None is the task's default."""

    task: str
    prior: str | Prior | None
    settings: dict[str, Any] | None
    stopping: StoppingRule | None
    seconds: float | None
    seed: int
    device: torch.device
    watch: Watch
    tiling: Tiling

    def __post_init__(self) -> None:
        if self.settings is not None and not isinstance(self.settings, dict):
            kind = type(self.settings).__name__
            raise TypeError(f"settings must be a dict of hyper-parameters, got {kind}")
        if self.stopping is not None and not isinstance(self.stopping, StoppingRule):
            raise TypeError(
                f"stopping must be a StoppingRule such as MaxIterations(500), got {self.stopping!r}"
            )
        if self.prior in ROLES and self.settings:
            raise ValueError(
                f"prior {self.prior!r} is chosen by the task: settings go with one that is named"
            )
        require_positive(self, "seconds", none="allowed")
        require_whole(self, "seed", least=0)
        if self.seed >= 2**63:
            raise ValueError(f"seed must be a whole number below 2⁶³, got {self.seed!r}")

    def posed(
        self, given: images.Picture, problem: Problem, inner: images.Picture, options: dict[str, Any]
    ) -> Posed:
        """A problem with the prior that is to solve it; nothing is computed yet.

        Raises
        ------
        ValueError
            Where the prior does not support the problem.
        """
        if self.prior is None or self.prior in ROLES:
            wanted = None if self.prior is None else str(self.prior)
            name = choice.chosen(wanted, self.task, problem, self.seconds)
            choice.announce(name, wanted, self.task, problem, self.device)
            return replace(self, prior=name).posed(given, problem, inner, options)
        prior = self._prior_for(problem)
        if problem.frame is not None and prior.supports(problem) is not None:
            # Generators make images of one size.
            problem = problem.within_frame()
            prior = self._prior_for(problem)
        prior.require_support(problem)
        return Posed(self, given, inner, problem, prior, options)

    def _prior_for(self, problem: Problem) -> Prior:
        """The prior as it was asked for, in tiles or several times where it must be."""
        assert self.prior is not None
        prior = configured_prior(self.prior, problem, self.settings)
        prior = self.tiling.applied(prior, problem, self.stopping, self.device)
        return prior if self.seconds is None else prior.within(self.seconds)


@dataclass(frozen=True)
class Posed:
    """One image, ready to be restored."""

    request: Request
    before: images.Picture
    picture: images.Picture
    problem: Problem
    prior: Prior
    options: dict[str, Any]

    def restored(self, deadline: Deadline | None) -> Restoration:
        """Run the optimisation, until the deadline at the latest."""
        request, problem = self.request, self.problem.to(self.request.device)

        def begin(listeners: Sequence[Listener]) -> Loop:
            generator = torch.Generator().manual_seed(request.seed)
            rule = None if is_tiled(self.prior) else request.stopping
            return Loop(problem, self.prior, rule, generator=generator, seconds=deadline, listeners=listeners)

        provenance = self.provenance()
        loop, history = request.watch.run(
            begin,
            self.prior,
            problem.task,
            request.seconds,
            self.picture,
            provenance,
            first=lambda: problem.framed(problem.initial()),
        )
        run = loop.run
        image, verdict = self._judged(loop)
        image = self._with_grain(image)
        ended: dict[str, Any] = {
            "stopped_by": "; ".join(filter(None, [loop.reason, run.remark(), verdict])),
            "iterations": loop.iteration,
            "seconds_allowed": request.seconds,
        }
        findings = run.findings()
        if self.problem.constraint is not None:
            image = self.problem.constraint.nearest(image.float().cpu())
            findings = findings | self.problem.constraint.findings(image)
        if "kernel" in findings:  # a better one than that of the problem
            ended["kernel"] = described(findings.pop("kernel"))
        if findings:
            ended["findings"] = described(findings)
        # No wall-clock time in the provenance: the same run must give the same file, byte for byte.
        return replace(
            self._as_restoration(image, provenance | ended),
            seconds=loop.seconds,
            history=history,
            maps={name: problem.framed(image).float().cpu() for name, image in run.maps().items()},
            arrays={name: array.detach().cpu() for name, array in run.arrays().items()},
        )

    def _judged(self, loop: Loop) -> tuple[torch.Tensor, str]:
        """The image to return, and what its user must know of it, who is warned.

        What was cut short and is worse than the first estimate is not returned in its place.
        """
        image = loop.result()
        if loop.cut_short and not loop.iteration:
            note(loop.reason)
            return image, ""
        problem = self.problem.to(image.device)
        worse = worse_than_first_estimate(problem, image)
        if worse is None:
            return image, ""
        if loop.cut_short:
            image = problem.initial()
            got = "the input itself" if problem.is_denoising else "the first estimate"
            text = f"{worse}, for want of time: this is {got} instead"
        else:
            text = f"{worse}: make more iterations, or take another prior, which knows such pictures"
        note(text)
        return image, text

    def _with_grain(self, image: torch.Tensor) -> torch.Tensor:
        """The image with the share "grain" of what was removed given back, where there is a measurement."""
        grain, problem = self.options.get("grain"), self.problem.to(image.device)
        if not grain or problem.y.shape != image.shape:
            return image
        known = problem.known_pixels()
        removed = problem.y - image if known is None else (problem.y - image) * known
        return (image + float(grain) * removed).clamp(0, 1)

    def answered(
        self, image: torch.Tensor, reason: str, seconds: float, iterations: int = 1, **found: Any
    ) -> Restoration:
        """The restoration with an image that was found together with those of other planes.

        Parameters
        ----------
        image : torch.Tensor
            (1, C, H, W) in [0, 1], on the CPU.
        reason : str
            Why the run ended.
        seconds : float
            How long it took.
        iterations : int
            How many steps were made for this plane.
        **found
            What the provenance says beside it.
        """
        ended = {
            "stopped_by": reason,
            "iterations": iterations,
            "seconds_allowed": self.request.seconds,
        }
        restoration = self._as_restoration(self._with_grain(image), self.provenance() | ended | found)
        return replace(restoration, seconds=seconds)

    def untouched(self, reason: str) -> Restoration:
        """The operator's first estimate, for an image whose turn did not come for this reason."""
        ended = {
            "stopped_by": reason,
            "iterations": 0,
            "seconds_allowed": self.request.seconds,
        }
        return self._as_restoration(self.problem.initial(), self.provenance() | ended)

    def provenance(self) -> dict[str, Any]:
        """How the run is made, JSON-able: what a checkpoint must agree with to be continued."""
        request, single = self.request, self.prior.innermost()
        rule = request.stopping or single.suited(self.problem).default_stopping(self.problem)
        return {
            "zeroshot": __version__,
            "torch": str(torch.__version__),
            "task": request.task,
            "options": {name: described(value) for name, value in self.options.items()},
            "operator": described(self.problem.operator),
            "data_term": repr(self.problem.data_term),
            "sigma": self.problem.sigma,
            **self._noise(),
            **({} if self.problem.kernel is None else {"kernel": dict(self.problem.kernel)}),
            "value_range": list(self.before.form.value_range),
            "value_range_origin": self.before.form.origin,
            "prior": single.name,
            "settings": {name: described(value) for name, value in single.settings().items()},
            "stopping": repr(rule),
            **description(self.prior),
            "seed": request.seed,
            "device": str(request.device),
            "threads": torch.get_num_threads(),
            "input_sha256": self.before.sha256(),
        }

    def _noise(self) -> dict[str, Any]:
        """What a result records of a noise model, and the sentence that tells it."""
        noise = self.problem.noise
        return {} if noise is None else {"noise": {"in_words": describe(noise), **noise.summary()}}

    def _as_restoration(self, image: torch.Tensor, provenance: dict[str, Any]) -> Restoration:
        sigma = self.problem.sigma
        return Restoration(
            self.picture.with_colours(self.problem.framed(image).float().cpu()),
            provenance["stopped_by"],
            provenance["iterations"],
            0.0,
            History(),
            None if sigma is None else sigma / self.before.form.level_factor,
            provenance,
            before=self.before,
        )


def restored_in_turn(parts: list[Posed]) -> list[Restoration]:
    """Each image of a batch; after Ctrl-C, or without time, those left are only given their first estimate."""
    done: list[Restoration] = []
    for index, part in enumerate(parts):
        left = seconds_left()
        if done and done[-1].interrupted:
            done.append(part.untouched(NOT_ITS_TURN))
        elif left <= 0:
            done.append(part.untouched(LATE))
        else:
            share = None if left == math.inf else Deadline(left / (len(parts) - index), grace=GRACE)
            done.append(part.restored(share))
    return done


def joined(picture: images.Picture, parts: list[Restoration]) -> Restoration:
    """The restorations of a batch as one."""
    colours = torch.cat([part.picture.colours for part in parts])
    first = parts[0]
    reasons = sorted({part.stopped_by for part in parts})
    return Restoration(
        picture.with_colours(colours),
        reasons[0] if len(reasons) == 1 else "several reasons: " + "; ".join(reasons),
        sum(part.iterations for part in parts),
        sum(part.seconds for part in parts),
        first.history,
        None if first.sigma is None else float(np.mean([part.sigma for part in parts])),
        first.provenance | {"batch": [part.provenance for part in parts]},
        before=picture,
        parts=tuple(parts),
    )
