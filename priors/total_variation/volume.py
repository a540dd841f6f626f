"""Total variation of volumes: edges are surfaces, which lie in several planes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from zeroshot.solvers.rof_volume import Kind, VolumeRudinOsherFatemi
from zeroshot.volume_denoiser import Reach, VolumeDenoiser

#: λ σ where the search for λ begins.
_FIRST_GUESS = 0.35
#: Relative error of the residual at which λ has been found, the relative change of λ and the gap beside it.
_RESIDUAL_WITHIN, _REST, _MODERATE_GAP = 0.01, 0.02, 0.03
#: The most that λ may become, in units of the first guess.
_MOST_OF_FIRST = 100.0


@dataclass(frozen=True)
class VolumeTotalVariation(VolumeDenoiser):
    """min over x of ½‖x − y‖² / σ² + λ Σ √((∂ₓx)² + (∂ᵧx)² + (∂_z x/s)²), by the accelerated primal-dual scheme.

    Attributes
    ----------
    weight : float or None
        λ; None takes the one with RMS(x − y) = `discrepancy` · σ on parts of the volume.
    kind, discrepancy, iterations, tolerance, block
        As for :class:`~zeroshot.priors.total_variation.tv.TotalVariation`.
    chroma : float
        What differences of colour count for.
    spacing : float
        s, how many pixels planes are apart.
    """

    weight: float | None
    kind: Kind
    chroma: float
    discrepancy: float
    iterations: int
    tolerance: float
    block: int
    spacing: float

    bytes_per_value = 40

    def reach(self, sigma: float) -> Reach:
        """Some pixels more the stronger the noise; what is flat goes on beyond a cut."""
        return Reach(REACH, REACH)

    def prepared(self, samples: torch.Tensor, sigma: float) -> VolumeTotalVariation:
        """With the λ whose residual on the samples is the one that is wanted."""
        if self.weight is not None:
            return self
        solver = self._solver(samples, sigma, _FIRST_GUESS / sigma)
        solver.largest_weight = _MOST_OF_FIRST * solver.weight
        wanted = self.discrepancy * sigma
        for _ in range(0, self.iterations // 2, self.block):
            before = solver.weight
            solver.advance(self.block, wanted)
            objective, bound = solver.evaluate()
            gap = (objective - bound) / max(abs(objective), 1e-9 * samples.numel())
            near = abs(solver.residual / wanted - 1) <= _RESIDUAL_WITHIN
            capped = solver.weight >= (1 - 1e-6) * solver.largest_weight and solver.residual < wanted
            at_rest = abs(solver.weight / before - 1) <= _REST
            if gap <= _MODERATE_GAP and (capped or (near and at_rest)):
                break
        return replace(self, weight=solver.weight)

    def __call__(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """The minimiser within the tolerance, or what `iterations` come to."""
        assert self.weight is not None
        solver = self._solver(noisy[None], sigma, self.weight)
        for _ in range(0, self.iterations, self.block):
            solver.advance(self.block)
            objective, bound = solver.evaluate()
            if objective - bound <= self.tolerance * max(abs(objective), 1e-9 * noisy.numel()):
                break
        return solver.volume[0]

    def _solver(self, noisy: torch.Tensor, sigma: float, weight: float) -> VolumeRudinOsherFatemi:
        channels = [1.0] + [self.chroma] * (noisy.shape[1] - 1)
        return VolumeRudinOsherFatemi(
            noisy, weight, sigma, depth_weight=1 / self.spacing, channels=channels, kind=self.kind
        )

    def findings(self) -> dict[str, Any]:
        """λ."""
        return {"weight": self.weight}


#: Planes and pixels beyond which a cut is not felt.
REACH = 12
